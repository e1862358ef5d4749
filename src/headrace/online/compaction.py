"""Compaction: small segments of a view become one, and tiles that no window reaches any more go."""

from __future__ import annotations

import heapq
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

from headrace.online.generations import Written, begin, switch
from headrace.online.layout import segment_prefix
from headrace.online.manifest import Segment, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headrace.online.states import ViewStates
    from headrace.ports.key_value import OneHost, Reader

__all__ = ["compact"]

_ENTITIES = 4096
"""How many entities are merged at once."""


def compact(store: OneHost, view: str, states: ViewStates) -> None:
    """Merge the newest segments of a view, as long as they are together as large as the one before them.

    So each segment is larger than all newer ones together: there are few, and an event is written anew only
    as often as what it lies in doubles.

    Args:
        store: The online store.
        view: `name@version`.
        states: Its states, which its segments must hold.

    Raises:
        ConflictError: A load of the view has begun.
    """
    if not _outgrown(read_manifest(store).of(view).segments):
        return
    generation = begin(store, view)
    segments = generation.served.segments
    merged = _outgrown(segments)
    written = Written()
    for group in _entities(store, merged):
        entity = [place for place, (_, records) in enumerate(group) for _ in records]
        records = [record for _, records in group for record in records]
        made = states.merge(records, entity, len(group), generation.served.known)
        items = [(key, data) for (key, _), data in zip(group, made, strict=True) if data is not None]
        written = msgspec.structs.replace(
            written,
            records=written.records + len(items),
            size=written.size + sum(len(data) for _, data in items),
        )
        generation.write(store, items)
    kept = segments[: len(segments) - len(merged)]
    with store.transaction() as tx:
        made_of = Segment(generation.segment, written.records, written.size)
        switch(tx, generation, (*kept, made_of) if written.records else kept, generation.served)


def _outgrown(segments: Sequence[Segment]) -> Sequence[Segment]:
    """The newest segments that are to be merged; empty for none."""
    first = len(segments) - 1
    newer = 0
    while first > 0 and segments[first - 1].size <= (newer := newer + segments[first].size):
        first -= 1
    return segments[first:] if first < len(segments) - 1 else ()


def _entities(store: Reader, segments: Sequence[Segment]) -> Iterator[list[tuple[bytes, list[bytes]]]]:
    """The records of several segments by entity, some entities at a time."""
    scans = [_records(store, segment_prefix(segment.number)) for segment in segments]
    entities = (
        (key, [data for _, data in records])
        for key, records in groupby(heapq.merge(*scans, key=itemgetter(0)), key=itemgetter(0))
    )
    while group := list(islice(entities, _ENTITIES)):
        yield group


def _records(store: Reader, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records of a segment by the encoded keys of their entities."""
    return ((key[len(prefix) :], data) for key, data in store.scan(prefix))
