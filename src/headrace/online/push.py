"""The state writer: events from a push or a stream into the states of every view of their source.

All of a batch becomes durable and visible in one transaction: the log entry, the records of every view, the
late log and which epochs there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from headrace.errors import StoreError
from headrace.kernel.clean import KNOWN
from headrace.kernel.entities import Entities, group_entities
from headrace.online.earlier import stored_states
from headrace.online.layout import epoch_prefix, late_key, stream_key
from headrace.online.log import to_ipc
from headrace.online.manifest import read_manifest, read_streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.kernel.binding import Binding
    from headrace.online.manifest import StreamState, ViewManifest
    from headrace.online.record import Stamp
    from headrace.online.states import ViewStates
    from headrace.ports.key_value import Writer

__all__ = ["Applied", "Incoming", "apply_events", "merge_events"]


class Incoming(NamedTuple):
    """Events for one view.

    Attributes:
        binding: The view.
        states: Its states.
        events: Clean events without duplicates, the view's expressions evaluated.
        epoch_length: Microseconds of an epoch of its stream.
    """

    binding: Binding
    states: ViewStates
    events: pa.Table
    epoch_length: int


class Applied(NamedTuple):
    """What became of the events for one view.

    Attributes:
        merged: How many entered its states.
        late: How many came after the generation that should hold them; they are in the late log.
        keyless: How many have a null in the entity's key.
    """

    merged: int
    late: int
    keyless: int


def apply_events(tx: Writer, incoming: Sequence[Incoming], stamp: Stamp) -> list[Applied]:
    """Merge events into the states of their views.

    Args:
        tx: The transaction everything is written in.
        incoming: The events, for each view.
        stamp: Where they come from, and who writes.

    Raises:
        ConflictError: A newer writer has taken over.
        StoreError: The stored state is of another definition.
    """
    manifest = read_manifest(tx)
    streams = read_streams(tx, [each.binding.id for each in incoming])
    return [
        _apply(tx, each, manifest.of(each.binding.id), stream, stamp)
        for each, stream in zip(incoming, streams, strict=True)
    ]


def _apply(
    tx: Writer, incoming: Incoming, loaded: ViewManifest, stream: StreamState, stamp: Stamp
) -> Applied:
    binding, events = incoming.binding, incoming.events
    fingerprint = incoming.states.fingerprint
    loaded_by, streamed_by = stored_states(loaded, stream), stream.states if stream.epochs else ""
    if {loaded_by, streamed_by} - {"", fingerprint}:
        raise StoreError(
            f"The stored state of view {binding.id} is of another definition.",
            asked=binding.id,
            remedy="Run: headrace materialize, which starts the stream's state anew.",
        )
    late = events.column(KNOWN).to_numpy() < loaded.known
    if late.any():
        key = late_key(binding.id, stamp.offset, stamp.partition)
        tx.multi_put([(key, to_ipc(events.filter(pa.array(late))))])
        incoming = incoming._replace(events=events.filter(pa.array(~late)))
    after, merged, keyless = merge_events(tx, incoming, stream, stamp)
    after = msgspec.structs.replace(after, late=stream.late + int(late.sum()))
    if after != stream:
        tx.multi_put([(stream_key(binding.id), msgspec.json.encode(after))])
    return Applied(merged, int(late.sum()), keyless)


def merge_events(
    tx: Writer, incoming: Incoming, stream: StreamState, stamp: Stamp
) -> tuple[StreamState, int, int]:
    """Merge events into the records of one stream of a view.

    Args:
        tx: The transaction.
        incoming: Events that no generation holds.
        stream: The stream.
        stamp: Where they come from, and who writes.

    Returns:
        The stream after them, how many events have an entity, and how many have none.
    """
    events = incoming.events
    entities = group_entities(events, incoming.binding.keys)
    keyless = 0
    if entities.keyless is not None:
        events, keyless = events.filter(pa.array(~entities.keyless)), int(entities.keyless.sum())
    epochs: dict[int, tuple[int, ...]] = dict(stream.epochs)
    if events.num_rows:
        whole = incoming._replace(events=events)
        for epoch in _merge(tx, whole, stream.number, entities, stamp):
            epochs[epoch] = tuple(sorted({*epochs.get(epoch, ()), stamp.partition}))
    after = msgspec.structs.replace(stream, epochs=epochs, states=incoming.states.fingerprint)
    return after, events.num_rows, keyless


def _merge(tx: Writer, incoming: Incoming, stream: int, entities: Entities, stamp: Stamp) -> list[int]:
    """Fold the events into one record for each (entity, epoch); the epochs touched."""
    keys, events = entities.keys, incoming.events
    touched, place = np.unique(events.column(KNOWN).to_numpy() // incoming.epoch_length, return_inverse=True)
    pairs, record = np.unique(place * len(keys) + entities.group, return_inverse=True)
    prefixes = [epoch_prefix(incoming.binding.id, stream, int(e), stamp.partition) for e in touched]
    names = [prefixes[pair // len(keys)] + keys[pair % len(keys)] for pair in pairs.tolist()]
    existing = tx.multi_get(names)
    after = incoming.states.fold(events, record, existing, stamp)
    tx.multi_put([(name, data) for name, data in zip(names, after, strict=True) if data is not None])
    return [int(e) for e in touched]
