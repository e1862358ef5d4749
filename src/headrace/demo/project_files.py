"""The demo's project: settings, definitions and their tests, put into a directory that holds nothing else."""

from __future__ import annotations

import shutil
from importlib import resources
from typing import TYPE_CHECKING

from headrace.errors import ConflictError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_project"]

SHIPPED = {
    "headrace.toml": "headrace.toml",
    "features.py": "features.py.txt",
    "tests/households.yaml": "tests/households.yaml",
    "tests/items.yaml": "tests/items.yaml",
}
IGNORED = ".headrace/\ndata/\n*.parquet\n"
STATE = ".headrace"


def write_project(directory: Path) -> None:
    """Write settings, definitions and their tests; what an earlier demo left in the directory begins anew.

    Args:
        directory: Where to; made if missing.

    Raises:
        ConflictError: The directory holds something else, or the demo's own files were changed since;
            nothing is written.
        StoreError: The directory cannot be written.
    """
    shipped = resources.files("headrace.demo") / "project"
    texts = {name: (shipped / source).read_text(encoding="utf-8") for name, source in SHIPPED.items()}
    try:
        _refuse_others(directory, texts)
        shutil.rmtree(directory / STATE, ignore_errors=True)
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in {**texts, ".gitignore": IGNORED}.items():
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{directory} cannot be written: {error.strerror}.",
            asked=directory,
            remedy="Choose another directory with --dir.",
        ) from None


def _refuse_others(directory: Path, texts: dict[str, str]) -> None:
    """Refuse a directory with files that are not an unchanged demo's."""
    if not directory.exists() or not any(directory.iterdir()):
        return
    for name, text in texts.items():
        path = directory / name
        if not path.is_file() or path.read_bytes() != text.encode():
            raise ConflictError(
                f"{directory} is no demo project, or its {name} was changed; nothing was written.",
                asked=directory,
                remedy="Choose another directory with --dir, or move this one away.",
            )
