"""The logs of a source: every batch of events, pushed or streamed, durable together with its states.

Each partition has a log of its own; pushes are one partition. It is what restarts, refills, loads and
changed definitions replay, kept until every view has loaded it: nothing is read from a broker twice.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from headrace.kernel.clean import KNOWN
from headrace.keys import decode_key, encode_key
from headrace.online.layout import PUSHES, log_key, log_prefix
from headrace.online.partitions import partition_numbers
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.ports.key_value import Reader, Writer

__all__ = ["HEAD", "Entry", "Log", "from_ipc", "logs", "to_ipc"]

_HEAD = struct.Struct("<q")
HEAD = _HEAD.size
"""How many bytes of an entry stand before its events."""
_APPLIED = b"headrace.applied"
"""Where the schema of an entry's events says when they became visible."""
_BATCH = 256


class Entry(NamedTuple):
    """One batch.

    Attributes:
        offset: Its place in the log.
        events: Its clean events: `__time`, `__known` and the source's columns.
        newest: When the last of them was known, or will be.
        applied: When they became visible, up to the commit itself, microseconds UTC; None where nobody noted.
    """

    offset: int
    events: pa.Table
    newest: int
    applied: int | None = None


class Log(NamedTuple):
    """The log of one partition of a source.

    Attributes:
        source: The source.
        partition: The partition.
    """

    source: str
    partition: int = PUSHES

    def next_offset(self, store: Reader) -> int:
        """The offset of the next batch."""
        data = store.multi_get([self._next_key()])[0]
        return 0 if data is None else int.from_bytes(data, "little")

    def append(self, tx: Writer, offset: int, events: pa.Table, applied: int | None = None) -> None:
        """Write a batch.

        Args:
            tx: The transaction of its states.
            offset: Its place in the log.
            events: Its clean events.
            applied: The clock, as near to the end of the transaction as can be.
        """
        newest = int(max(events.column(KNOWN).to_numpy()))
        if applied is not None:
            told = {**(events.schema.metadata or {}), _APPLIED: str(applied).encode()}
            events = events.replace_schema_metadata(told)
        tx.multi_put([(self.key(offset), _HEAD.pack(newest) + to_ipc(events))])
        self.skip(tx, offset)

    def skip(self, tx: Writer, offset: int) -> None:
        """Take an offset for a batch without any event."""
        tx.multi_put([(self._next_key(), (offset + 1).to_bytes(8, "little"))])

    def entries(self, store: Reader, start: int = 0) -> Iterator[Entry]:
        """The batches from an offset on, in order."""
        if start == 0:
            for key, data in store.scan(log_prefix(*self)):
                offset = decode_key(key)[-1]
                assert isinstance(offset, int)  # noqa: S101 - log keys end in one
                yield _entry(offset, data)
            return
        for offset in range(start, self.next_offset(store)):
            (found,) = store.multi_get([self.key(offset)])
            if found is not None:  # else it was trimmed
                yield _entry(offset, found)

    def key(self, offset: int) -> bytes:
        """Where a batch is."""
        return log_key(*self, offset)

    def trim(self, store: Writer, before: int) -> None:
        """Forget the batches all of whose events were known before an instant."""
        newest = {key: _HEAD.unpack_from(data)[0] for key, data in store.scan(log_prefix(*self))}
        old = [key for key, known in newest.items() if known < before]
        if not old:
            return
        since = max(self.complete_from(store), 1 + max(newest[key] for key in old))
        store.multi_put([(self._trimmed_key(), since.to_bytes(8, "little", signed=True))])
        for start in range(0, len(old), _BATCH):
            store.delete(old[start : start + _BATCH])

    def complete_from(self, store: Reader) -> int:
        """Since when it is complete: no batch with an event known at or after the instant was forgotten."""
        data = store.multi_get([self._trimmed_key()])[0]
        return FOREVER_AGO if data is None else int.from_bytes(data, "little", signed=True)

    def _next_key(self) -> bytes:
        return encode_key(("next offset", self.source, *self._of_stream()))

    def _trimmed_key(self) -> bytes:
        return encode_key(("trimmed", self.source, *self._of_stream()))

    def _of_stream(self) -> tuple[int, ...]:
        return () if self.partition == PUSHES else (self.partition,)


def logs(store: Reader, source: str) -> list[Log]:
    """The logs of all partitions of a source."""
    return [Log(source, number) for number in (PUSHES, *partition_numbers(store, source).values())]


def _entry(offset: int, data: bytes) -> Entry:
    events = from_ipc(data[HEAD:])
    applied = (events.schema.metadata or {}).get(_APPLIED)
    return Entry(offset, events, _HEAD.unpack_from(data)[0], None if applied is None else int(applied))


def to_ipc(events: pa.Table) -> bytes:
    """A table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, events.schema) as stream:
        stream.write_table(events)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def from_ipc(data: bytes) -> pa.Table:
    """The table of an Arrow stream."""
    return pa.ipc.open_stream(data).read_all()
