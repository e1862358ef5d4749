"""What a data set was made from, for its manifest: the files of each source, and the rows in them."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyarrow import ArrowException, parquet

from headrace.clock import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.kernel.binding import Binding

__all__ = ["inputs_of"]

_NANOSECONDS = 1_000
_PARQUET = {".parquet", ".pq"}


def inputs_of(bindings: Iterable[Binding], directory: Path) -> dict[str, dict[str, Any]]:
    """What the sources of some views hold now, as JSON values; nothing but the ends of files is read.

    Args:
        bindings: The views.
        directory: What relative paths of sources are relative to.

    Returns:
        Source name -> `batch` as it is written, `files` (path, bytes, when modified, rows) and `rows`. Rows
        are None where only reading the whole file would tell: in CSV and JSON Lines. Where views of one
        answer are made from different revisions of a source, the later one is named with its view.
    """
    found: dict[str, dict[str, Any]] = {}
    for binding in bindings:
        facts = _facts(binding.source.batch, directory)
        name = binding.source.name
        if found.setdefault(name, facts) != facts:
            found[f"{name} of {binding.id}"] = facts
    return found


def _facts(batch: Any, directory: Path) -> dict[str, Any]:
    if not isinstance(batch, str):
        return {"batch": "in memory", "files": [], "rows": _length(batch)}
    files = [_file(path, directory) for path in _paths(batch, directory)]
    counts = [file["rows"] for file in files]
    return {"batch": batch, "files": files, "rows": None if None in counts else sum(counts)}


def _length(table: Any) -> int | None:
    count = getattr(table, "num_rows", None)
    return len(table) if count is None and hasattr(table, "__len__") else count


def _paths(batch: str, directory: Path) -> list[Path]:
    """The files of a path or glob, in the order of their names; the engine tells of one that is missing."""
    whole = str(directory / Path(batch).expanduser())
    is_pattern = glob.has_magic(whole) and not os.path.exists(whole)  # noqa: PTH110 - a name may hold brackets
    names = sorted(glob.glob(whole, recursive=True)) if is_pattern else [whole]  # noqa: PTH207
    return [path for path in map(Path, names) if path.is_file()]


def _file(path: Path, directory: Path) -> dict[str, Any]:
    about = path.stat()
    shown = path.relative_to(directory) if path.is_relative_to(directory) else path
    return {
        "path": shown.as_posix(),
        "bytes": about.st_size,
        "modified": format_instant(about.st_mtime_ns // _NANOSECONDS),
        "rows": _rows(path),
    }


def _rows(path: Path) -> int | None:
    """What a Parquet file's footer says; None for other files."""
    if path.suffix.lower() not in _PARQUET:
        return None
    try:
        return int(parquet.read_metadata(path).num_rows)
    except (OSError, ArrowException):  # the engine says what is wrong with it
        return None
