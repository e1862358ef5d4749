"""The files of the served log: Parquet, by the hour of serving, each whole from the moment it is there.

`2026-03-01/14/{worker}-{number}.parquet`: a worker is a process with a name of its own, so that no two write
one file. A file is written under a name that readers pass over, and then renamed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace.clock import DAY, format_instant
from headrace.errors import DataError
from headrace.kernel.clean import KNOWN
from headrace.online.erased import NOBODY, decode_erased, encode_erased
from headrace.online.served_rows import COMMON, ENTITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from headrace.online.erased import Erased, Person

__all__ = [
    "ErasedNote",
    "erase",
    "erase_from",
    "expire",
    "files",
    "hour_of",
    "read",
    "rows_between",
    "without_erased",
    "write",
]

_UNFINISHED = ".part"
_NOTE = "erased.json"


def hour_of(at: int) -> str:
    """The directory of an instant: its day and hour, UTC."""
    told = format_instant(at)
    return f"{told[:10]}/{told[11:13]}"


def write(path: Path, rows: pa.Table) -> None:
    """Write a file, or replace it, in one step.

    Raises:
        OSError: It cannot be written; nothing is left of it.
    """
    beside = path.with_name(path.name + _UNFINISHED)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as sink:
            fcntl.flock(sink, fcntl.LOCK_EX)  # somebody is writing it
            pq.write_table(rows, sink, compression="zstd")
            sink.flush()
            os.fsync(sink.fileno())
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def files(directory: Path, since: int | None = None, until: int | None = None) -> Iterator[Path]:
    """The files that may hold rows served in a span, oldest hour first.

    Args:
        directory: The log's.
        since: The first instant, microseconds UTC; None for the beginning.
        until: The first instant after; None for no end.
    """
    first = "" if since is None else hour_of(since)
    last = "~" if until is None else hour_of(until)
    for path in sorted(directory.glob("*/*/*.parquet")):
        if first <= path.parent.relative_to(directory).as_posix() <= last:
            yield path


def read(path: Path) -> pa.Table | None:
    """The rows of a file; None where it is gone by now."""
    try:
        with pq.ParquetFile(path) as file:
            return file.read()
    except FileNotFoundError:
        return None


def rows_between(directory: Path, since: int, until: int, service: str | None = None) -> pa.Table:
    """The rows served in a span, oldest first.

    Args:
        directory: The log's.
        since: The first instant, microseconds UTC.
        until: The first instant after.
        service: Only answers for this service, `name@version`.

    Raises:
        DataError: A join key or field of requests has had types that do not go together.
    """
    found = [COMMON.empty_table()]
    for path in files(directory, since, until):
        rows = read(path)
        if rows is not None:
            at = rows.column("served_at").cast(pa.int64())
            asked = pc.and_(pc.greater_equal(at, since), pc.less(at, until))
            if service is not None:
                asked = pc.and_(asked, pc.equal(rows.column("service"), service))
            found.append(rows.filter(asked))
    try:
        whole = pa.concat_tables(
            [found[0], *(each for each in found if each.num_rows)], promote_options="default"
        )
    except pa.ArrowException as error:
        raise DataError(
            f"The served log has a column of types that do not go together: {error}.",
            remedy="Ask for one service, or for a shorter span.",
        ) from None
    return whole.sort_by([("served_at", "ascending"), ("request_id", "ascending")])


class ErasedNote:
    """Who has been erased from a log: a file beside the hours, which holds hashes, for those who write on.

    Who writes a file looks at it before and after. Who erases writes it first and looks for files then. So a
    row of somebody erased, served before, is left out by the one or found by the other. It is of use while
    rows wait for their file, and kept a day.
    """

    def __init__(self, directory: Path) -> None:
        """Of a log."""
        self._path = directory / _NOTE
        self._seen: tuple[int, int] | None = None
        self._erased = NOBODY

    def read(self) -> Erased:
        """Who has been erased; the same object until somebody else is."""
        try:
            found = self._path.stat()
            if (found.st_ino, found.st_mtime_ns) != self._seen:
                self._erased = decode_erased(self._path.read_bytes())
                self._seen = found.st_ino, found.st_mtime_ns
        except FileNotFoundError:
            pass
        return self._erased

    def add(self, people: Sequence[Person], at: int) -> None:
        """Add people erased at an instant; one process at a time."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with (self._path.parent / "erasing.lock").open("ab") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            beside = self._path.with_name(_NOTE + _UNFINISHED)
            with beside.open("wb") as sink:
                sink.write(encode_erased(self.read().since(at - DAY).with_people(people, at)))
                sink.flush()
                os.fsync(sink.fileno())
            beside.replace(self._path)


def without_erased(rows: pa.Table, erased: Erased) -> pa.Table:
    """The rows but those of entities that were erased after they were served."""
    gone = erased.gone(_as_events(rows)) if erased else None
    return rows if gone is None else rows.filter(pa.array(~gone))


def _as_events(rows: pa.Table) -> pa.Table:
    """The join keys of rows, and when they were served, by the names that events have them under."""
    keys = [name for name in rows.column_names if name.startswith(ENTITY)]
    named = {name.removeprefix(ENTITY): rows.column(name) for name in keys}
    return pa.table({**named, KNOWN: rows.column("served_at").cast(pa.int64())})


def erase(directory: Path, people: Sequence[Person], at: int, *, dry: bool = False) -> int:
    """Erase people from all files; how many rows were theirs.

    Args:
        directory: The log's.
        people: Who.
        at: What was served to them before this instant is erased, microseconds UTC.
        dry: Whether to count only.
    """
    erased, rows = NOBODY.with_people(people, at), 0
    if not dry and directory.is_dir():
        ErasedNote(directory).add(people, at)
        for unfinished in directory.glob(f"*/*/*{_UNFINISHED}"):
            _remove_abandoned(unfinished)
    for path in files(directory):
        rows += erase_from(path, erased, dry=dry)
    return rows


def _remove_abandoned(unfinished: Path) -> None:
    """Remove a file that a process has begun and did not live to end."""
    with contextlib.suppress(OSError), unfinished.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unfinished.unlink()


def erase_from(path: Path, erased: Erased, *, dry: bool = False) -> int:
    """Erase people from a file, which goes with its last row; how many rows were theirs."""
    rows = read(path)
    left = None if rows is None else without_erased(rows, erased)
    if rows is None or left is None or left.num_rows == rows.num_rows:
        return 0
    if not dry and left.num_rows:
        write(path, left)
    elif not dry:
        path.unlink(missing_ok=True)
    return int(rows.num_rows - left.num_rows)


def expire(directory: Path, before: int) -> None:
    """Remove the hours all of whose rows were served before an instant."""
    kept = hour_of(before)
    for day in sorted(directory.glob("????-??-??")):
        for hour in sorted(day.glob("??")):
            if f"{day.name}/{hour.name}" < kept:
                shutil.rmtree(hour, ignore_errors=True)
        with contextlib.suppress(OSError):
            day.rmdir()
