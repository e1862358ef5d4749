"""Settings are read: the environment before the file, the file before the defaults."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from headrace.config import values
from headrace.config.environment import from_environment
from headrace.config.file import FILE, find_project, from_file
from headrace.config.sections import SECTIONS, Given
from headrace.config.settings import Project, Settings
from headrace.config.urls import placed
from headrace.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from headrace.config.sections import Values

__all__ = ["read_settings"]


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
    given = from_file(place / FILE)
    given.update(from_environment(os.environ if environ is None else environ))
    return Settings(directory=place, **{name: _section(name, given, place) for name in SECTIONS})


def _section(name: str, given: Values, directory: Path) -> Any:
    """One section: what is given, else its defaults, every path absolute."""
    of, keys = SECTIONS[name]
    found: dict[str, Any] = {}
    for key, (read, default) in keys.items():
        written = given.get((name, key), Given(default, ""))
        value = None if written.value is None else _read(read, written)
        if read is values.url and value is not None:
            value = placed(value, directory)
        if read is values.path and value is not None:
            value = directory / value
        found[key] = value
    if of is Project:
        found["name"] = found["name"] or directory.name or "headrace"
    return of(**found)


def _read(read: Callable[[Any], Any], written: Given) -> Any:
    try:
        return read(written.value)
    except ValueError as error:
        shown = "" if read is values.url else f", not {written.value!r}"  # a URL may hold a password
        raise DefinitionError(f"{written.where} {error}{shown}.", remedy="Correct it there.") from None
