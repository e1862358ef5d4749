"""What a data set was made from, for its manifest: the files of each source, and the rows in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pyarrow import ArrowException, parquet

from headrace.clock import format_instant
from headrace.offline.digest import file_digest, table_digest
from headrace.reading.batch import batch_files, batch_table
from headrace.reading.locate import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from headrace.definitions.source import Source
    from headrace.kernel.binding import Binding

__all__ = ["Inputs", "inputs_of"]

_NANOSECONDS = 1_000


class Inputs(NamedTuple):
    """What the sources of some views hold.

    Attributes:
        facts: Label -> `batch` as it is written, `files` (path, bytes, when modified, rows) and `rows`. Rows
            are None where only reading the whole file would tell: in CSV and JSON Lines. Where contents were
            asked for, also `sha256` of each file or of the table in memory, and what else of the source
            decides values but is no part of its fingerprint.
        labels: The label of each view's source: its name; where views of one answer are made from different
            revisions of a source, the later one is named with its view.
    """

    facts: dict[str, dict[str, Any]]
    labels: list[str]


def inputs_of(bindings: Iterable[Binding], directory: Path, *, contents: bool = False) -> Inputs:
    """What the sources of some views hold now, as JSON values.

    Args:
        bindings: The views.
        directory: What relative paths of sources are relative to.
        contents: Whether to read and hash what they hold; else nothing but the ends of files is read.

    Raises:
        DataError: Files are missing, or cannot be read.
    """
    found: dict[str, dict[str, Any]] = {}
    labels = []
    for binding in bindings:
        facts = _facts(binding.source, directory, contents=contents)
        label = binding.source.name
        if found.setdefault(label, facts) != facts:
            label = f"{label} of {binding.id}"
            found[label] = facts
        labels.append(label)
    return Inputs(found, labels)


def _facts(source: Source, directory: Path, *, contents: bool) -> dict[str, Any]:
    found: dict[str, Any]
    if source.in_memory:
        found = {"batch": "in memory", "files": [], "rows": _length(source.batch)}
    else:
        files = [_file(path, directory, contents=contents) for path in batch_files(source, directory)]
        counts = [file["rows"] for file in files]
        found = {"batch": source.batch, "files": files, "rows": None if None in counts else sum(counts)}
    if not contents:
        return found
    until = getattr(source, "complete_until", None)
    more = {
        "serving_delay": str(getattr(source, "serving_delay", None) or "0s"),
        "complete_until": None if until is None else format_instant(until),
    }
    return {**found, **({"sha256": table_digest(batch_table(source))} if source.in_memory else {}), **more}


def _length(table: Any) -> int | None:
    count = getattr(table, "num_rows", None)
    return len(table) if count is None and hasattr(table, "__len__") else count


def _file(path: Path, directory: Path, *, contents: bool) -> dict[str, Any]:
    about = path.stat()
    shown = path.relative_to(directory) if path.is_relative_to(directory) else path
    return {
        "path": shown.as_posix(),
        "bytes": about.st_size,
        "modified": format_instant(about.st_mtime_ns // _NANOSECONDS),
        "rows": _rows(path),
        **({"sha256": file_digest(path)} if contents else {}),
    }


def _rows(path: Path) -> int | None:
    """What a Parquet file's footer says; None for other files."""
    if kind_of(path) != "parquet":
        return None
    try:
        return int(parquet.read_metadata(path).num_rows)
    except (OSError, ArrowException):  # the engine says what is wrong with it
        return None
