"""`headrace doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.cli import output
from headrace.cli.store import opened
from headrace.cli.verb import DONE, FOUND, verb
from headrace.errors import HeadraceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["doctor"]

LIBRARIES = ("click", "duckdb", "lmdb", "msgspec", "numpy", "pyarrow", "pyyaml", "rich", "sqlalchemy")
LITTLE_SPACE = 1 << 30


class Check(NamedTuple):
    """Something that was looked at."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The check as JSON values."""
        return self._asdict()


@verb
def doctor(*, project: Path, as_json: bool) -> int:
    """Check machine, project, registry and online store; exit code 2 if something is wrong."""
    checks = [each.to_dict() for each in _checks(project)]
    healthy = all(each["ok"] for each in checks)
    if as_json:
        output.document({"healthy": healthy, "checks": checks})
    else:
        marks = [
            ("ok" if each["ok"] else "!!", each["name"], each["detail"], each["remedy"] or None)
            for each in checks
        ]
        output.table(("", "what", "found", "remedy"), marks)
    return DONE if healthy else FOUND


def _checks(project: Path) -> Iterator[Any]:
    """Checks from the ground up; those above a broken one are left out."""
    import platform
    import shutil

    from headrace.config import find_project, read_settings, without_password

    yield Check("headrace", ok=True, detail=_version("headrace"))
    yield Check("python", ok=True, detail=f"{platform.python_version()} on {platform.platform(terse=True)}")
    yield Check("libraries", ok=True, detail=", ".join(f"{name} {_version(name)}" for name in LIBRARIES))
    try:
        directory = find_project(project)
        settings = read_settings(directory)
        yield Check("project", ok=True, detail=f"{settings.project.name} in {directory}")
        free = shutil.disk_usage(directory).free
        remedy = "Make room: a load writes a whole new generation before it drops the old one."
        yield Check(
            "disk", free > LITTLE_SPACE, f"{free / 1e9:.1f} GB free", "" if free > LITTLE_SPACE else remedy
        )
        yield Check("registry url", ok=True, detail=without_password(settings.registry.url))
        yield Check("online url", ok=True, detail=without_password(settings.online.url))
        with opened(project) as store:
            yield from store.doctor()
    except HeadraceError as error:
        yield Check(type(error).__name__, ok=False, detail=error.message, remedy=error.remedy)


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
