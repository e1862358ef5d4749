"""Compaction: a view has few segments, and tiles that no window reaches any more go."""

from __future__ import annotations

from bisect import bisect_right
from itertools import chain, islice
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from headrace.kernel.sorting import begins
from headrace.online.ahead import ahead
from headrace.online.generations import Written, begin, switch
from headrace.online.layout import segment_prefix
from headrace.online.manifest import Segment, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headrace.aggregations.states import Array
    from headrace.online.states import ViewStates
    from headrace.ports.key_value import OneHost, Reader

__all__ = ["compact"]

_MOST = 6
"""How many segments a view may have: each is looked for by every request."""

_READ = 4096
"""How many records of each segment are read at once."""

_KEY, _DATA = itemgetter(0), itemgetter(1)


def compact(
    store: OneHost, view: str, states: ViewStates, threads: int = 1, keys: Sequence[str] = ()
) -> None:
    """Merge the newest segments of a view where it has too many.

    At least two are merged, and further ones as long as they are no larger than all newer ones together: so a
    large segment is written anew only when as much has come since.

    Args:
        store: The online store.
        view: `name@version`.
        states: Its states, which its segments must hold.
        threads: How many entities' records are merged at once, some thousands each.
        keys: The join keys of the view's entity.

    Raises:
        ConflictError: A load of the view has begun.
    """
    if not _outgrown(read_manifest(store).of(view).segments):
        return
    generation = begin(store, view, keys=keys)
    segments = generation.served.segments
    merged = _outgrown(segments)
    written = Written()
    known = generation.served.known

    def merge(some: _Together) -> list[bytes | None]:
        return states.merge(some.records, some.entity, len(some.keys), known)

    for some, made in ahead(merge, _together(store, merged), threads):
        items = [(key, data) for key, data in zip(some.keys, made, strict=True) if data is not None]
        written = msgspec.structs.replace(
            written,
            records=written.records + len(items),
            size=written.size + sum(map(len, map(_DATA, items))),
        )
        generation.write(store, items)
    kept = segments[: len(segments) - len(merged)]
    with store.transaction() as tx:
        made_of = Segment(generation.segment, written.records, written.size)
        switch(tx, generation, (*kept, made_of) if written.records else kept, generation.served)


def _outgrown(segments: Sequence[Segment]) -> Sequence[Segment]:
    """The newest segments that are to be merged; empty for none."""
    if len(segments) <= _MOST:
        return ()
    first = len(segments) - 2
    newer = segments[-1].size + segments[first].size
    while first > 0 and segments[first - 1].size <= newer:
        first -= 1
        newer += segments[first].size
    return segments[first:]


class _Together(NamedTuple):
    """Records of several segments.

    Attributes:
        keys: The encoded keys of the entities, ascending.
        records: The records, those of one entity together.
        entity: The place in `keys` of the entity of each.
    """

    keys: list[bytes]
    records: list[bytes]
    entity: Array


def _together(store: Reader, segments: Sequence[Segment]) -> Iterator[_Together]:
    """The records of several segments by entity: all of an entity at once, some entities at a time."""
    prefixes = [segment_prefix(segment.number) for segment in segments]
    scans = [store.scan(prefix) for prefix in prefixes]
    ahead: list[list[tuple[bytes, bytes]]] = [[] for _ in scans]
    while True:
        for records, scan, prefix in zip(ahead, scans, prefixes, strict=True):
            cut = len(prefix)
            records += [(key[cut:], data) for key, data in islice(scan, _READ - len(records))]
        if not any(ahead):
            return
        # Up to the key that all segments are read to.
        last = min((records[-1][0] for records in ahead if len(records) == _READ), default=None)
        found: list[list[tuple[bytes, bytes]]] = []
        for records in ahead:
            end = len(records) if last is None else bisect_right(records, last, key=_KEY)
            found.append(records[:end])
            del records[:end]
        yield _grouped(found)


def _grouped(found: Sequence[list[tuple[bytes, bytes]]]) -> _Together:
    """Records of several segments, in the order of their keys each, by entity."""
    by_key = sorted(chain.from_iterable(found), key=_KEY)
    keys = np.array([key for key, _ in by_key], dtype=object)
    first = begins(keys)
    return _Together(keys[first].tolist(), [data for _, data in by_key], np.cumsum(first) - 1)
