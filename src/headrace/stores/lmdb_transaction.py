"""Transactions and snapshots of an LMDB store: LMDB's own, carried over a growing map and away from forks."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, TypeVar

import lmdb

from headrace.errors import ConflictError, StoreError
from headrace.stores.lmdb_environment import SharedEnvironment, keep_for_ever
from headrace.stores.lmdb_errors import explain
from headrace.stores.lmdb_records import Records, scan_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Self

    from lmdb import Transaction

    from headrace.clock import Clock

__all__ = ["LmdbSnapshot", "LmdbTransaction"]

T = TypeVar("T")


class LmdbSnapshot:
    """One state of the store, read for as long as the block lasts."""

    _writes = False

    def __init__(self, environment: SharedEnvironment, clock: Clock) -> None:
        """Nothing begins before the block.

        Args:
            environment: What to read.
            clock: Asked once, when the block begins.
        """
        self._environment = environment
        self._clock = clock
        self._now = 0
        self._thread = 0
        self._generation = environment.generation
        self._txn: Transaction[bytes] | None = None
        self._records: Records | None = None

    def __enter__(self) -> Self:
        self._now = self._clock.now()
        self._thread = threading.get_ident()
        self._begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, frames: object) -> None:
        if self._forked():
            keep_for_ever(self._txn)  # ending it here would end the parent's
        else:
            self._drop()

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of the keys, in their order; None where there is no record."""
        return self._do(lambda records: records.multi_get(keys))

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The records whose key starts with `prefix`, as (key, value) in the order of their keys."""
        return scan_pages(lambda after: self._do(lambda records: records.page(prefix, after)))

    def _begin(self) -> None:
        """Enter the environment and begin LMDB's transaction."""
        while self._txn is None:
            env = self._environment.enter(stay=self._thread)
            try:
                self._txn = env.begin(write=self._writes)
            except lmdb.Error as error:
                self._environment.leave(stay=self._thread)
                self._environment.mend(error)
        self._records = Records(self._txn, self._clock, self._now)

    def _drop(self) -> None:
        """Abort what is left of LMDB's transaction and leave the environment.

        lmdb's `abort` of a write waits for a moment in which no other thread reads, and among a few busy
        readers there is none; to forget a transaction aborts it just as well, at once.
        """
        if self._txn is None or self._records is None:
            return
        forgotten = weakref.ref(self._txn)
        self._records.end()
        self._txn = self._records = None
        still_there = forgotten()
        if still_there is not None:  # a traceback may hold it
            still_there.abort()
        self._environment.leave(stay=self._thread)

    def _do(self, verb: Callable[[Records], T]) -> T:
        if self._forked():
            raise self._lost()
        if self._records is None:
            raise StoreError("The block of this transaction or snapshot has ended.", remedy="Begin another.")
        try:
            return verb(self._records)
        except lmdb.MapFullError:
            raise
        except lmdb.Error as error:
            # Without its traceback, whose frames would keep the transaction alive.
            raise explain(error, self._environment.path) from error.with_traceback(None)

    def _forked(self) -> bool:
        return self._generation != self._environment.generation

    def _lost(self) -> StoreError:
        return StoreError(
            f"This transaction or snapshot on {self._environment.path} belongs to the process that forked.",
            asked=self._environment.path,
            remedy="Begin another in this process; fork outside of them.",
        )


class LmdbTransaction(LmdbSnapshot):
    """Reads and writes that commit as one.

    When a write does not fit into the map, the map must grow, and for that LMDB's transaction must end. The
    verbs done so far are kept, and done again on the state they were done on; if another process has
    changed that state in between, nothing is written.
    """

    _writes = True

    def __init__(self, environment: SharedEnvironment, clock: Clock) -> None:
        """Nothing begins before the block."""
        super().__init__(environment, clock)
        self._state = 0  # LMDB's number of the state that is changed
        self._done: list[Callable[[Records], object]] = []

    def __enter__(self) -> Self:
        self._environment.take_turn()
        try:
            return super().__enter__()
        except BaseException:
            self._environment.end_turn()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: object, frames: object) -> None:
        if self._forked():
            super().__exit__(kind, error, frames)
            if kind is None:
                raise self._lost()
            return
        try:
            if kind is None:
                self._commit()
        finally:
            self._drop()
            self._environment.end_turn()

    def multi_put(self, items: Iterable[tuple[bytes, bytes]], *, expire_at: int | None = None) -> None:
        """Write the items in their order."""
        items = list(items)
        self._change(lambda records: records.put(items, expire_at))

    def delete(self, keys: Iterable[bytes]) -> None:
        """Delete the records of the keys."""
        keys = list(keys)
        self._change(lambda records: records.delete(keys))

    def delete_prefix(self, prefix: bytes) -> None:
        """Delete the records whose key starts with `prefix`."""
        self._change(lambda records: records.delete_prefix(prefix))

    def delete_some(self, prefix: bytes, limit: int) -> bool:
        """Delete at most `limit` records of each kind that start with `prefix`; say whether some are left."""
        return self._change(lambda records: records.delete_prefix(prefix, limit))

    def _change(self, verb: Callable[[Records], T]) -> T:
        while True:
            try:
                result = self._do(verb)
            except lmdb.MapFullError:
                pass
            else:
                self._done.append(verb)
                return result
            self._enlarge()  # not above: an exception in hand keeps the transaction alive

    def _begin(self) -> None:
        super()._begin()
        if self._txn is not None:
            self._state = self._txn.id()

    def _commit(self) -> None:
        while self._txn is not None:
            try:
                self._txn.commit()
            except lmdb.MapFullError:
                pass
            except lmdb.Error as error:
                raise explain(error, self._environment.path) from error
            else:
                return
            self._enlarge()

    def _enlarge(self) -> None:
        """Make the map larger, and bring LMDB's transaction to where it was."""
        state, size = self._state, self._environment.size()
        self._drop()
        self._environment.grow(beyond=size)
        self._begin()
        if self._state != state:
            self._drop()
            raise ConflictError(
                f"Another process wrote to {self._environment.path} while this transaction was making room.",
                asked=self._environment.path,
                remedy="Run the transaction again.",
            )
        try:
            for verb in self._done:
                self._do(verb)
        except lmdb.MapFullError:
            pass
        else:
            return
        self._enlarge()
