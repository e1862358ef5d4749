"""What the stream forgets once a generation holds it: epochs before K, a replaced stream, late events."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from headrace.keys import decode_key
from headrace.online import log
from headrace.online.layout import epoch_prefix, late_prefix, stream_key, stream_prefix
from headrace.online.manifest import read_streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.online.manifest import StreamState
    from headrace.ports.key_value import KeyValue, OneHost, Writer

__all__ = ["Forgotten", "clear_left", "forget"]

_BATCH = 512


class Forgotten(NamedTuple):
    """What nobody reads once the transaction that forgot it has ended.

    Attributes:
        view: `name@version`.
        prefixes: Prefixes of records.
        late_before: The offset before which the late log is covered.
    """

    view: str
    prefixes: Sequence[bytes]
    late_before: int

    def clear(self, store: KeyValue) -> None:
        """Delete it, some at a time."""
        for prefix in self.prefixes:
            store.delete_prefix(prefix)
        covered = (key for key, _ in store.scan(late_prefix(self.view)) if _last(key) < self.late_before)
        while keys := list(islice(covered, _BATCH)):
            store.delete(keys)


def forget(tx: Writer, view: str, source: str, known: int, epoch_length: int) -> Forgotten:
    """Let the stream forget what a generation up to K holds.

    Args:
        tx: The transaction that switches to the generation.
        view: `name@version`.
        source: The source whose log tells which late events have come.
        known: K.
        epoch_length: Microseconds of an epoch.
    """
    (stream,) = read_streams(tx, [view])
    kept = {e: partitions for e, partitions in stream.epochs.items() if (e + 1) * epoch_length > known}
    after = msgspec.structs.replace(stream, epochs=kept, late=0)
    if after != stream:
        tx.multi_put([(stream_key(view), msgspec.json.encode(after))])
    gone = [
        epoch_prefix(view, stream.number, epoch, partition)
        for epoch, partitions in stream.epochs.items()
        if epoch not in kept
        for partition in partitions
    ]
    return Forgotten(view, gone, log.next_offset(tx, source))


def clear_left(store: OneHost, view: str, stream: StreamState, first: int) -> None:
    """Delete what loads that died have left: the stream before, half of one after, epochs before the first.

    Args:
        store: The online store.
        view: `name@version`.
        stream: The present stream.
        first: The first epoch that is read.
    """
    for number in (stream.number - 1, stream.number + 1):
        store.delete_prefix(stream_prefix(view, number))
    dead: dict[int, None] = {}
    for key, _ in store.scan(stream_prefix(view, stream.number)):
        epoch = decode_key(key)[3]
        assert isinstance(epoch, int)  # noqa: S101 - epochs' keys have it there
        if epoch >= first:
            break
        dead[epoch] = None
    for epoch in dead:
        store.delete_prefix(stream_prefix(view, stream.number, epoch))


def _last(key: bytes) -> int:
    """The offset a key of the late log ends in."""
    offset = decode_key(key)[-1]
    assert isinstance(offset, int)  # noqa: S101 - late keys do
    return offset
