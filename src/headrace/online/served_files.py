"""The files of the served log: Parquet, by the hour of serving, each whole from the moment it is there.

`2026-03-01/14/{worker}-{first}-{last}.parquet`: a worker is a process with a name of its own, so that no two
write one file. It numbers its files; when an hour has ended it puts those of the hour into one, named by the
first and last of them. Readers pass over a file that another one of its worker covers, so it does not matter
when the small ones go. A file is written under a name that readers pass over too, and then renamed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace.clock import HOUR, format_instant
from headrace.errors import DataError
from headrace.online.served_rows import COMMON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

__all__ = [
    "UNFINISHED",
    "batches_between",
    "every_file",
    "expire",
    "hour_of",
    "merge",
    "name_of",
    "read",
    "rows_between",
    "write",
]

UNFINISHED = ".part"
"""What the name of a file ends in that is being written."""
_TRIES = 5
_NAME = re.compile(r"[0-9a-f]+-[0-9]+-[0-9]+\.parquet")


def hour_of(at: int) -> str:
    """The directory of an instant: its day and hour, UTC."""
    told = format_instant(at)
    return f"{told[:10]}/{told[11:13]}"


def name_of(worker: str, first: int, last: int) -> str:
    """The name of a file with the rows of some numbers of a worker."""
    return f"{worker}-{first:06}-{last:06}.parquet"


def write(path: Path, rows: pa.Table) -> None:
    """Write a file, or replace it, in one step.

    Raises:
        OSError: It cannot be written; nothing is left of it.
    """
    with _whole(path) as sink:
        pq.write_table(rows, sink, compression="zstd")


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file that is there once the block has ended, and not at all if it fails."""
    beside = path.with_name(path.name + UNFINISHED)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as sink:
            fcntl.flock(sink, fcntl.LOCK_EX)  # somebody is writing it
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def every_file(directory: Path) -> list[Path]:
    """All files, those that others cover among them, oldest hour first."""
    return sorted(path for path in directory.glob("*/*/*.parquet") if _NAME.fullmatch(path.name))


def _files(directory: Path, since: int, until: int) -> list[Path]:
    """The files that may hold rows served in a span, each row once, oldest hour first."""
    first, last = hour_of(since), hour_of(until)
    paths = [
        path
        for path in every_file(directory)
        if first <= path.parent.relative_to(directory).as_posix() <= last
    ]
    return [path for of_one in _by_worker(paths).values() for path in _uncovered(of_one)]


def _by_worker(paths: Iterable[Path]) -> dict[tuple[Path, str], list[Path]]:
    found: dict[tuple[Path, str], list[Path]] = {}
    for path in paths:
        found.setdefault((path.parent, path.name.split("-")[0]), []).append(path)
    return found


def _numbers(path: Path) -> tuple[int, int]:
    """The first and last number of a file."""
    _, first, last = path.stem.split("-")
    return int(first), int(last)


def _uncovered(paths: Sequence[Path]) -> list[Path]:
    """The files of one worker that no other one of it covers."""
    found: list[Path] = []
    reached = -1
    for path in sorted(paths, key=lambda each: (_numbers(each)[0], -_numbers(each)[1])):
        if _numbers(path)[1] > reached:
            found.append(path)
            reached = _numbers(path)[1]
    return found


def merge(directory: Path, worker: str, keep: Callable[[pa.Table], pa.Table]) -> Path | None:
    """Put the files of a worker in one hour into one.

    Args:
        directory: The hour's.
        worker: The worker, which writes no more files of the hour meanwhile.
        keep: Which rows of a file are kept.

    Returns:
        The file; None where there was nothing to put together.

    Raises:
        OSError: It cannot be written; all is as it was.
        pa.ArrowException: The files have columns of types that do not go together; likewise.
    """
    paths = sorted(directory.glob(f"{worker}-*.parquet"))
    some = _uncovered(paths)
    if len(some) < 2:
        return None
    whole = pa.unify_schemas([pq.read_schema(path) for path in some])
    target = directory / name_of(worker, _numbers(some[0])[0], _numbers(some[-1])[1])
    with _whole(target) as sink, pq.ParquetWriter(sink, whole, compression="zstd") as file:
        for path in some:
            rows = read(path)
            if rows is not None:
                wide = pa.concat_tables([whole.empty_table(), keep(rows)], promote_options="default")
                file.write_table(wide)
    for path in paths:
        if path != target:
            path.unlink(missing_ok=True)
    return target


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
    found: list[pa.Table | None] = [None]
    for _ in range(_TRIES):  # files may be put together, or be too old, between the list and the reading
        found = [read(path) for path in _files(directory, since, until)]
        if None not in found:
            break
    tables = [COMMON.empty_table()]
    for rows in found:
        if rows is not None:
            at = rows.column("served_at").cast(pa.int64())
            asked = pc.and_(pc.greater_equal(at, since), pc.less(at, until))
            if service is not None:
                asked = pc.and_(asked, pc.equal(rows.column("service"), service))
            tables.append(rows.filter(asked))
    try:
        whole = pa.concat_tables(
            [tables[0], *(each for each in tables if each.num_rows)], promote_options="default"
        )
    except pa.ArrowException as error:
        raise DataError(
            f"The served log has a column of types that do not go together: {error}.",
            remedy="Ask for one service, or for a shorter span.",
        ) from None
    return whole.sort_by([("served_at", "ascending"), ("request_id", "ascending")])


def batches_between(directory: Path, since: int, until: int, rows: int) -> Iterator[pa.Table]:
    """The rows served in a span, oldest first, some hours at a time.

    Args:
        directory: The log's.
        since: The first instant, microseconds UTC.
        until: The first instant after.
        rows: About how many make a batch; an hour's stay together until they are cut.

    Raises:
        DataError: A join key or field of requests has had types that do not go together.
    """
    begun = since
    while begun < until:
        end = begun // HOUR * HOUR + HOUR
        many = _many(directory, begun, min(end, until))
        while end < until and many < rows:
            many += _many(directory, end, min(end + HOUR, until))
            end += HOUR
        whole = rows_between(directory, begun, min(end, until)) if many else COMMON.empty_table()
        for start in range(0, whole.num_rows, rows):
            yield whole.slice(start, rows)
        begun = end


def _many(directory: Path, since: int, until: int) -> int:
    """About how many rows there are, by the files' own account."""
    found = 0
    for path in _files(directory, since, until - 1):
        with contextlib.suppress(FileNotFoundError):
            found += pq.read_metadata(path).num_rows
    return found


def expire(directory: Path, before: int) -> None:
    """Remove the hours all of whose rows were served before an instant."""
    kept = hour_of(before)
    for day in sorted(directory.glob("????-??-??")):
        for hour in sorted(day.glob("??")):
            if f"{day.name}/{hour.name}" < kept:
                shutil.rmtree(hour, ignore_errors=True)
        with contextlib.suppress(OSError):
            day.rmdir()
