"""The files of the served log: Parquet, by the hour of serving, each whole from the moment it is there.

`2026-03-01/14/{worker}-{number}.parquet`: a worker is a process with a name of its own, so that no two write
one file. A file is written under a name that readers pass over, and then renamed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace.clock import format_instant
from headrace.errors import DataError
from headrace.online.served_rows import COMMON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["expire", "files", "hour_of", "read", "rows_between", "write"]

_UNFINISHED = ".part"


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


def expire(directory: Path, before: int) -> None:
    """Remove the hours all of whose rows were served before an instant."""
    kept = hour_of(before)
    for day in sorted(directory.glob("????-??-??")):
        for hour in sorted(day.glob("??")):
            if f"{day.name}/{hour.name}" < kept:
                shutil.rmtree(hour, ignore_errors=True)
        with contextlib.suppress(OSError):
            day.rmdir()
