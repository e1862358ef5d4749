"""The embedded online store: LMDB, one directory, many reader processes, one writer at a time, crash-safe.

A commit is one write of a root page after all others, so a killed writer leaves the last committed state
whole, and readers, here or in other processes, go on with theirs while a write runs.

``sync="commit"``, the default, has the disk confirm every commit before it returns: nothing committed is
lost, even when the power fails. A commit then waits for the disk, milliseconds. ``sync="kill"`` leaves the
writing to the system (LMDB's NOSYNC): a commit is in the system's memory, where it outlives ``kill -9`` of
any process; a commit takes microseconds. But when the machine itself stops, the last commits may be lost
and, on file systems that do not keep the order of writes, the database damaged; take it where the online
store is a copy that one command rebuilds. `flush` and `close` write out what is pending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import lmdb

from headrace.clock import Clock, SystemClock
from headrace.errors import ConflictError, StoreError
from headrace.stores.lmdb_environment import SharedEnvironment, share, unshare
from headrace.stores.lmdb_opening import Opening, Sync
from headrace.stores.lmdb_records import Records, scan_pages
from headrace.stores.lmdb_transaction import LmdbSnapshot, LmdbTransaction

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Self

__all__ = ["LmdbStore"]

T = TypeVar("T")

_MAP_SIZE = 1 << 36  # address space, not memory or disk: growing it is then rare
_MAX_READERS = 1_024
_DELETED_AT_ONCE = 2_000


class LmdbStore:
    """A `KeyValue` and `Transactional` store in a directory.

    A handle is safe to use from many threads, and after a fork in parent and child. Handles on one
    directory share what there is to share. A handle that is not closed keeps the directory open until the
    process ends.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        readonly: bool = False,
        sync: Sync = "commit",
        map_size: int = _MAP_SIZE,
        max_readers: int = _MAX_READERS,
        clock: Clock | None = None,
    ) -> None:
        """Open the store in a directory; a writer makes the directory and the store if there is none.

        Args:
            path: The directory.
            readonly: Refuse writes through this handle; the store must exist. The user must still be able to
                write the file lock.mdb, where readers note themselves.
            sync: What a commit survives: "commit", the loss of power; "kill", the death of the process.
            map_size: Bytes of address space to begin with; grown when a write does not fit.
            max_readers: How many reads may be open at once over all processes; the first process decides.
            clock: Tells which records have expired; the machine's by default.

        Raises:
            StoreError: The path is a file, its files are of another program or a newer Headrace, they may
                not be used, or the disk is full.
        """
        self._clock = clock or SystemClock()
        self._readonly = readonly
        opening = Opening(writable=not readonly, sync=sync, map_size=map_size, max_readers=max_readers)
        self._environment: SharedEnvironment | None = share(path, opening)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of the keys, all of one state, in their order; None where there is no record."""
        return self._read(lambda records: records.multi_get(keys))

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The records whose key starts with `prefix`, as (key, value) in the order of their keys.

        Read page by page, so that nothing stays open between two records; `snapshot` scans one state.
        """
        return scan_pages(lambda after: self._read(lambda records: records.page(prefix, after)))

    def multi_put(self, items: Iterable[tuple[bytes, bytes]], *, expire_at: int | None = None) -> None:
        """Write the items in one commit."""
        items = list(items)
        self._write(lambda change: change.multi_put(items, expire_at=expire_at))

    def delete(self, keys: Iterable[bytes]) -> None:
        """Delete the records of the keys in one commit."""
        keys = list(keys)
        self._write(lambda change: change.delete(keys))

    def delete_prefix(self, prefix: bytes) -> None:
        """Delete the records whose key starts with `prefix`, some thousands in each commit."""
        while self._write(lambda change: change.delete_some(prefix, _DELETED_AT_ONCE)):
            pass

    def compare_and_set(
        self, key: bytes, expected: bytes | None, new: bytes | None, *, expire_at: int | None = None
    ) -> bool:
        """Write `new` if the record's value is `expected`; say whether it was."""

        def change_it(change: LmdbTransaction) -> bool:
            if change.multi_get([key]) != [expected]:
                return False
            if new is None:
                change.delete([key])
            else:
                change.multi_put([(key, new)], expire_at=expire_at)
            return True

        return self._write(change_it)

    def transaction(self) -> LmdbTransaction:
        """Read and write as one commit at the end of the block, or nothing."""
        environment = self._use()
        if self._readonly:
            raise StoreError(
                f"The store at {environment.path} is open for reading only.",
                asked=environment.path,
                remedy="Open it without readonly.",
            )
        return LmdbTransaction(environment, self._clock)

    def snapshot(self) -> LmdbSnapshot:
        """Read the present state for as long as the block lasts."""
        return LmdbSnapshot(self._use(), self._clock)

    def flush(self) -> None:
        """Have the disk confirm everything committed so far; with `sync="commit"` it has."""
        self._use().flush()

    def scrub(self) -> bool:
        """Take deleted bytes out of the file, which is written anew; whoever reads here meanwhile waits."""
        return self._use().scrub()

    def close(self) -> None:
        """Let go of the directory; the last handle of the process writes out what is pending.

        Raises:
            StoreError: It is the last handle, and a snapshot or transaction is open.
        """
        if self._environment is not None:
            unshare(self._environment)
            self._environment = None

    def _use(self) -> SharedEnvironment:
        if self._environment is None:
            raise StoreError("The store is closed.", remedy="Open it again.")
        return self._environment

    def _read(self, verb: Callable[[Records], T]) -> T:
        environment = self._use()
        while True:
            env = environment.enter()
            try:
                with env.begin() as txn:
                    return verb(Records(txn, self._clock))
            except lmdb.Error as error:
                failure = error
            finally:
                environment.leave()
            environment.mend(failure)

    def _write(self, verb: Callable[[LmdbTransaction], T]) -> T:
        while True:
            try:
                with self.transaction() as change:
                    return verb(change)
            except ConflictError:  # see LmdbTransaction; these verbs can begin again
                continue
