"""What `headrace.toml` says."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.config.sections import SECTIONS, SHORT, Given, all_keys, nearest
from headrace.errors import DefinitionError, StoreError, UnknownNameError

if TYPE_CHECKING:
    import os

    from headrace.config.sections import Values

__all__ = ["FILE", "find_project", "from_file"]

FILE = "headrace.toml"


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


def from_file(path: Path) -> Values:
    """What the file says.

    Raises:
        StoreError: It cannot be read.
        UnknownNameError: A section or key does not exist.
        DefinitionError: It is not TOML, or says something twice.
    """
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
    given: Values = {}
    for name, value in tables.items():
        if name in SHORT and not isinstance(value, dict):
            _add(given, SHORT[name], Given(value, f"{path}: {name}"), path)
        elif name in SECTIONS and isinstance(value, dict):
            for key, inner in value.items():
                if key not in SECTIONS[name][1]:
                    raise _unknown_key(path, name, key)
                _add(given, (name, key), Given(inner, f"{path}: [{name}] {key}"), path)
        elif name in SECTIONS:
            raise DefinitionError(
                f"{path}: {name} is a section, not a value.",
                asked=name,
                remedy=f"Write [{name}] on a line of its own.",
            )
        else:
            raise _unknown_section(path, name, is_table=isinstance(value, dict))
    return given


def _add(given: Values, key: tuple[str, str], value: Given, path: Path) -> None:
    if key in given:
        raise DefinitionError(
            f"{path}: {key[0]}.{key[1]} is written twice, in short and in its section.",
            asked=".".join(key),
            remedy="Leave one out.",
        )
    given[key] = value


def _unknown_section(path: Path, name: str, *, is_table: bool) -> UnknownNameError:
    if is_table:
        return UnknownNameError(
            f"{path}: there is no section [{name}].",
            asked=name,
            available=nearest(name, list(SECTIONS)),
            remedy="Correct or remove it.",
        )
    homes = [f"[{section}] {key}" for section, key in all_keys() if key == name]
    return UnknownNameError(
        f"{path}: there is no top-level key {name!r}.",
        asked=name,
        available=homes or nearest(name, [*SHORT, *SECTIONS]),
        remedy="Write it in its section.",
    )


def _unknown_key(path: Path, section: str, key: str) -> UnknownNameError:
    elsewhere = [f"[{other}] {each}" for other, each in all_keys() if each == key]
    return UnknownNameError(
        f"{path}: section [{section}] has no key {key!r}.",
        asked=key,
        available=elsewhere or nearest(key, list(SECTIONS[section][1])),
        remedy="Correct or remove it.",
    )
