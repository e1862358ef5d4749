"""Loading: a view's events with `known < K` become a new generation; one manifest write switches to it.

A load reads what no segment of the view holds yet and adds a segment; where the segments there are cannot be
added to, it makes a new one of all. Until the switch nobody sees the new records. A load that dies is gone on
with by the next, which writes no bucket of entities twice.
"""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa

from headrace.clock import format_instant
from headrace.errors import DataError
from headrace.kernel.clean import KNOWN
from headrace.kernel.entities import group_entities
from headrace.online.ahead import ahead
from headrace.online.compaction import compact
from headrace.online.forgetting import clear_left, forget
from headrace.online.generations import Written, begin, clear_dead, switch
from headrace.online.inputs import put_inputs, work_of
from headrace.online.layout import stream_key, stream_prefix
from headrace.online.log import logs
from headrace.online.manifest import Segment, StreamState, ViewManifest, read_manifest, read_streams
from headrace.online.quarantined_batch import Batch, Look
from headrace.online.sample import Sample
from headrace.online.states import states_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from headrace.definitions.source import Source
    from headrace.kernel.binding import Binding
    from headrace.online.erased import Erased
    from headrace.online.generations import Generation
    from headrace.online.ingest import Ingest
    from headrace.online.inputs import Work
    from headrace.online.states import ViewStates
    from headrace.ports.engine import Engine, Extent, Part, Progress
    from headrace.ports.key_value import OneHost, Reader


__all__ = ["Load", "Loaded", "default_end", "materialize", "nearest_edges"]


class Loaded(NamedTuple):
    """What a load did.

    Attributes:
        view: `name@version`.
        known: K.
        entities: How many have a record in what was written.
        events: How many were read.
        rejected: How many rows went to quarantine.
        full: Why all was loaded; empty where what was new was added.
        warned: How many rows count though they break a rule of a source that only warns.
        rules: How many rows break which rule: of those in quarantine the one that comes first.
        sampled: How many entities' values were judged at K by the rules of their features.
        values: How many of those values break which rule, by feature.
    """

    view: str
    known: int
    entities: int
    events: int
    rejected: int
    full: str = ""
    warned: int = 0
    rules: Mapping[str, int] = MappingProxyType({})
    sampled: int = 0
    values: Mapping[str, Mapping[str, int]] = MappingProxyType({})

    def to_dict(self) -> dict[str, Any]:
        """What the load did, as JSON values."""
        values = {name: dict(each) for name, each in self.values.items()}
        return {
            **self._asdict(),
            "known": format_instant(self.known),
            "rules": dict(self.rules),
            "values": values,
        }


class Load(NamedTuple):
    """What is to be loaded.

    Attributes:
        binding: The view.
        known: K; an epoch's edge where the source has a stream.
        now: The clock.
        epoch_length: Microseconds of an epoch of the stream.
        full: Whether to load all, whatever is there.
        ingest: The ingestion of the source, to replay its log where the stream lacks events from K on, or
            holds states of another definition.
        readings: What tells the readings of all live views from others, see `reading_of`.
        kept: How long the log of the stream is kept in any case, microseconds: it explains what was served.
    """

    binding: Binding
    known: int
    now: int
    epoch_length: int
    full: bool = False
    ingest: Ingest | None = None
    readings: frozenset[str] = frozenset()
    kept: int = 0


def default_end(source: Source, now: int, epoch_length: int) -> int:
    """The last epoch's edge by which, after the source's `lateness`, everything should have arrived.

    Args:
        source: The source; where it says what it is complete until, that is taken for true.
        now: The clock.
        epoch_length: Microseconds of an epoch.
    """
    complete = now - int(getattr(source, "lateness", 0))
    declared = getattr(source, "complete_until", None)
    return (complete if declared is None else min(declared, now)) // epoch_length * epoch_length


def nearest_edges(at: int, epoch_length: int) -> tuple[int, int]:
    """The epoch's edges before and after an instant."""
    before = at // epoch_length * epoch_length
    return before, before + epoch_length


def materialize(store: OneHost, engine: Engine, load: Load, progress: Progress, threads: int = 1) -> Loaded:
    """Load a view.

    Args:
        store: The online store.
        engine: Reads its source.
        load: What is to be loaded.
        progress: Hears how far the load is.
        threads: How many parts are put together at once.

    Raises:
        ConflictError: Another load of the view has begun.
        DataError: K is after now or after what the source is complete until; the source has a stream, and K
            is no epoch's edge, or pushes from K on would be needed that earlier loads have let the log
            forget; the source cannot be read; or no row of it can be used any more.
    """
    binding, known = load.binding, load.known
    _check_end(load)
    states = states_of(binding)
    work, generation = _begun(store, engine, load, states.fingerprint)
    clear_dead(store, generation)
    stream = _new_stream(store, load, generation.served, states.fingerprint)
    parts = engine.parts(binding, known, work.held, generation.written.done)
    look = Look.of(binding, load.readings, known, load.now)
    told = _Told(Batch.of(look, work.files, full=work.held is None), Sample(binding))
    written, extents = _write(store, load, generation, states, parts, progress, threads, told)
    if told.rejected and not written.events and work.held is None and generation.served.segments:
        raise _useless(binding, known, told.rejected, told.reason)
    replay = None
    if stream is not None and load.ingest is not None:
        replay = load.ingest.replay(binding.id, known, stream)
        replay.catch_up(store, generation, load.now)
    segments = generation.served.segments if work.held is not None else ()
    if written.records:
        segments = (*segments, Segment(generation.segment, written.records, written.size))
    with store.transaction() as tx:
        switch(tx, generation, segments, ViewManifest(known, states=states.fingerprint, loaded_at=load.now))
        put_inputs(tx, binding.id, work, extents)
        if stream is not None:
            _check_log(tx, binding, known)
            if replay is not None:
                stream = replay.finish(tx, load.now)
            tx.multi_put([(stream_key(binding.id), msgspec.json.encode(stream))])
        forgotten = forget(tx, binding.id, binding.source.name, known, load.epoch_length)
    forgotten.clear(store)
    if stream is not None:
        store.delete_prefix(stream_prefix(binding.id, stream.number - 1))
    if load.ingest is not None:
        load.ingest.trim(store, load.now, load.kept)
    sampled, values = told.sample.broken(store)
    compact(store, binding.id, states, threads, tuple(binding.keys))
    told.left_out.supersede(store)
    return Loaded(
        binding.id, known, written.records, written.events, told.rejected, work.why,
        told.warned, dict(sorted(told.rules.items())), sampled, values,
    )  # fmt: skip


class _Told:
    """What a load has to tell of rows and values: all that this run has read, however often it was killed."""

    def __init__(self, left_out: Batch, sample: Sample) -> None:
        self.left_out = left_out
        self.sample = sample
        self.rejected = self.warned = 0
        self.rules: Counter[str] = Counter()
        self.reason = ""

    def hear(self, part: Part) -> None:
        """Take in what a part has to tell."""
        first = Counter(part.rejected.column("rule").to_pylist())
        first.update(part.beyond)
        self.rejected += first.total()
        self.warned += part.warned.get("", 0)
        self.rules.update({rule: n for rule, n in (first + Counter(part.warned)).items() if rule})
        self.reason = self.reason or next(iter(part.rejected.column("reason").to_pylist()), "")


def _begun(store: OneHost, engine: Engine, load: Load, states: str) -> tuple[Work, Generation]:
    """What there is to do, and the claim to do it; both of one state of the store."""
    files = engine.files(load.binding.source)
    while True:
        served = read_manifest(store).of(load.binding.id)
        work = work_of(store, load.binding, served, states, load.known, files, full=load.full)
        generation = begin(store, load.binding.id, work.basis, tuple(load.binding.keys))
        if generation.served == served:
            return work, generation


def _write(
    store: OneHost,
    load: Load,
    generation: Generation,
    states: ViewStates,
    parts: Iterator[Part],
    progress: Progress,
    threads: int,
    told: _Told,
) -> tuple[Written, Mapping[str, Extent | None]]:
    """Write the records of all parts; parts are put together while the one before is written.

    Returns:
        What is written, and how far each file reaches.
    """
    binding, written = load.binding, generation.written
    extents: Mapping[str, Extent | None] = {}
    for part, made in _made(load, states, parts, threads, generation.erased):
        told.left_out.put(store, part.rejected, part.beyond)
        written = Written(
            part.done,
            written.records + len(made.items),
            written.size + sum(map(len, map(itemgetter(1), made.items))),
            written.events + made.events,
        )
        told.hear(part)
        told.sample.take([key for key, _ in made.items])
        generation.write(store, made.items, written)
        extents = part.extents
        progress(binding.id, part.share)
    return written, extents


class _Made(NamedTuple):
    """The records of a part, and of how many events they are made."""

    items: list[tuple[bytes, bytes]]
    events: int


def _made(
    load: Load, states: ViewStates, parts: Iterator[Part], threads: int, erased: Erased
) -> Iterator[tuple[Part, _Made]]:
    """The parts and their records, a few parts ahead."""

    def make(part: Part) -> _Made:
        found = group_entities(part.events, load.binding.keys)
        clean = part.events
        if found.keyless is not None:
            clean = clean.filter(pa.array(~found.keyless))
        until = erased.until(tuple(load.binding.keys), found.keys)
        if until is not None:
            clean = clean.filter(pa.array(clean.column(KNOWN).to_numpy() >= until[found.group]))
            found = group_entities(clean, load.binding.keys)
        records = states.load(clean, found.group, len(found.keys), load.known)
        items = [(key, data) for key, data in zip(found.keys, records, strict=True) if data is not None]
        items.sort(key=itemgetter(0))  # neighbours in the store are written together
        return _Made(items, clean.num_rows)

    return ahead(make, parts, threads)


def _new_stream(store: OneHost, load: Load, served: ViewManifest, states: str) -> StreamState | None:
    """The stream to build anew, still empty; None where the present one is as it should be.

    It lacks what was pushed before the view was there, and what a generation up to a later K made it forget;
    or its states are of another definition.
    """
    view = load.binding.id
    (stream,) = read_streams(store, [view])
    clear_left(store, view, stream, served.known // load.epoch_length)
    if served.generation >= 0 and load.known >= served.known and stream.states == states:
        return None
    _check_log(store, load.binding, load.known)
    return StreamState(states=states, number=stream.number + 1)


def _check_log(store: Reader, binding: Binding, known: int) -> None:
    """Refuse to build the stream's states anew from a log that has forgotten some of their events."""
    since = max(log.complete_from(store) for log in logs(store, binding.source.name))
    if known >= since:
        return
    raise DataError(
        f"The log of {binding.source.name!r} no longer has what was known before {format_instant(since)}: "
        f"{binding.id} cannot be loaded to {format_instant(known)} only.",
        asked=format_instant(known),
        available=[f"from {format_instant(since)}"],
        remedy="Load to a later end; the batch source holds what was pushed before.",
    )


def _useless(binding: Binding, known: int, rejected: int, reason: str) -> DataError:
    """The error of a load that would replace what is served by nothing, for no row can be used."""
    return DataError(
        f"No row of source {binding.source.name!r} known before {format_instant(known)} can be used, and "
        f"{rejected} are in quarantine, the first because {reason}; {binding.id} stays as it was.",
        asked=binding.id,
        remedy="Has the type of a column changed? Write the batch again.",
    )


def _check_end(load: Load) -> None:
    binding, known, now = load.binding, load.known, load.now
    if known > now:
        # What becomes known until then would be in no generation, and the stream would leave it to this one.
        raise DataError(
            f"It is {format_instant(now)}: nobody can know yet what is known before {format_instant(known)}.",
            asked=format_instant(known),
            available=[format_instant(now)],
            remedy="Choose an end that is past, or leave end out.",
        )
    complete = getattr(binding.source, "complete_until", None)
    if complete is not None and complete < known:
        raise DataError(
            f"Source {binding.source.name!r} is complete until {format_instant(complete)} only: "
            f"{binding.id} cannot be loaded to {format_instant(known)}.",
            asked=format_instant(known),
            available=[f"up to {format_instant(complete)}"],
            remedy="Choose an earlier end, or declare a later complete_until and run: headrace apply.",
        )
    if getattr(binding.source, "stream", None) is None or known % load.epoch_length == 0:
        return
    edges = [edge for edge in nearest_edges(known, load.epoch_length) if edge <= now]
    raise DataError(
        f"View {binding.id} has a stream: a load ends at an epoch's edge, not at {format_instant(known)}.",
        asked=format_instant(known),
        available=map(format_instant, edges),
        remedy="Choose one of the edges, or leave end out.",
    )
