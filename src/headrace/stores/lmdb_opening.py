"""How an LMDB environment is opened, and what must be seen to before."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import lmdb

from headrace.stores.lmdb_errors import explain, explain_path
from headrace.stores.lmdb_layout import check_layout

__all__ = ["Opening", "Sync", "identity", "open_environment"]

Sync: TypeAlias = Literal["commit", "kill"]

_FIRST_MAP = 1 << 20
_LOCK_HEAD = 128
_LOCK_SLOT = 64


@dataclass(frozen=True, slots=True)
class Opening:
    """How an environment is opened."""

    writable: bool
    sync: Sync
    map_size: int
    max_readers: int

    def joined(self, other: Opening) -> Opening:
        """What serves both: writable if one writes, and the safer sync of those that do."""
        syncs = {opening.sync for opening in (self, other) if opening.writable}
        return replace(
            self,
            writable=self.writable or other.writable,
            sync="commit" if syncs != {"kill"} else "kill",
            map_size=max(self.map_size, other.map_size),
        )


def open_environment(path: str, opening: Opening) -> lmdb.Environment:
    """Open the environment in a directory; a writer makes what is missing.

    Raises:
        StoreError: The directory or its files cannot be used.
    """
    try:
        if opening.writable:
            Path(path).mkdir(parents=True, exist_ok=True)
        else:
            Path(path, "data.mdb").stat()
        _reserve_lock_file(path, opening.max_readers)
    except OSError as error:
        raise explain_path(error.errno, error.strerror or str(error), path) from error
    try:
        try:
            return _open(path, opening)
        except lmdb.MapResizedError:  # another process made it larger at this very moment
            return _open(path, opening)
    except lmdb.Error as error:
        raise explain(error, path) from error


def identity(path: str) -> tuple[int, int] | None:
    """What tells the database now at the path from one that was there before; None if there is none."""
    try:
        status = Path(path, "data.mdb").stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _reserve_lock_file(path: str, max_readers: int) -> None:
    """Make lock.mdb, if it is missing, with all its blocks.

    LMDB makes it with a hole and writes to it through memory: on a full disk that would kill the process.
    It appears at its full size, so that of two processes the slower takes the file of the faster.

    Raises:
        OSError: The disk is full, or the file may not be made.
    """
    lock_file = Path(path, "lock.mdb")
    if lock_file.exists() or not hasattr(os, "posix_fallocate"):
        return
    try:
        handle, draft = tempfile.mkstemp(prefix="lock.", dir=path)
    except OSError as error:
        if error.errno == errno.EROFS:  # readers of a store that nobody can write do without
            return
        raise
    try:
        os.posix_fallocate(handle, 0, _LOCK_HEAD + _LOCK_SLOT * max_readers)
        os.fchmod(handle, 0o644)
        with contextlib.suppress(FileExistsError):
            os.link(draft, lock_file)
    finally:
        os.close(handle)
        Path(draft).unlink()


def _open(path: str, opening: Opening) -> lmdb.Environment:
    # A map's size is written into the database. Begin with little: what cannot be had must not stay there.
    env = lmdb.open(
        path,
        map_size=min(opening.map_size, _FIRST_MAP) if identity(path) is None else 0,  # 0: what it has
        readonly=not opening.writable,
        create=False,
        sync=opening.sync == "commit",
        readahead=False,  # reads are at random; what a neighbour page holds is nobody's next wish
        max_readers=opening.max_readers,
        max_spare_txns=1,  # one read transaction is kept and renewed, which is cheaper than another
    )
    try:
        env.reader_check()
        if opening.writable and env.info()["map_size"] < opening.map_size:
            env.set_mapsize(opening.map_size)
        check_layout(env, writable=opening.writable)
    except BaseException:
        env.close()
        raise
    return env
