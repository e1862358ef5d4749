"""The push log: every accepted push, durable before it is acknowledged, kept until it is trimmed.

It is the stream of pushed events: what restarts, refills and changed definitions replay.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from headrace.kernel.clean import KNOWN
from headrace.keys import decode_key, encode_key
from headrace.online.layout import log_key, log_prefix
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.ports.key_value import Reader, Writer

__all__ = ["HEAD", "Entry", "append", "complete_from", "entries", "next_offset", "skip", "trim"]

_HEAD = struct.Struct("<q")
HEAD = _HEAD.size
"""How many bytes of an entry stand before its events."""
_BATCH = 256


class Entry(NamedTuple):
    """One push.

    Attributes:
        offset: Its place in the log.
        events: Its clean events: `__time`, `__known` and the source's columns.
        newest: When the last of them was known, or will be.
    """

    offset: int
    events: pa.Table
    newest: int


def _next_key(source: str) -> bytes:
    return encode_key(("next offset", source))


def _trimmed_key(source: str) -> bytes:
    return encode_key(("trimmed", source))


def next_offset(store: Reader, source: str) -> int:
    """The offset of the next push."""
    data = store.multi_get([_next_key(source)])[0]
    return 0 if data is None else int.from_bytes(data, "little")


def append(tx: Writer, source: str, offset: int, events: pa.Table) -> None:
    """Write a push into the log."""
    newest = int(max(events.column(KNOWN).to_numpy()))
    items = [
        (log_key(source, offset), _HEAD.pack(newest) + to_ipc(events)),
        (_next_key(source), (offset + 1).to_bytes(8, "little")),
    ]
    tx.multi_put(items)


def skip(tx: Writer, source: str, offset: int) -> None:
    """Take an offset for a push without any event."""
    tx.multi_put([(_next_key(source), (offset + 1).to_bytes(8, "little"))])


def entries(store: Reader, source: str, start: int = 0) -> Iterator[Entry]:
    """The pushes from an offset on, in order."""
    if start == 0:
        for key, data in store.scan(log_prefix(source)):
            offset = decode_key(key)[-1]
            assert isinstance(offset, int)  # noqa: S101 - log keys end in one
            yield _entry(offset, data)
        return
    for offset in range(start, next_offset(store, source)):
        (found,) = store.multi_get([log_key(source, offset)])
        if found is not None:  # else it was trimmed
            yield _entry(offset, found)


def _entry(offset: int, data: bytes) -> Entry:
    return Entry(offset, from_ipc(data[HEAD:]), _HEAD.unpack_from(data)[0])


def trim(store: Writer, source: str, before: int) -> None:
    """Forget the pushes all of whose events were known before an instant."""
    newest = {key: _HEAD.unpack_from(data)[0] for key, data in store.scan(log_prefix(source))}
    old = [key for key, known in newest.items() if known < before]
    if not old:
        return
    since = max(complete_from(store, source), 1 + max(newest[key] for key in old))
    store.multi_put([(_trimmed_key(source), since.to_bytes(8, "little", signed=True))])
    for start in range(0, len(old), _BATCH):
        store.delete(old[start : start + _BATCH])


def complete_from(store: Reader, source: str) -> int:
    """Since when the log is complete: no push with an event known at or after the instant was forgotten."""
    data = store.multi_get([_trimmed_key(source)])[0]
    return FOREVER_AGO if data is None else int.from_bytes(data, "little", signed=True)


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
