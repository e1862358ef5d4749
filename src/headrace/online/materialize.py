"""Loading: a view's events with `known < K` become a new generation; one manifest write switches to it.

Until the switch nobody sees the new records; after it nobody reads the old ones, which stay until the next
load so that requests under way can end. A load that dies leaves records no manifest names; the next one
clears them away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa

from headrace.clock import format_instant
from headrace.errors import DataError
from headrace.kernel.entities import group_entities
from headrace.online.generations import begin, forget, switch, write
from headrace.online.layout import stream_key, view_epochs_prefix
from headrace.online.log import complete_from
from headrace.online.manifest import StreamState, read_streams
from headrace.online.quarantine import quarantine
from headrace.online.states import states_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.kernel.binding import Binding
    from headrace.online.generations import Generation
    from headrace.online.ingest import Ingest
    from headrace.ports.engine import Part, Progress
    from headrace.ports.key_value import OneHost, Reader, Writer


__all__ = ["Loaded", "default_end", "materialize", "nearest_edges"]


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
        ingest: The ingestion of its source, to replay the log where the stream lacks events from K on, or
            holds states of another definition.

    Raises:
        ConflictError: Another load of the view has begun.
        DataError: K is after now; the source has a stream, and K is no epoch's edge, or pushes from K on
            would be needed that earlier loads have let the log forget; or no row of the source can be used
            any more.
    """
    _check_end(binding, known, now, epoch_length)
    view = binding.id
    generation = begin(store, view, epoch_length)
    states = states_of(binding)
    if _is_other(store, generation, known, states.fingerprint):
        _check_log(store, binding, known)
    entities = events = rejected = 0
    reason = ""
    for part in parts:
        found = group_entities(part.events, binding.keys)
        clean = part.events
        if found.keyless is not None:
            clean = clean.filter(pa.array(~found.keyless))
        records = states.load(clean, found.group, len(found.keys), known)
        items = [(key, data) for key, data in zip(found.keys, records, strict=True) if data is not None]
        write(store, generation, items)
        quarantine(store, binding.source.name, part.rejected, now)
        entities, events, rejected = (
            entities + len(items),
            events + clean.num_rows,
            rejected + part.rejected.num_rows,
        )
        reason = reason or next(iter(part.rejected.column("reason").to_pylist()), "")
        progress(view, part.share)
    if rejected and not events and generation.served.generation >= 0:
        raise _useless(binding, known, rejected, reason)
    with store.transaction() as tx:
        switch(tx, generation, known, states.fingerprint, now)
        if _is_other(tx, generation, known, states.fingerprint):
            _check_log(tx, binding, known)
            _replay(tx, view, states.fingerprint, ingest, now)
        gone = forget(tx, view, known, epoch_length)
    for prefix in gone:
        store.delete_prefix(prefix)
    if ingest is not None:
        ingest.trim(store, now)
    return Loaded(view, known, entities, events, rejected)


def _is_other(tx: Reader, generation: Generation, known: int, fingerprint: str) -> bool:
    """Whether the stream lacks events from K on, or holds them in states of another definition.

    It lacks what was pushed before the view was there, and what a generation up to a later K made it forget.
    """
    served = generation.served
    (stream,) = read_streams(tx, [generation.view])
    return served.generation < 0 or known < served.known or stream.states != fingerprint


def _check_log(store: Reader, binding: Binding, known: int) -> None:
    """Refuse to build the stream's states anew from a log that has forgotten some of their events."""
    since = complete_from(store, binding.source.name)
    if known >= since:
        return
    raise DataError(
        f"The log of {binding.source.name!r} no longer has what was known before {format_instant(since)}: "
        f"{binding.id} cannot be loaded to {format_instant(known)} only.",
        asked=format_instant(known),
        available=[f"from {format_instant(since)}"],
        remedy="Load to a later end; the batch source holds what was pushed before.",
    )


def _replay(tx: Writer, view: str, fingerprint: str, ingest: Ingest | None, now: int) -> None:
    """Write the stream's states anew, from the log."""
    tx.delete_prefix(view_epochs_prefix(view))
    if ingest is None:
        tx.delete([stream_key(view)])
        return
    tx.multi_put([(stream_key(view), msgspec.json.encode(StreamState(states=fingerprint)))])
    ingest.replay(tx, view, now)


def _useless(binding: Binding, known: int, rejected: int, reason: str) -> DataError:
    """The error of a load that would replace what is served by nothing, for no row can be used."""
    return DataError(
        f"No row of source {binding.source.name!r} known before {format_instant(known)} can be used, and "
        f"{rejected} are in quarantine, the first because {reason}; {binding.id} stays as it was.",
        asked=binding.id,
        remedy="Has the type of a column changed? Write the batch again.",
    )


def _check_end(binding: Binding, known: int, now: int, epoch_length: int) -> None:
    if known > now:
        # What becomes known until then would be in no generation, and the stream would leave it to this one.
        raise DataError(
            f"It is {format_instant(now)}: nobody can know yet what is known before {format_instant(known)}.",
            asked=format_instant(known),
            available=[format_instant(now)],
            remedy="Choose an end that is past, or leave end out.",
        )
    if getattr(binding.source, "stream", None) is None or known % epoch_length == 0:
        return
    edges = [edge for edge in nearest_edges(known, epoch_length) if edge <= now]
    raise DataError(
        f"View {binding.id} has a stream: a load ends at an epoch's edge, not at {format_instant(known)}.",
        asked=format_instant(known),
        available=map(format_instant, edges),
        remedy="Choose one of the edges, or leave end out.",
    )
