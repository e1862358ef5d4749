"""What a data set was made from, for its manifest: the files of each source, and the rows in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyarrow import ArrowException, parquet

from headrace.clock import format_instant
from headrace.reading.locate import kind_of
from headrace.reading.source import batch_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from headrace.definitions.source import Source
    from headrace.kernel.binding import Binding

__all__ = ["inputs_of"]

_NANOSECONDS = 1_000


def inputs_of(bindings: Iterable[Binding], directory: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """What the sources of some views hold now, as JSON values; nothing but the ends of files is read.

    Args:
        bindings: The views.
        directory: What relative paths of sources are relative to.

    Returns:
        Label -> `batch` as it is written, `files` (path, bytes, when modified, rows) and `rows`; and the
        label of each view's source. Rows are None where only reading the whole file would tell: in CSV and
        JSON Lines. A label is the source's name; where views of one answer are made from different
        revisions of a source, the later one is named with its view.

    Raises:
        DataError: Files are missing, or cannot be read.
    """
    found: dict[str, dict[str, Any]] = {}
    labels = []
    for binding in bindings:
        facts = _facts(binding.source, directory)
        label = binding.source.name
        if found.setdefault(label, facts) != facts:
            label = f"{label} of {binding.id}"
            found[label] = facts
        labels.append(label)
    return found, labels


def _facts(source: Source, directory: Path) -> dict[str, Any]:
    if source.in_memory:
        return {"batch": "in memory", "files": [], "rows": _length(source.batch)}
    files = [_file(path, directory) for path in batch_files(source, directory)]
    counts = [file["rows"] for file in files]
    return {"batch": source.batch, "files": files, "rows": None if None in counts else sum(counts)}


def _length(table: Any) -> int | None:
    count = getattr(table, "num_rows", None)
    return len(table) if count is None and hasattr(table, "__len__") else count


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
    if kind_of(path) != "parquet":
        return None
    try:
        return int(parquet.read_metadata(path).num_rows)
    except (OSError, ArrowException):  # the engine says what is wrong with it
        return None
