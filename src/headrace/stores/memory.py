"""A key-value store in a dictionary: the readable specification of the others, for tests and trials."""

from __future__ import annotations

import heapq
import threading
from collections import ChainMap
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias, cast

from headrace.clock import Clock, SystemClock
from headrace.errors import DataError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["MemoryStore"]

Record: TypeAlias = tuple[bytes, int | None]
"""A value and the instant it expires at."""


class MemoryStore:
    """A `KeyValue` and `Transactional` store that lives and dies with the process.

    Writers take turns, for as long as a transaction lasts. The dictionary itself is guarded for moments
    only, so reads go on during a transaction.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        """An empty store.

        Args:
            clock: Tells which records have expired; the machine's by default.
        """
        self._clock = clock or SystemClock()
        self._turn = threading.Lock()
        self._writing_thread: int | None = None
        self._guard = threading.Lock()
        self._records: dict[bytes, Record] = {}
        self._seen_by_snapshots = False
        self._expiries: list[tuple[int, bytes]] = []
        self._closed = False

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of the keys, in their order; None where there is no record."""
        with self._open() as records:
            return _View(records, self._clock.now()).multi_get(keys)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The records whose key starts with `prefix`, by key, as they are when the scan begins."""
        with self._open() as records:
            return iter(list(_View(records, self._clock.now()).scan(prefix)))

    def multi_put(self, items: Iterable[tuple[bytes, bytes]], *, expire_at: int | None = None) -> None:
        """Write the items, all at once."""
        with self.transaction() as change:
            change.multi_put(items, expire_at=expire_at)

    def delete(self, keys: Iterable[bytes]) -> None:
        """Delete the records of the keys, all at once."""
        with self.transaction() as change:
            change.delete(keys)

    def delete_prefix(self, prefix: bytes) -> None:
        """Delete the records whose key starts with `prefix`, all at once."""
        with self.transaction() as change:
            change.delete_prefix(prefix)

    def compare_and_set(
        self, key: bytes, expected: bytes | None, new: bytes | None, *, expire_at: int | None = None
    ) -> bool:
        """Write `new` if the record's value is `expected`; say whether it was."""
        with self.transaction() as change:
            if change.multi_get([key]) != [expected]:
                return False
            if new is None:
                change.delete([key])
            else:
                change.multi_put([(key, new)], expire_at=expire_at)
            return True

    def scrub(self) -> bool:
        """Nothing deleted is anywhere."""
        return True

    def close(self) -> None:
        """Forget everything."""
        with self._guard:
            self._closed = True
            self._records = {}

    @contextmanager
    def transaction(self) -> Iterator[_Change]:
        """Read and write as one: all at the end of the block, or nothing."""
        if self._writing_thread == threading.get_ident():
            raise StoreError(
                "A transaction is open in this thread.", remedy="Write through it, or end its block first."
            )
        with self._turn:
            with self._open() as records:
                change = _Change(records, self._clock.now())
            self._writing_thread = threading.get_ident()
            try:
                yield change
                with self._open():
                    self._apply(change.written)
            finally:
                change.end()
                self._writing_thread = None

    @contextmanager
    def snapshot(self) -> Iterator[_View]:
        """Read the present state for as long as the block lasts."""
        with self._open() as records:
            self._seen_by_snapshots = True
            view = _View(records, self._clock.now())
        try:
            yield view
        finally:
            view.end()

    @contextmanager
    def _open(self) -> Iterator[dict[bytes, Record]]:
        """The records, which nobody else touches meanwhile."""
        with self._guard:
            if self._closed:
                raise StoreError("The store is closed.", remedy="Open it again.")
            yield self._records

    def _apply(self, written: Mapping[bytes, Record | None]) -> None:
        if self._seen_by_snapshots:  # they keep the dictionary they know; writing goes on in a copy
            self._records = dict(self._records)
            self._seen_by_snapshots = False
        for key, record in written.items():
            if record is None:
                self._records.pop(key, None)
                continue
            self._records[key] = record
            if record[1] is not None:
                heapq.heappush(self._expiries, (record[1], key))
        self._drop_expired(self._clock.now())

    def _drop_expired(self, now: int) -> None:
        while self._expiries and self._expiries[0][0] <= now:
            _, key = heapq.heappop(self._expiries)
            if _value(self._records.get(key), now) is None:
                self._records.pop(key, None)


class _View:
    """The records as they look at one instant."""

    def __init__(self, records: Mapping[bytes, Record | None], now: int) -> None:
        self._records = records
        self._now = now
        self._ended = False

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self._use()
        return [_value(self._records.get(_checked(key)), self._now) for key in keys]

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        self._use()
        for key in sorted(key for key in self._records if key.startswith(prefix)):
            value = _value(self._records.get(key), self._now)
            if value is not None:
                yield key, value

    def end(self) -> None:
        self._ended = True

    def _use(self) -> None:
        if self._ended:
            raise StoreError("The block of this transaction or snapshot has ended.", remedy="Begin another.")


class _Change(_View):
    """The records and, over them, what a transaction has written: None where it deleted."""

    def __init__(self, records: dict[bytes, Record], now: int) -> None:
        self.written: dict[bytes, Record | None] = {}
        below = cast("dict[bytes, Record | None]", records)
        super().__init__(ChainMap(self.written, below), now)

    def multi_put(self, items: Iterable[tuple[bytes, bytes]], *, expire_at: int | None = None) -> None:
        self._use()
        self.written.update({_checked(key): (bytes(value), expire_at) for key, value in items})

    def delete(self, keys: Iterable[bytes]) -> None:
        self._use()
        self.written.update({_checked(key): None for key in keys})

    def delete_prefix(self, prefix: bytes) -> None:
        self.delete([key for key, _ in self.scan(prefix)])


def _value(record: Record | None, now: int) -> bytes | None:
    if record is None or (record[1] is not None and record[1] <= now):
        return None
    return record[0]


def _checked(key: bytes) -> bytes:
    if not key:
        raise DataError("A key has at least one byte.", asked=key, remedy="Encode keys with headrace.keys.")
    return key
