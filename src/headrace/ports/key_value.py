"""The key-value port: what online serving asks of a store.

Keys and values are bytes; the port knows nothing of features. Keys have at least one byte and at least
2,000 may be used; values may be empty. Keys order by their bytes.

One record is always whole: a reader sees the old value or the new one. Several records written by one call
are not promised to appear together; where that matters, ask the store for `Transactional`.

A record may expire: at instants (microseconds UTC, by the clock the store was given) of `expire_at` or
later it is gone for every verb, as if it had been deleted. Every write sets the expiry anew; without
`expire_at` it is never.

Every verb raises StoreError when the store cannot be used, and DataError for an empty key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

__all__ = ["AsyncReader", "Copy", "KeyValue", "OneHost", "Reader", "Transactional", "Writer"]


class Reader(Protocol):
    """What can be read."""

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of the keys, in their order; None where there is no record. Keys may repeat."""
        ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The records whose key starts with `prefix`, as (key, value) in the order of their keys.

        Records that stay untouched while the scan runs are all in it, once; whether one written meanwhile
        is, is left open. The scan may be given up at any time.
        """
        ...


class AsyncReader(Protocol):
    """What can be read from an event loop."""

    async def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """See `Reader`."""
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...


class Writer(Reader, Protocol):
    """What can be read and written. A write is visible to every reader when its call returns."""

    def multi_put(self, items: Iterable[tuple[bytes, bytes]], *, expire_at: int | None = None) -> None:
        """Write the (key, value) items; of items with one key the last counts.

        Args:
            items: Keys and values.
            expire_at: The instant from which these records are gone, microseconds UTC; None means never.
        """
        ...

    def delete(self, keys: Iterable[bytes]) -> None:
        """Delete the records of the keys; a key without a record is no error."""
        ...

    def delete_prefix(self, prefix: bytes) -> None:
        """Delete every record whose key starts with `prefix`; a store may do it in several steps."""
        ...


@runtime_checkable
class KeyValue(Writer, Protocol):
    """A key-value store; safe to use from many threads."""

    def compare_and_set(
        self, key: bytes, expected: bytes | None, new: bytes | None, *, expire_at: int | None = None
    ) -> bool:
        """Write `new` if the record's value is `expected`, in one step that no other writer can divide.

        Args:
            key: The record.
            expected: The value it must have; None: there must be no record.
            new: The value to write; None deletes the record.
            expire_at: As in `multi_put`.

        Returns:
            Whether the value was as expected and `new` is written.
        """
        ...

    def close(self) -> None:
        """Let go of the store. Closing twice is no error; any other verb after it raises StoreError."""
        ...


@runtime_checkable
class Transactional(Protocol):
    """What stores of one host can do besides: several verbs as one.

    A transaction or snapshot belongs to the thread that began it and ends with its block. Keep both short:
    the one keeps other writers waiting and all it writes in memory, the other keeps replaced values on disk.
    """

    def transaction(self) -> AbstractContextManager[Writer]:
        """Read and write as one: all of it becomes visible and durable at the end of the block, or none.

        Reads in the block see its own writes and otherwise the state at its begin; other readers go on,
        seeing that state, until the end. An exception in the block undoes everything. Transactions run one
        at a time; a second one in the same thread, or a write past the open one, raises StoreError.

        Raises:
            ConflictError: At a write or the end of the block: another process wrote between the two halves
            of a
                transaction that outgrew the store's space. Nothing was written; run the block again.
        """
        ...

    def snapshot(self) -> AbstractContextManager[Reader]:
        """Read one state, the present one, whatever is written or expires before the block ends."""
        ...


class OneHost(KeyValue, Transactional, Protocol):
    """A key-value store that has transactions: one of one host."""

    def scrub(self) -> bool:
        """Make sure that no byte of what was deleted or replaced can be read from the store's files.

        To be called outside of transactions and snapshots.

        Returns:
            Whether that is so; False where other processes have the files open.
        """
        ...


class Copy(KeyValue, Protocol):
    """A store that may lose what was written to it: its servers are restarted, empty or with old records.

    A reader can tell a server that somebody has vouched for since it began from one that nobody has.
    """

    def servers(self) -> list[str]:
        """Which servers there are, as they run now: one that was restarted is another."""
        ...

    def vouch(self, servers: Sequence[str]) -> None:
        """Tell readers that what servers hold is as it was written. One restarted since is left out.

        Args:
            servers: As they were listed before what they hold was written.
        """
        ...

    def is_vouched_for(self) -> bool:
        """Whether somebody has vouched for all servers as they run now."""
        ...
