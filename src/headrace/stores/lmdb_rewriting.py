"""Writing an LMDB database anew, without what was deleted.

LMDB does not clear what it deletes: bytes stay in pages that are free, between the records of pages that
are not, and as bounds of pages, which its own compact copy keeps. Here every record is put into an empty
database, which takes the place of the file while nobody has that open.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb

from headrace.stores.lmdb_layout import EXPIRY, INSTANT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lmdb import Transaction

__all__ = ["rewritten"]

_BESIDE = "rewriting."
_RECORDS, _BYTES = 10_000, 1 << 24
"""How many records, and bytes of them, are written at once."""
_FIRST_MAP = 1 << 20


def rewritten(path: str) -> bool:
    """Write the database in a directory anew, unless another process has it open.

    The first byte of lock.mdb is locked by every process that has the database open, for sharing. Who holds
    it alone is alone; who wants to open it waits.

    Args:
        path: The directory; this process must not have it open.

    Returns:
        Whether it is done.

    Raises:
        lmdb.Error: The database cannot be read or copied.
        OSError: The copy cannot take its place.
    """
    with Path(path, "lock.mdb").open("r+b") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
        except OSError:
            return False
        for left in Path(path).glob(f"{_BESIDE}*"):  # by one that died: it holds what was deleted since
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=_BESIDE, dir=path) as beside:
            _copy(path, beside)
            Path(beside, "data.mdb").replace(Path(path, "data.mdb"))
            _sync(path)
    return True


def _copy(path: str, beside: str) -> None:
    """Put every record into an empty database, in order."""
    room = 4 * Path(path, "data.mdb").stat().st_size + _FIRST_MAP  # of address space
    with (
        lmdb.open(path, map_size=0, readonly=True, lock=False, create=False) as old,
        lmdb.open(beside, map_size=room, lock=False, sync=False) as new,
        old.begin() as reading,
        reading.cursor() as cursor,
    ):
        live = (record for record in cursor.iternext() if not _is_stale(record[0], reading))
        for some in _pieces(live):
            with new.begin(write=True) as writing, writing.cursor() as end:
                end.putmulti(some, append=True)
        new.sync(True)  # noqa: FBT003 - lmdb's `force`


def _pieces(records: Iterable[tuple[bytes, bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    """The records, as many at a time as may lie in memory."""
    some: list[tuple[bytes, bytes]] = []
    size = 0
    for record in records:
        some.append(record)
        size += len(record[1])
        if len(some) == _RECORDS or size >= _BYTES:
            yield some
            some, size = [], 0
    yield some


def _is_stale(stored: bytes, there: Transaction[bytes]) -> bool:
    """Whether this says only when something would have expired that is no more."""
    if not stored.startswith(EXPIRY):
        return False
    return there.get(stored[len(EXPIRY) + INSTANT :]) is None


def _sync(path: str) -> None:
    """Have the disk confirm what a directory names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
