"""A project's settings: `headrace.toml` and the environment, read once and frozen.

::

    [project]
    name = "ads"                  # default: the directory's name
    definitions = "features.py"   # default; a file, glob or directory, or a list of them
    timezone = "UTC"              # default; days, weeks and months of calendar windows

    [registry]
    url = "sqlite:///.headrace/registry.db"     # default; or postgresql://user@host/database

    [offline]
    engine = "local"              # default; or "spark"
    memory = "4GB"                # default: the engine decides; of Spark on this machine, the heap
    master = "local[*]"           # default; where Spark runs
    partitions = 64               # default: two for each of Spark's cores

    [offline.spark]               # further settings, as Spark names them
    "spark.executor.memory" = "8g"

    [online]
    url = "lmdb:///.headrace/online"            # default; or redis://host:6379, redis+cluster://host:6379
    fallback = "redis://other:6379"             # default: none

`project = "ads"` and `definitions = "..."` at the top of the file are short forms. An environment variable
`HEADRACE_<SECTION>__<KEY>`, as in `HEADRACE_ONLINE__URL`, goes before the file. Paths are relative to the
project's directory wherever they are written; in a URL a path begins after the third slash, so an absolute
one makes it four.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote

from headrace.errors import DefinitionError, StoreError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "FILE",
    "Alerts",
    "Monitoring",
    "Offline",
    "Online",
    "Project",
    "Registry",
    "Serving",
    "Settings",
    "find_project",
    "path_of",
    "read_settings",
    "without_password",
]

FILE = "headrace.toml"
STATE = ".headrace"
"""The directory, inside the project's, that registry and online store live in unless told otherwise."""

_FILE_URL = re.compile(r"(?P<scheme>(?:sqlite(?:\+\w+)?|lmdb):///)(?P<path>[^?]*)(?P<rest>.*)", re.DOTALL)
_VARIABLE = re.compile(r"HEADRACE_(?P<section>[A-Z0-9]+(?:_[A-Z0-9]+)*)__(?P<key>\w+)")
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


@dataclass(frozen=True)
class Project:
    """What the project is called and where its definitions are.

    Attributes:
        name: Its name.
        definitions: The Python files with the definitions: paths, globs or directories inside the project.
        timezone: The zone of local days, weeks and months, an IANA name.
    """

    name: str
    definitions: tuple[str, ...]
    timezone: str = "UTC"


@dataclass(frozen=True)
class Registry:
    """Where the registry is.

    Attributes:
        url: As SQLAlchemy writes it; a SQLite path is absolute.
    """

    url: str = field(repr=False)


@dataclass(frozen=True)
class Offline:
    """What computes history.

    Attributes:
        engine: `local` or `spark`.
        memory: The memory it may use, bytes; None lets the engine decide.
        master: Where Spark runs; None for this machine, all its cores.
        partitions: How many parts Spark deals entities into; None for two for each core.
        spark: Further settings, as Spark names them.
    """

    engine: str = "local"
    memory: int | None = None
    master: str | None = None
    partitions: int | None = None
    spark: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Online:
    """Where features are served from.

    Attributes:
        url: `lmdb:///path` (absolute), `redis://..` or `redis+cluster://..`.
        fallback: Where to read when `url` cannot be reached; None for nowhere.
    """

    url: str = field(repr=False)
    fallback: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Serving:
    """The server; it has no keys yet."""


@dataclass(frozen=True)
class Monitoring:
    """Drift, freshness and consistency; it has no keys yet."""


@dataclass(frozen=True)
class Alerts:
    """Who is told of what monitoring finds; it has no keys yet."""


@dataclass(frozen=True)
class Settings:
    """Everything that `headrace.toml` and the environment say.

    Attributes:
        directory: The project's directory, absolute.
        project: Section `[project]`; each of the others likewise.
    """

    directory: Path
    project: Project
    registry: Registry
    offline: Offline
    online: Online
    serving: Serving
    monitoring: Monitoring
    alerts: Alerts


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is a text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if (
        not isinstance(texts, list)
        or not texts
        or not all(isinstance(each, str) and each.strip() for each in texts)
    ):
        raise ValueError("is a text or a list of texts")
    return tuple(texts)


def _url(value: Any) -> str:
    if not re.match(r"[a-z][a-z0-9+.-]*:", _text(value)):
        raise ValueError("is a URL, such as sqlite:///path, lmdb:///path or redis://host:6379")
    return str(value)


def _timezone(value: Any) -> str:
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(_text(value))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is an IANA time zone, such as UTC or Europe/Berlin") from None
    return str(value)


def _engine(value: Any) -> str:
    if value not in {"local", "spark"}:
        raise ValueError('is "local" or "spark"')
    return str(value)


def _count(value: Any) -> int:
    """A number of things, from a number or a text."""
    if isinstance(value, bool) or not re.fullmatch(r"[1-9][0-9]{0,5}", str(value).strip()):
        raise ValueError("is a number from 1 on")
    return int(value)


def _table(value: Any) -> dict[str, str]:
    """Names and values, every value as a text."""
    if not isinstance(value, dict) or any(isinstance(each, dict | list) for each in value.values()):
        raise ValueError("is a table of names and values")
    return {name: str(each).lower() if isinstance(each, bool) else str(each) for name, each in value.items()}


def _bytes(value: Any) -> int:
    """A size, from a number of bytes or a text such as `512MB` or `4 GiB`."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", str(value), re.IGNORECASE)
    unit = _UNITS.get(found[2].upper() or "B", 0) if found else 0
    size = int(float(found[1]) * unit) if found else 0
    if size <= 0:
        raise ValueError("is a size, such as 512MB or 4GB")
    return size


class _Key(NamedTuple):
    """How a key's value is read, and what stands for it when nobody gives one."""

    read: Callable[[Any], Any]
    default: str | dict[str, str] | None


_SECTIONS: dict[str, tuple[type, dict[str, _Key]]] = {
    "project": (
        Project,
        {
            "name": _Key(_text, None),
            "definitions": _Key(_texts, "features.py"),
            "timezone": _Key(_timezone, "UTC"),
        },
    ),
    "registry": (Registry, {"url": _Key(_url, f"sqlite:///{STATE}/registry.db")}),
    "offline": (
        Offline,
        {
            "engine": _Key(_engine, "local"),
            "memory": _Key(_bytes, None),
            "master": _Key(_text, None),
            "partitions": _Key(_count, None),
            "spark": _Key(_table, {}),
        },
    ),
    "online": (Online, {"url": _Key(_url, f"lmdb:///{STATE}/online"), "fallback": _Key(_url, None)}),
    "serving": (Serving, {}),
    "monitoring": (Monitoring, {}),
    "alerts": (Alerts, {}),
}
_SHORT = {"project": ("project", "name"), "definitions": ("project", "definitions")}


@dataclass(frozen=True)
class _Given:
    """A value somebody wrote, and where."""

    value: Any
    where: str


_Values = dict[tuple[str, str], _Given]


def find_project(directory: str | os.PathLike[str] = ".") -> Path:
    """The project in a directory.

    Args:
        directory: The directory with `headrace.toml`, or that file itself.

    Returns:
        The directory, absolute, links resolved.

    Raises:
        StoreError: There is no such directory, or no `headrace.toml` in it.
    """
    path = Path(directory).expanduser()
    if path.name == FILE and path.is_file():
        path = path.parent
    path = path.resolve()
    if (path / FILE).is_file():
        return path
    if not path.is_dir():
        raise StoreError(
            f"There is no directory {path}.",
            asked=directory,
            remedy="Make a project there with `headrace init`.",
        )
    above = next((str(each) for each in path.parents if (each / FILE).is_file()), None)
    raise StoreError(
        f"{path} is not a Headrace project: it has no {FILE}.",
        asked=directory,
        available=[above] if above else (),
        remedy="Give the directory of a project, or make one here with `headrace init`.",
    )


def read_settings(
    directory: str | os.PathLike[str] = ".", environ: Mapping[str, str] | None = None
) -> Settings:
    """Read a project's settings.

    Args:
        directory: The directory with `headrace.toml`.
        environ: Environment variables; those of the process by default.

    Returns:
        The settings, every path in them absolute.

    Raises:
        StoreError: There is no project, or its file cannot be read.
        UnknownNameError: A section or key does not exist; the nearest one is offered.
        DefinitionError: The file is not TOML, or a value is not what its key needs.
    """
    place = find_project(directory)
    given = _from_file(place / FILE)
    given.update(_from_environment(os.environ if environ is None else environ))
    return Settings(directory=place, **{name: _section(name, given, place) for name in _SECTIONS})


def path_of(url: str) -> Path | None:
    """The path in a `sqlite:///` or `lmdb:///` URL; None in any other, and for `:memory:`."""
    found = _FILE_URL.fullmatch(url)
    return Path(unquote(found["path"])) if found and found["path"] not in {"", ":memory:"} else None


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    return re.sub(r"(?<=://)([^/@:]*):[^/]*@", r"\1:***@", url)


def _section(name: str, given: _Values, directory: Path) -> Any:
    """One section: what is given, else its defaults, every path absolute."""
    of, keys = _SECTIONS[name]
    values: dict[str, Any] = {}
    for key, (read, default) in keys.items():
        written = given.get((name, key), _Given(default, ""))
        value = None if written.value is None else _read(read, written)
        if read is _url and value is not None:
            value = _placed(value, directory)
        values[key] = value
    if of is Project:
        values["name"] = values["name"] or directory.name or "headrace"
    return of(**values)


def _read(read: Callable[[Any], Any], written: _Given) -> Any:
    try:
        return read(written.value)
    except ValueError as error:
        shown = "" if read is _url else f", not {written.value!r}"  # a URL may hold a password
        raise DefinitionError(f"{written.where} {error}{shown}.", remedy="Correct it there.") from None


def _placed(url: str, directory: Path) -> str:
    """The URL; a relative path in one of ours made absolute."""
    found = _FILE_URL.fullmatch(url)
    path = path_of(url)
    if found is None or path is None:
        return url
    # SQLAlchemy reads escapes in it; what would end the path is escaped, all else stays readable
    return (
        found["scheme"] + quote(str(directory / path.expanduser()), safe="/ !$&'()*+,:;=@[]~") + found["rest"]
    )


def _from_file(path: Path) -> _Values:
    try:
        text = path.read_text(encoding="utf-8-sig")
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DefinitionError(
            f"{path} is not TOML: {error}.", asked=path, remedy="Correct it there."
        ) from None
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read: {error.strerror}.", asked=path, remedy="Make it readable."
        ) from None
    given: _Values = {}
    for name, value in tables.items():
        if name in _SHORT and not isinstance(value, dict):
            _add(given, _SHORT[name], _Given(value, f"{path}: {name}"), path)
        elif name in _SECTIONS and isinstance(value, dict):
            for key, inner in value.items():
                if key not in _SECTIONS[name][1]:
                    raise _unknown_key(path, name, key)
                _add(given, (name, key), _Given(inner, f"{path}: [{name}] {key}"), path)
        elif name in _SECTIONS:
            raise DefinitionError(
                f"{path}: {name} is a section, not a value.",
                asked=name,
                remedy=f"Write [{name}] on a line of its own.",
            )
        else:
            raise _unknown_section(path, name, is_table=isinstance(value, dict))
    return given


def _add(given: _Values, key: tuple[str, str], value: _Given, path: Path) -> None:
    if key in given:
        raise DefinitionError(
            f"{path}: {key[0]}.{key[1]} is written twice, in short and in its section.",
            asked=".".join(key),
            remedy="Leave one out.",
        )
    given[key] = value


def _from_environment(environ: Mapping[str, str]) -> _Values:
    given: _Values = {}
    for name, value in environ.items():
        found = _VARIABLE.fullmatch(name)
        if found is None:
            continue
        section, key = found["section"].lower(), found["key"].lower()
        if section not in _SECTIONS or key not in _SECTIONS[section][1]:
            raise UnknownNameError(
                f"The environment variable {name} sets nothing.",
                asked=name,
                available=_nearest(name, [f"HEADRACE_{each[0]}__{each[1]}".upper() for each in _all_keys()]),
                remedy="Correct or unset it.",
            )
        given[section, key] = _Given(value, f"The environment variable {name}")
    return given


def _unknown_section(path: Path, name: str, *, is_table: bool) -> UnknownNameError:
    if is_table:
        return UnknownNameError(
            f"{path}: there is no section [{name}].",
            asked=name,
            available=_nearest(name, list(_SECTIONS)),
            remedy="Correct or remove it.",
        )
    homes = [f"[{section}] {key}" for section, key in _all_keys() if key == name]
    return UnknownNameError(
        f"{path}: there is no top-level key {name!r}.",
        asked=name,
        available=homes or _nearest(name, [*_SHORT, *_SECTIONS]),
        remedy="Write it in its section.",
    )


def _unknown_key(path: Path, section: str, key: str) -> UnknownNameError:
    elsewhere = [f"[{other}] {each}" for other, each in _all_keys() if each == key]
    return UnknownNameError(
        f"{path}: section [{section}] has no key {key!r}.",
        asked=key,
        available=elsewhere or _nearest(key, list(_SECTIONS[section][1])),
        remedy="Correct or remove it.",
    )


def _all_keys() -> list[tuple[str, str]]:
    return [(section, key) for section, (_, keys) in _SECTIONS.items() for key in keys]


def _nearest(name: str, known: list[str]) -> list[str]:
    return difflib.get_close_matches(name, known, n=3, cutoff=0.5) or known
