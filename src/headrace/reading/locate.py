"""The files of a source: what a path or glob names, and how each is to be read."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["KINDS", "kind_of", "locate", "suffixes_of"]

KINDS = {
    ".parquet": "parquet", ".pq": "parquet",
    ".csv": "csv", ".tsv": "csv",
    ".jsonl": "json", ".ndjson": "json", ".json": "json",
}  # fmt: skip
"""How a file is read, by its suffix; CSV and JSON Lines may be gzipped (`.csv.gz`)."""


def locate(batch: str, directory: Path, what: str) -> list[Path]:
    """The files that a path or glob names, in the order of their names.

    Args:
        batch: A path or glob, relative to the directory unless absolute.
        directory: Where relative paths begin.
        what: Whose batch it is, for messages.

    Raises:
        DataError: There is no such file, it is a directory, empty, not readable, of an unknown kind, or the
            files are of several kinds.
    """
    if "://" in batch:
        raise DataError(
            f"The batch of {what} is {batch!r}.", asked=batch, remedy="Only local files are read."
        )
    whole = str(directory / Path(batch).expanduser())
    if glob.has_magic(whole) and not os.path.exists(whole):  # noqa: PTH110 - a name may hold brackets of its own
        paths = [Path(each) for each in sorted(glob.glob(whole, recursive=True)) if not Path(each).is_dir()]  # noqa: PTH207
        if not paths:
            raise DataError(
                f"No file matches {batch!r}, the batch of {what}.",
                asked=batch,
                available=_neighbours(Path(whole).parent),
                remedy=f"Looked in {directory}.",
            )
    else:
        paths = [Path(whole)]
    for path in paths:
        _check(path, what)
    _check_one_kind(paths, what)
    return paths


def kind_of(path: Path) -> str | None:
    """`parquet`, `csv` or `json`; None for anything else."""
    suffixes = [each.lower() for each in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        inner = KINDS.get(suffixes[-2]) if len(suffixes) > 1 else None
        return inner if inner != "parquet" else None
    return KINDS.get(suffixes[-1]) if suffixes else None


def suffixes_of(kind: str) -> list[str]:
    """The suffixes of a kind of file."""
    return [suffix for suffix, each in KINDS.items() if each == kind]


def _check(path: Path, what: str) -> None:
    if not path.exists():
        raise DataError(
            f"There is no file {str(path)!r}, the batch of {what}.",
            asked=path,
            available=_neighbours(path.parent),
            remedy="Relative paths begin at the project's directory.",
        )
    if path.is_dir():
        raise DataError(
            f"{str(path)!r}, the batch of {what}, is a directory.",
            asked=path,
            available=_neighbours(path),
            remedy=f"Name its files: {path.name}/*.parquet, for example.",
        )
    if not os.access(path, os.R_OK):
        raise DataError(
            f"The file {str(path)!r} of {what} may not be read.", asked=path, remedy="Check its permissions."
        )
    if kind_of(path) is None:
        raise DataError(
            f"The file {str(path)!r} of {what} is of no known kind.",
            asked=path.suffix,
            available=[*KINDS, ".csv.gz", ".jsonl.gz"],
            remedy="Convert it, or give it its right suffix.",
        )
    plain = kind_of(path) == "json" and path.suffix.lower() != ".gz"
    if path.stat().st_size == 0 and not plain:  # no rows of JSON Lines are no bytes
        raise DataError(
            f"The file {str(path)!r} of {what} is empty.", asked=path, remedy="Remove it, or write it again."
        )


def _check_one_kind(paths: Sequence[Path], what: str) -> None:
    first = paths[0]
    for path in paths:
        if kind_of(path) != kind_of(first):
            raise DataError(
                f"The batch of {what} mixes {str(first)!r} and {str(path)!r}.",
                asked=path,
                remedy="Let the glob name files of one kind: *.parquet, for example.",
            )


def _neighbours(directory: Path) -> list[str]:
    try:
        return sorted(path.name for path in directory.iterdir())[:8]
    except OSError:
        return []
