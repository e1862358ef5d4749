"""Erasing people from the files of the served log, while other processes write more of them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

import pyarrow as pa

from headrace.clock import DAY
from headrace.kernel.clean import KNOWN
from headrace.online.erased import NOBODY, decode_erased, encode_erased
from headrace.online.served_files import UNFINISHED, every_file, read, write
from headrace.online.served_rows import ENTITY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from headrace.online.erased import Erased, Person

__all__ = ["ErasedNote", "erase", "erase_from", "without_erased"]

_NOTE = "erased.json"


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
            beside = self._path.with_name(_NOTE + UNFINISHED)
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
        for unfinished in directory.glob(f"*/*/*{UNFINISHED}"):
            _remove_abandoned(unfinished)
    for path in every_file(directory):
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
