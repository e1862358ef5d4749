"""Loading: the events with `known < K` of a view become a new generation, and one manifest write switches to it.

Until the switch nobody sees the new records; after it nobody reads the old ones, which stay until the next load so that
requests under way can end. A load that dies leaves records no manifest names; the next one clears them away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa

from headrace.clock import format_instant
from headrace.errors import ConflictError, DataError
from headrace.kernel.entities import group_entities
from headrace.online.layout import (
    MANIFEST,
    epoch_prefix,
    generation_prefix,
    generations_prefix,
    stream_key,
    view_epochs_prefix,
)
from headrace.online.manifest import StreamState, ViewManifest, decode_manifest, read_streams
from headrace.online.quarantine import quarantine
from headrace.online.states import states_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headrace.kernel.binding import Binding
    from headrace.online.ingest import Ingest
    from headrace.ports.engine import Part, Progress
    from headrace.ports.key_value import KeyValue, OneHost, Writer


__all__ = ["Loaded", "default_end", "materialize", "nearest_edges"]

_BATCH = 512
"""Records written at once: keeps write transactions short."""


class Loaded(NamedTuple):
    """What a load did.

    Attributes:
        view: `name@version`.
        known: K.
        entities: How many have a record.
        events: How many were read.
        rejected: How many rows went to quarantine.
    """

    view: str
    known: int
    entities: int
    events: int
    rejected: int

    def to_dict(self) -> dict[str, Any]:
        """What the load did, as JSON values."""
        return {**self._asdict(), "known": format_instant(self.known)}


def default_end(now: int, lateness: int, epoch_length: int) -> int:
    """The last epoch's edge by which, after `lateness`, everything should have arrived."""
    return (now - lateness) // epoch_length * epoch_length


def nearest_edges(at: int, epoch_length: int) -> tuple[int, int]:
    """The epoch's edges before and after an instant."""
    before = at // epoch_length * epoch_length
    return before, before + epoch_length


def materialize(
    store: OneHost,
    binding: Binding,
    parts: Iterator[Part],
    known: int,
    now: int,
    epoch_length: int,
    progress: Progress,
    ingest: Ingest | None = None,
) -> Loaded:
    """Load a view.

    Args:
        store: The online store.
        binding: The view.
        parts: Its events with `known < K`.
        known: K.
        now: The clock.
        epoch_length: Microseconds of an epoch of the stream; K is an edge where the source has a stream.
        progress: Hears how far the load is.
        ingest: The ingestion of its source, to replay the log where the stream holds states of an older definition.

    Raises:
        ConflictError: Another load of the view ended first.
        DataError: K is before the K that is served, or no epoch's edge.
    """
    _check_end(binding, known, epoch_length)
    view = binding.id
    before = store.multi_get([MANIFEST])[0]
    served = decode_manifest(before).of(view)
    generation = served.generation + 1
    _clear(store, view, keep=(served.generation,))
    states = states_of(binding)
    entities = events = rejected = 0
    for part in parts:
        found = group_entities(part.events, binding.keys)
        clean = part.events
        if found.keyless is not None:
            clean = clean.filter(pa.array(~found.keyless))
        records = states.load(clean, found.group, len(found.keys), known)
        prefix = generation_prefix(view, generation, 0)
        items = [
            (prefix + key, data) for key, data in zip(found.keys, records, strict=True) if data is not None
        ]
        for start in range(0, len(items), _BATCH):
            store.multi_put(items[start : start + _BATCH])
        quarantine(store, binding.source.name, part.rejected, now)
        entities, events, rejected = (
            entities + len(items),
            events + clean.num_rows,
            rejected + part.rejected.num_rows,
        )
        progress(view, part.share)
    loaded = ViewManifest(known, generation, (0,), states.fingerprint, served.generation, now)
    with store.transaction() as tx:
        _switch(tx, view, served, loaded)
        gone = _forget_epochs(tx, view, known, epoch_length, states.fingerprint)
        if gone and ingest is not None and read_streams(tx, [view])[0].states != states.fingerprint:
            ingest.replay(tx, view, now)
    for prefix in gone:
        store.delete_prefix(prefix)
    return Loaded(view, known, entities, events, rejected)


def _check_end(binding: Binding, known: int, epoch_length: int) -> None:
    if getattr(binding.source, "stream", None) is None or known % epoch_length == 0:
        return
    lower, upper = nearest_edges(known, epoch_length)
    raise DataError(
        f"View {binding.id} has a stream, so a load must end at an epoch's edge, not at {format_instant(known)}.",
        asked=format_instant(known),
        available=[format_instant(lower), format_instant(upper)],
        remedy="Choose one of the edges, or leave end out.",
    )


def _switch(tx: Writer, view: str, served: ViewManifest, loaded: ViewManifest) -> None:
    """Replace the view's entry in the manifest, unless another load has."""
    manifest = decode_manifest(tx.multi_get([MANIFEST])[0])
    if manifest.of(view) != served:
        raise ConflictError(
            f"Another load of {view} ended first; nothing was switched.",
            asked=view,
            remedy="Run it again if needed.",
        )
    renewed = msgspec.structs.replace(manifest, views={**manifest.views, view: loaded})
    tx.multi_put([(MANIFEST, renewed.encode())])


def _clear(store: KeyValue, view: str, keep: Sequence[int]) -> None:
    """Delete the generations nobody reads."""
    kept = tuple(generation_prefix(view, generation, 0)[:-9] for generation in keep if generation >= 0)
    doomed: list[bytes] = []
    for key, _ in store.scan(generations_prefix(view)):
        if not key.startswith(kept) if kept else True:
            doomed.append(key)
    for start in range(0, len(doomed), _BATCH):
        store.delete(doomed[start : start + _BATCH])


def _forget_epochs(tx: Writer, view: str, known: int, epoch_length: int, fingerprint: str) -> list[bytes]:
    """Let the stream forget the epochs the generation holds, and all of them where they hold other states.

    Returns:
        The prefixes whose records nobody reads any more. Those of other states are deleted at once, for their epochs
        are about to be written anew.
    """
    (stream,) = read_streams(tx, [view])
    if not stream.epochs:
        return []
    if stream.states != fingerprint:
        tx.delete_prefix(view_epochs_prefix(view))
        tx.delete([stream_key(view)])
        return [epoch_prefix(view, -1, 0)]
    kept = {e: partitions for e, partitions in stream.epochs.items() if (e + 1) * epoch_length > known}
    if kept == stream.epochs:
        return []
    tx.multi_put([(stream_key(view), msgspec.json.encode(StreamState(kept, fingerprint)))])
    return [
        epoch_prefix(view, epoch, partition)
        for epoch, partitions in stream.epochs.items()
        if epoch not in kept
        for partition in partitions
    ]
