"""Reading features: one snapshot, one manifest, one instant for all views and entities of a request."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from headrace.clock import format_instant
from headrace.errors import AsOfTooEarly, NotLoadedError
from headrace.kernel.columns import HeldColumns, without
from headrace.online.earlier import stored_states
from headrace.online.layout import epoch_prefix, segment_prefix
from headrace.online.manifest import StreamState, ViewManifest, decode_served, served_keys
from headrace.online.record import frontier_of
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from headrace.aggregations.states import Array
    from headrace.kernel.columns import Columns
    from headrace.online.states import ReadableStates
    from headrace.ports.key_value import Reader

__all__ = [
    "SEGMENT",
    "TOO_EARLY",
    "Asked",
    "Found",
    "LastSeen",
    "Looked",
    "Read",
    "Reading",
    "driven",
    "read",
    "reading",
]

Got = TypeVar("Got")

TOO_EARLY = "as_of too early"

SEGMENT = -1
"""In place of a partition: the record is a segment's."""


def _none(_fingerprint: str) -> None:
    """Know no earlier definition."""


class Asked(NamedTuple):
    """One view in a request.

    Attributes:
        view: `name@version`.
        states: Its states, for the features wanted.
        keys: The encoded key of each entity; None where it has a null part and so no events.
        epoch_length: Microseconds of an epoch, to tell which epochs a generation covers.
        earlier: Finds the states of an earlier definition by their fingerprint, for records it has made.
        batch: Whether its source has a past that only a load brings: what was pushed is then not all.
    """

    view: str
    states: ReadableStates
    keys: Sequence[bytes | None]
    epoch_length: int
    earlier: Callable[[str], ReadableStates | None] = _none
    batch: bool = False


class Found(NamedTuple):
    """The records of one view.

    Attributes:
        states: What reads them.
        records: Those of every entity, entities ascending.
        entity: The entity of each.
        looked: Where was looked for them.
    """

    states: ReadableStates
    records: list[bytes]
    entity: list[int]
    looked: Looked


class Looked(NamedTuple):
    """Where was looked for the records of one view, and what was there: kept to be told, never copied.

    Attributes:
        origins: What each place of an entity is: the partition of a stream, or `SEGMENT`.
        values: What the places of all entities hold, an entity's one after another; None for nothing.
        entity: The entity of each, ascending.
    """

    origins: Sequence[int]
    values: Sequence[bytes | None]
    entity: Sequence[int]

    def of(self, entity: int) -> Iterator[tuple[int, bytes]]:
        """The records of an entity, and where each comes from."""
        first = bisect_left(self.entity, entity)
        last = bisect_right(self.entity, entity)
        for origin, data in zip(self.origins, self.values[first:last], strict=last > first):
            if data is not None:
                yield origin, data


class Read(NamedTuple):
    """What a request got.

    Attributes:
        t: The instant all of it is as of.
        columns: For each view asked, its features, one value for each entity.
        loaded: What is loaded of each; like the next two empty where the store has not told all in time.
        streams: What the stream has written for each.
        found: The records of each.
    """

    t: int
    columns: tuple[Columns, ...]
    loaded: Sequence[ViewManifest] = ()
    streams: Sequence[StreamState] = ()
    found: Sequence[Found] = ()


Reading = Generator[Sequence[bytes], "Sequence[bytes | None]", Read]
"""A read that does not know of stores: it yields keys, is sent their values, and returns what it got."""


def read(store: Reader, asked: Sequence[Asked], now: int, as_of: int | None = None) -> Read:
    """The features of some views; see `reading`.

    Args:
        store: A snapshot of the store.
        asked: The views.
        now: The clock.
        as_of: The instant to answer for.
    """
    return driven(reading(asked, now, as_of), store.multi_get)


def driven(
    steps: Generator[Sequence[bytes], Sequence[bytes | None], Got],
    look: Callable[[Sequence[bytes]], Sequence[bytes | None]],
) -> Got:
    """What a read returns, whose keys are looked up by a function."""
    try:
        keys = next(steps)
        while True:
            keys = steps.send(look(keys))
    except StopIteration as done:
        got: Got = done.value
        return got


def reading(
    asked: Sequence[Asked], now: int, as_of: int | None = None, last: LastSeen | None = None
) -> Reading:
    """The features of some views, in as few looks into the store as can be.

    Which records there are the manifest tells, so that it takes two looks: the manifest, the records. Who
    remembers the manifest of the last read asks for both at once, and looks again only where it changed.

    Args:
        asked: The views.
        now: The clock.
        as_of: The instant to answer for; None for the present: the clock, but not before what is loaded, and
            after the newest event merged.
        last: What the last read saw; it is renewed.

    Raises:
        AsOfTooEarly: `as_of` is before the state of every entity.
        NotLoadedError: A view was never loaded nor pushed to, or no known definition made its records.
    """
    last = last or LastSeen(each.view for each in asked)
    about, seen = last.about, last.seen
    wanted = [] if seen is None else seen.wanted(asked)
    values = yield [*about, *(key for each in wanted for key in each.keys)]
    told = tuple(values[: len(about)])
    values = values[len(about) :]
    if seen is None or told != seen.told:
        seen = _Seen.of(asked, told)
        wanted = seen.wanted(asked)
        keys = [key for each in wanted for key in each.keys]
        values = (yield keys) if keys else []
        last.seen = seen
    found, at = [], 0
    for of_one in wanted:
        found.append(of_one.found(values[at : at + len(of_one.keys)]))
        at += len(of_one.keys)
    t = _instant(found, now, as_of, seen.known)
    columns = []
    spoiled: Array | None = None
    for each, (states, records, entity, _), known in zip(asked, found, seen.known, strict=True):
        early = _too_early(records, entity, len(each.keys), t, known)
        if early is None:
            columns.append(states.read(records, entity, len(each.keys), t))
            continue
        spoiled = early if spoiled is None else spoiled | early
        # What an entity has merged that the instant must not see is not read: neither a value nor a reason.
        sound = [place for place, owner in enumerate(entity) if not early[owner]]
        answer = states.read([records[i] for i in sound], [entity[i] for i in sound], len(each.keys), t)
        columns.append(
            HeldColumns({name: without(column, {TOO_EARLY: early}) for name, column in answer.items()})
        )
    if spoiled is not None and len(spoiled) and spoiled.all():
        raise _never_that_early(t, found, seen.known)
    return Read(t, tuple(columns), seen.loaded, seen.streams, found)


class LastSeen:
    """What the manifest and the streams of some views were when they were last read.

    Attributes:
        about: Where those are in the store.
        seen: What they said; None before the first read.
    """

    __slots__ = ("about", "seen")

    def __init__(self, views: Iterable[str]) -> None:
        """Nothing yet, of some views."""
        self.about = served_keys(list(views))
        self.seen: _Seen | None = None


class _Seen(NamedTuple):
    """What the manifest and the streams of some views say of them.

    Attributes:
        told: They themselves, as stored.
        loaded: What is loaded of each view.
        streams: What the stream has written for each.
        known: The instant before which all is loaded, of each.
        places: What reads the records of each, what their keys begin with, and where they come from.
    """

    told: tuple[bytes | None, ...]
    loaded: Sequence[ViewManifest]
    streams: Sequence[StreamState]
    known: Sequence[int]
    places: Sequence[_Places]

    @classmethod
    def of(cls, asked: Sequence[Asked], told: tuple[bytes | None, ...]) -> _Seen:
        """What they say.

        Raises:
            NotLoadedError: A view was never loaded nor pushed to, or no known definition made its records.
        """
        views = [each.view for each in asked]
        manifest, streams = decode_served(told, views)
        loaded = [manifest.of(view) for view in views]
        places = [_places(*each) for each in zip(asked, loaded, streams, strict=True)]
        return cls(told, loaded, streams, [each.known for each in loaded], places)

    def wanted(self, asked: Sequence[Asked]) -> list[_Wanted]:
        """The records to ask for."""
        return [_wanted(places, each.keys) for places, each in zip(self.places, asked, strict=True)]


class _Places(NamedTuple):
    """What reads the records of a view, what their keys begin with, and the origin of each place."""

    states: ReadableStates
    prefixes: Sequence[bytes]
    origins: Sequence[int]


class _Wanted(NamedTuple):
    """The records of one view to ask for: where they are, their keys, the entity of each, ascending."""

    places: _Places
    keys: list[bytes]
    entity: list[int]

    def found(self, values: Sequence[bytes | None]) -> Found:
        """Those that are there."""
        records, owners = [], []
        for value, owner in zip(values, self.entity, strict=True):
            if value is not None:
                records.append(value)
                owners.append(owner)
        return Found(self.places.states, records, owners, Looked(self.places.origins, values, self.entity))


def _wanted(places: _Places, keys: Sequence[bytes | None]) -> _Wanted:
    prefixes = places.prefixes
    records: list[bytes] = []
    entity: list[int] = []
    for number, key in enumerate(keys):
        if key is not None:
            records += [prefix + key for prefix in prefixes]
            entity += [number] * len(prefixes)
    return _Wanted(places, records, entity)


def _places(asked: Asked, loaded: ViewManifest, stream: StreamState) -> _Places:
    """What reads a view's records, and what their keys begin with."""
    if loaded.generation < 0 and (asked.batch or not stream.epochs):
        raise NotLoadedError(
            f"View {asked.view} has no state yet: it was never loaded, or by an earlier Headrace.",
            asked=asked.view,
            remedy="Run: headrace materialize." if asked.batch else "Push events.",
        )
    states = _states(asked, stored_states(loaded, stream))
    prefixes = [segment_prefix(segment.number) for segment in loaded.segments]
    origins = [SEGMENT] * len(prefixes)
    open_epochs = [epoch for epoch in stream.epochs if (epoch + 1) * asked.epoch_length > loaded.known]
    if open_epochs:
        if stream.states != states.fingerprint:
            raise _unknown_states(asked)
        prefixes += [
            epoch_prefix(asked.view, stream.number, epoch, partition)
            for epoch in open_epochs
            for partition in stream.epochs[epoch]
        ]
        origins += [partition for epoch in open_epochs for partition in stream.epochs[epoch]]
    return _Places(states, prefixes, origins)


def _states(asked: Asked, stored: str) -> ReadableStates:
    if stored == asked.states.fingerprint:
        return asked.states
    earlier = asked.earlier(stored)
    if earlier is None:
        raise _unknown_states(asked)
    return earlier


def _unknown_states(asked: Asked) -> NotLoadedError:
    return NotLoadedError(
        f"The stored state of view {asked.view} is of another definition.",
        asked=asked.view,
        remedy="Run: headrace materialize.",
    )


def _instant(found: list[Found], now: int, as_of: int | None, known: Sequence[int]) -> int:
    if as_of is not None:
        return as_of
    frontier = max((frontier_of(data) for each in found for data in each.records), default=FOREVER_AGO)
    return max(now, frontier + 1, *known)


def _too_early(records: list[bytes], entity: list[int], n: int, t: int, known: int) -> Array | None:
    """Which entities have merged an event the instant must not see; None if none has."""
    if t < known:
        return np.ones(n, dtype=bool)
    late = [owner for data, owner in zip(records, entity, strict=True) if frontier_of(data) >= t]
    if not late:
        return None
    early = np.zeros(n, dtype=bool)
    early[late] = True
    return early


def _never_that_early(t: int, found: list[Found], known: Sequence[int]) -> AsOfTooEarly:
    frontier = max((frontier_of(data) for each in found for data in each.records), default=FOREVER_AGO)
    earliest = format_instant(max(*known, frontier + 1))
    return AsOfTooEarly(
        f"The stored state begins after {format_instant(t)}.",
        asked=format_instant(t),
        available=[f"from {earliest}"],
        remedy=f"Ask as of {earliest} or later, or use get_historical_features for the past.",
    )
