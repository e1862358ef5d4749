"""What the stream forgets once a generation holds it: epochs before K, a replaced stream, late events."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from headrace.keys import decode_key
from headrace.online.layout import PUSHES, epoch_prefix, late_prefix, stream_key, stream_prefix
from headrace.online.log import logs
from headrace.online.manifest import read_streams

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.online.manifest import StreamState
    from headrace.ports.key_value import KeyValue, OneHost, Writer

__all__ = ["Forgotten", "clear_left", "forget"]

_BATCH = 512


class Forgotten(NamedTuple):
    """What nobody reads once the transaction that forgot it has ended.

    Attributes:
        view: `name@version`.
        prefixes: Prefixes of records.
        late_before: The offsets before which the late log is covered, by partition.
    """

    view: str
    prefixes: Sequence[bytes]
    late_before: Mapping[int, int]

    def clear(self, store: KeyValue) -> None:
        """Delete it, some at a time."""
        for prefix in self.prefixes:
            store.delete_prefix(prefix)
        covered = (key for key, _ in store.scan(late_prefix(self.view)) if self._covers(key))
        while keys := list(islice(covered, _BATCH)):
            store.delete(keys)

    def _covers(self, late_key: bytes) -> bool:
        _, _, offset, *partition = decode_key(late_key)
        return offset < self.late_before.get(partition[0] if partition else PUSHES, 0)  # type: ignore[arg-type, operator]


def forget(tx: Writer, view: str, source: str, known: int, epoch_length: int) -> Forgotten:
    """Let the stream forget what a generation up to K holds.

    Args:
        tx: The transaction that switches to the generation.
        view: `name@version`.
        source: The source whose logs tell which late events have come.
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
    return Forgotten(view, gone, {log.partition: log.next_offset(tx) for log in logs(tx, source)})


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
