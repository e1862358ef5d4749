"""Erasing people from the embedded store: records of every view and layout, pushed events, quarantine.

First, in one transaction, it is written that they are erased, and their records go; from then on nothing
that was known of them before is stored. What is left in logs and quarantine goes after it, some at a time.
All of it may be done again: who is killed in the middle begins anew and ends complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from headrace.keys import decode_key, encode_key
from headrace.online import log
from headrace.online.erased import keys_of, names_person, write_erased
from headrace.online.generations import clear_all_dead, segments_of
from headrace.online.layout import (
    EARLIER_RECORDS,
    LOADINGS,
    STREAMS,
    epoch_prefix,
    late_prefix,
    quarantine_prefix,
    segment_prefix,
    stream_key,
    stream_prefix,
)
from headrace.online.manifest import read_manifest, read_streams
from headrace.online.quarantine import decoded_row, remove, some_of
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from headrace.clock import Clock
    from headrace.online.erased import Person
    from headrace.ports.key_value import OneHost, Reader, Writer

__all__ = ["Found", "Places", "erase", "find", "whose"]


class Places(NamedTuple):
    """Where people may be.

    Attributes:
        views: View version -> the join keys of its entity, in the order of keys' parts.
        sources: The names of all sources.
    """

    views: Mapping[str, Sequence[str]]
    sources: Sequence[str]


class Found(NamedTuple):
    """What there is of people.

    Attributes:
        records: The keys of their records.
        events: How many events of them the logs of pushes hold.
        late: How many the late logs hold.
        quarantined: How many rows of them are in quarantine.
        views: The view versions that have records of anybody.
    """

    records: Sequence[bytes]
    events: int
    late: int
    quarantined: int
    views: Sequence[str]


def find(store: Reader, places: Places, people: Sequence[Person]) -> Found:
    """What there is of some people; nothing is changed.

    Args:
        store: A snapshot.
        places: Where to look.
        people: Who, at least one and all of one kind.
    """
    wanted = _Wanted(people)
    records = [*_records(store, places, wanted), *_left_over(store, places, wanted)]
    return Found(
        records,
        sum(entry.theirs for each in _logs(store, places) for entry in _logged(store, each, wanted)),
        sum(entry.theirs for view in _stored(store) for entry in _late(store, view, wanted)),
        sum(1 for source in places.sources for _ in _quarantined(store, source, people)),
        sorted(_stored(store)),
    )


def erase(store: OneHost, places: Places, people: Sequence[Person], clock: Clock) -> Found:
    """Erase some people.

    Args:
        store: The embedded store, or one that keeps a copy of it.
        places: Where to look.
        people: Who, at least one and all of one kind.
        clock: Tells the instant: what was known of them before is erased.

    Returns:
        What was there.
    """
    wanted = _Wanted(people)
    with store.snapshot() as before:
        ends = {each: each.next_offset(before) for each in _logs(before, places)}
        pushed = [entry for each in ends for entry in _logged(before, each, wanted)]
    with store.transaction() as tx:
        now = clock.now()
        write_erased(tx, people, now)
        records = list(_records(tx, places, wanted))
        tx.delete(records)
        since = [(each, ends.get(each, 0)) for each in _logs(tx, places)]
        pushed += [entry for each, end in since for entry in _logged(tx, each, wanted, end)]
        # what they have pushed and is to be known later only, must not count then
        events = sum(_rewrite(tx, entry, wanted) for entry in pushed if entry.newest >= now)
    with store.snapshot() as after:  # whatever comes later has nothing of them, or what became known since
        left = list(_left_over(after, places, wanted))
        late = {view: list(_late(after, view, wanted)) for view in _stored(after)}
        quarantined = {source: list(_quarantined(after, source, people)) for source in places.sources}
    store.delete(left)
    clear_all_dead(store)  # other entities' records, of which some may hold their keys as values
    for source, keys in quarantined.items():
        for some in some_of(iter(keys)):
            with store.transaction() as tx:
                remove(tx, source, some)
    for entry in pushed:
        if entry.newest < now:
            with store.transaction() as tx:
                events += _rewrite(tx, entry, wanted)
    return Found(
        [*records, *left],
        events,
        sum(_erase_late(store, view, entries, wanted) for view, entries in late.items()),
        sum(map(len, quarantined.values())),
        sorted(late),
    )


def whose(places: Places, people: Sequence[Person]) -> Callable[[bytes], bool]:
    """What tells of the key of a record that is no more whether it was theirs."""
    wanted = _Wanted(people)
    kinds = [names for names in dict.fromkeys(map(tuple, places.views.values())) if wanted.among(names)]

    def theirs(key: bytes) -> bool:
        parts = decode_key(key)
        return any(wanted.has(parts[-len(names) :], names) for names in kinds)

    return theirs


class _Wanted:
    """People of one kind, to be told among keys and rows.

    Attributes:
        kind: Their join keys, in the order of names.
        people: The value of each by name, for each person.
    """

    def __init__(self, people: Sequence[Person]) -> None:
        self.kind = [name for name, _ in people[0]]
        self.people = [dict(person) for person in people]
        self._parts = {tuple(value for _, value in person) for person in people}
        encoded = [encode_key(parts) for parts in self._parts]
        self._keys = pa.array(encoded, pa.large_binary())

    def among(self, names: Sequence[str]) -> bool:
        """Whether entities with these join keys are theirs, or of them and something else."""
        return set(self.kind) <= set(names)

    def lead(self, names: Sequence[str]) -> bool:
        """Whether their parts come first in such keys."""
        return set(names[: len(self.kind)]) == set(self.kind)

    def has(self, key: Sequence[object], names: Sequence[str]) -> bool:
        """Whether the parts of a key are of one of them."""
        return len(key) == len(names) and tuple(key[names.index(name)] for name in self.kind) in self._parts

    def rows(self, events: pa.Table) -> pa.ChunkedArray | None:
        """Which events are theirs; None if none is."""
        keys = keys_of(events, self.kind)
        if keys is None:
            return None
        mine = pc.is_in(keys, value_set=self._keys)
        return mine if pc.any(mine).as_py() else None


# --- records ---


def _stored(store: Reader) -> dict[str, list[int]]:
    """The views with records, and the segments of each: served, being written, and dead."""
    found = {view: [each.number for each in of.segments] for view, of in read_manifest(store).views.items()}
    for key, data in store.scan(LOADINGS):
        found.setdefault(str(decode_key(key)[-1]), []).extend(segments_of(data))
    for key, _ in store.scan(STREAMS):
        found.setdefault(str(decode_key(key)[-1]), [])
    return found


def _epochs(store: Reader, view: str) -> list[bytes]:
    """The prefixes of the epochs that are read."""
    (stream,) = read_streams(store, [view])
    return [
        epoch_prefix(view, stream.number, epoch, partition)
        for epoch, partitions in stream.epochs.items()
        for partition in partitions
    ]


def _records(store: Reader, places: Places, wanted: _Wanted) -> Iterator[bytes]:
    """The keys of the records that are read, or may be once a load has ended."""
    for view, segments in _stored(store).items():
        names = places.views.get(view, ())
        if wanted.among(names):
            prefixes = [segment_prefix(number) for number in dict.fromkeys(segments)]
            for prefix in [*prefixes, *_epochs(store, view)]:
                yield from _under(store, prefix, names, wanted)


def _under(store: Reader, prefix: bytes, names: Sequence[str], wanted: _Wanted) -> Iterator[bytes]:
    """The keys under a prefix, which only the entity's key follows."""
    if wanted.lead(names):  # theirs lie together
        for person in wanted.people:
            own = prefix + encode_key(person[name] for name in names[: len(person)])
            yield from (key for key, _ in store.scan(own))
    else:
        cut = len(prefix)
        yield from (key for key, _ in store.scan(prefix) if wanted.has(decode_key(key[cut:]), names))


def _left_over(store: Reader, places: Places, wanted: _Wanted) -> Iterator[bytes]:
    """The keys of records that nobody reads: what loads that died have left, and earlier layouts.

    Keys of earlier layouts do not tell their view: whose entity has as many parts of equal values goes too.
    """
    for view in _stored(store):
        names = places.views.get(view, ())
        if wanted.among(names):
            read = tuple(_epochs(store, view))
            for key, _ in store.scan(stream_prefix(view)):
                if not (read and key.startswith(read)) and wanted.has(decode_key(key)[-len(names) :], names):
                    yield key
    theirs = whose(places, [tuple(sorted(person.items())) for person in wanted.people])
    for prefix in EARLIER_RECORDS:
        yield from (key for key, _ in store.scan(prefix) if theirs(key))


# --- logs and quarantine ---


class _Entry(NamedTuple):
    """An entry of a log that has events of people.

    Attributes:
        key: Its key.
        theirs: How many events are theirs.
        head: How many bytes stand before its events.
        newest: When the last of its events is known.
    """

    key: bytes
    theirs: int
    head: int = 0
    newest: int = FOREVER_AGO


def _logs(store: Reader, places: Places) -> list[log.Log]:
    return [each for source in places.sources for each in log.logs(store, source)]


def _logged(store: Reader, of: log.Log, wanted: _Wanted, start: int = 0) -> Iterator[_Entry]:
    """The entries of a log, from an offset on."""
    for entry in of.entries(store, start):
        mine = wanted.rows(entry.events)
        if mine is not None:
            yield _Entry(of.key(entry.offset), pc.sum(mine).as_py(), log.HEAD, entry.newest)


def _late(store: Reader, view: str, wanted: _Wanted) -> Iterator[_Entry]:
    """The entries of the late log."""
    for key, data in store.scan(late_prefix(view)):
        mine = wanted.rows(log.from_ipc(data))
        if mine is not None:
            yield _Entry(key, pc.sum(mine).as_py())


def _rewrite(tx: Writer, entry: _Entry, wanted: _Wanted) -> int:
    """Write an entry without their events; how many those were."""
    (data,) = tx.multi_get([entry.key])
    events = None if data is None else log.from_ipc(data[entry.head :])
    mine = None if events is None else wanted.rows(events)
    if data is None or events is None or mine is None:
        return 0
    left = events.filter(pc.invert(mine))
    if left.num_rows:
        tx.multi_put([(entry.key, data[: entry.head] + log.to_ipc(left))])
    else:
        tx.delete([entry.key])
    return int(events.num_rows - left.num_rows)


def _erase_late(store: OneHost, view: str, entries: Sequence[_Entry], wanted: _Wanted) -> int:
    """Rewrite entries of the late log of a view; how many events they had of them."""
    late = 0
    for entry in entries:
        with store.transaction() as tx:
            late += (mine := _rewrite(tx, entry, wanted))
            (stream,) = read_streams(tx, [view])
            after = msgspec.structs.replace(stream, late=max(stream.late - mine, 0))
            tx.multi_put([(stream_key(view), msgspec.json.encode(after))])
    return late


def _quarantined(store: Reader, source: str, people: Sequence[Person]) -> Iterator[bytes]:
    """The keys of their rows in quarantine."""
    for key, data in store.scan(quarantine_prefix(source)):
        text = decoded_row(data).row
        if any(names_person(text, person) for person in people):
            yield key
