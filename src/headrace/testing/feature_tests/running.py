"""A project's feature tests: found in its files, run one after another."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.definitions.graph import gather
from headrace.definitions.loading import load_module
from headrace.definitions.source import Source
from headrace.errors import DataError
from headrace.testing.feature_tests.case import FeatureTest
from headrace.testing.feature_tests.outcome import Report
from headrace.testing.feature_tests.trial import Trial
from headrace.testing.feature_tests.yaml_file import read_yaml

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from headrace.config import Settings
    from headrace.definitions.base import Definition
    from headrace.schema import Schema

__all__ = ["FOLDER", "collect", "run"]

FOLDER = "tests"
"""Where a project's feature tests are, unless somebody names files."""

_YAML = {".yaml", ".yml"}


def run(
    settings: Settings,
    definitions: Sequence[Definition],
    frozen: Callable[[], Mapping[str, Schema]],
    paths: Sequence[str | os.PathLike[str]] = (),
    text: str = "",
) -> Report:
    """Run a project's feature tests.

    Args:
        settings: The project's settings.
        definitions: Its definitions.
        frozen: Gives the schemas of earlier applies; asked only where a source declares none.
        paths: Files or directories; the project's `tests` without any.
        text: Only tests whose file or name holds it.

    Raises:
        DataError: There is no such test, or the schema of a source cannot be found.
        DefinitionError: A definition or a file of tests is wrong.
        StoreError: A file cannot be read.
        UnknownNameError: A definition refers to what is not there.
    """
    tests = collect(settings.directory, paths, text)
    open_schema = any(isinstance(each, Source) and each.schema is None for each in gather(definitions))
    known = frozen() if open_schema else None
    with Trial(definitions, settings.directory, settings.project.timezone, known) as trial:
        return Report([trial.run(each) for each in tests])


def collect(project: Path, paths: Sequence[str | os.PathLike[str]] = (), text: str = "") -> list[FeatureTest]:
    """The feature tests of some files, in their order.

    Args:
        project: The project's directory.
        paths: As in `run`.
        text: As in `run`.

    Raises:
        DataError: There is none.
        DefinitionError: A file of tests is wrong.
        StoreError: A file cannot be read.
    """
    files = [file for path in paths or [project / FOLDER] for file in _files(project, Path(path))]
    found = [test for file in dict.fromkeys(files) for test in _tests(project, file)]
    chosen = [each for each in found if text.casefold() in f"{each.written}: {each.name}".casefold()]
    if chosen:
        return chosen
    where = ", ".join(str(each) for each in paths) or str(project / FOLDER)
    if found:
        raise DataError(
            f"No feature test in {where} has {text!r} in its file or name.",
            asked=text,
            available=[each.name for each in found[:8]],
        )
    raise DataError(
        f"There are no feature tests in {where}.",
        asked=where,
        remedy="Write them in YAML, tests/*.yaml, or as headrace.testing.FeatureTest in tests/test_*.py.",
    )


def _files(project: Path, path: Path) -> Iterator[Path]:
    """The files that a path stands for; it begins at the project's directory, else here."""
    place = project / path.expanduser()
    place = (place if place.exists() else path.expanduser()).resolve()
    if place.is_dir():
        inside = sorted(each for each in place.rglob("*") if each.is_file())
        yield from (each for each in inside if each.suffix in _YAML or _is_python_test(each))
    elif place.is_file() and place.suffix in {*_YAML, ".py"}:
        yield place
    elif path != project / FOLDER:
        raise DataError(
            f"{path} is no file of feature tests.",
            asked=path,
            available=sorted(each.name for each in (project / FOLDER).glob("*.*")),
            remedy="Name a directory, or a file that ends in .yaml, .yml or .py.",
        )


def _is_python_test(path: Path) -> bool:
    return path.suffix == ".py" and (path.stem.startswith("test_") or path.stem.endswith("_test"))


def _tests(project: Path, file: Path) -> list[FeatureTest]:
    shown = str(file.relative_to(project) if file.is_relative_to(project) else file)
    if file.suffix in _YAML:
        return read_yaml(file, shown)
    found = [each for value in vars(load_module(project, file)).values() for each in _walk(value)]
    once = {id(each): each for each in found}.values()
    return [dataclasses.replace(each, written=each.written.replace(str(file), shown)) for each in once]


def _walk(value: Any) -> Iterator[FeatureTest]:
    if isinstance(value, FeatureTest):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _walk(each)
