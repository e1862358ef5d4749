"""Point-in-time aggregation: rows and instants in, features out. The one core of every form of the kernel."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headrace.aggregations.states import Array, States, expand, lengths_of
from headrace.kernel.columns import HeldColumns
from headrace.kernel.finished import FinishedColumns, Stack
from headrace.kernel.parts import join_columns
from headrace.kernel.place import Places, entity_chunks
from headrace.kernel.ranges import Ranges, Square
from headrace.kernel.sorting import by_keys
from headrace.kernel.visible import Knowledge, Zones, add_zones
from headrace.windows import edges

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from headrace.kernel.columns import Columns
    from headrace.kernel.plan import Span, ViewPlan
    from headrace.kernel.rows import Rows

__all__ = ["Merged", "features_at", "finish", "states_at"]

ENTRIES = 1 << 22
"""About how many entries the merged states of some queries may have together, before they are finished."""
FIRST = 1 << 10
"""How many queries are answered before it is known how many entries one has."""
GREAT = 1 << 14
"""From how many rows on an entity's queries say nothing of those of its neighbours."""


@np.errstate(over="ignore", invalid="ignore")  # sums of doubles may end in infinity, which is their answer
def features_at(plan: ViewPlan, rows: Rows, entity: Array, t: Array) -> Columns:
    """The plan's features for each query.

    States with entries can be much larger than what is made of them: some queries are finished at a time.

    Args:
        plan: The view's plan.
        rows: Sorted rows, one `States` for each of the plan's measures.
        entity: The queries' entity codes.
        t: The queries' instants.

    Returns:
        Output column name -> values, statuses and newest event times, in the queries' order.
    """
    if not plan.features:
        return HeldColumns({})
    ragged = plan.ragged if len(t) > FIRST else ()
    if not ragged:
        return finish(plan, states_at(plan, rows, entity, t), t)
    order = by_keys(entity, t)
    parts: list[Columns] = []
    for some in _segments(rows.entity, entity[order]):
        start, size = some.start, FIRST
        while start < some.stop:
            asked = order[start : min(start + size, some.stop)]
            low, high = np.searchsorted(rows.entity, entity[asked[[0, -1]]] + np.array([0, 1]))
            merged = states_at(plan, rows.slice(int(low), int(high)), entity[asked], t[asked])
            parts.append(finish(plan, merged, t[asked]))
            start += len(asked)
            held = sum(len(merged[measure].states.entries[0]) for measure in ragged)
            size = max(min(size * ENTRIES // max(held, 1), 8 * size), FIRST // 8)
    return HeldColumns(join_columns(parts, order))


def _segments(of_rows: Array, of_queries: Array) -> Iterator[slice]:
    """Queries, sorted by entity, cut at the entities that have many rows."""
    entities, first = np.unique(of_queries, return_index=True)
    last = np.append(first[1:], len(of_queries))
    rows = np.searchsorted(of_rows, entities, side="right") - np.searchsorted(of_rows, entities)
    great = rows > GREAT
    cuts = np.unique(np.concatenate([[0, len(of_queries)], first[great], last[great]]))
    return (slice(int(start), int(stop)) for start, stop in pairwise(cuts))


def finish(plan: ViewPlan, merged: Mapping[int, Merged], t: Array) -> Columns:
    """The features of merged states.

    Args:
        plan: The view's plan.
        merged: For each measure the features read, its states.
        t: The queries' instants.
    """
    n = len(t)
    stacks: list[list[Stack]] = []
    instants: dict[tuple[int, ...], Array] = {}
    for aggregation, measures, spans, types, algebras in plan.finishings:
        newest = merged[plan.presence].over(spans, n).fixed[0]
        states = tuple([merged[measure].over(spans, n) for measure in measures])
        if spans not in instants:
            instants[spans] = np.concatenate([_until(plan.spans[span], t, plan.zone) for span in spans])
        parts = aggregation.finish(states, instants[spans], plan.columns, algebras)
        stacks.append([Stack(part, of, newest) for part, of in zip(parts, types, strict=True)])
    return FinishedColumns(plan.outputs, stacks, n)


def _until(span: Span, t: Array, zone: str) -> Array:
    """The instants a window runs up to: t, or its own end."""
    end = edges(span, t, zone)[1] if getattr(span, "offset", 0) else None
    return t if end is None else end


class Merged(NamedTuple):
    """The merged states of a measure: for each of some spans one for each query, span after span."""

    spans: tuple[int, ...]
    states: States

    def over(self, spans: tuple[int, ...], n: int) -> States:
        """Those of some of its spans, for n queries."""
        if spans == self.spans:
            return self.states
        places = [self.spans.index(span) for span in spans]
        return States.concat([self.states.slice(place * n, (place + 1) * n) for place in places])


def states_at(plan: ViewPlan, rows: Rows, entity: Array, t: Array) -> dict[int, Merged]:
    """The merged states of every measure the plan's features read, over their spans."""
    n = len(t)
    back = None
    if np.count_nonzero(entity[1:] > entity[:-1]) < n - 1:
        by = by_keys(entity, t)
        back = np.empty(n, dtype=np.int64)
        back[by] = np.arange(n)
        entity, t = entity[by], t[by]
    chunks = entity_chunks(
        rows.entity, rows.time if rows.known is None else np.concatenate([rows.time, rows.known])
    )
    if len(chunks) == 1:
        merged = _chunk(plan, rows, entity, t)
    else:
        cuts = np.searchsorted(entity, [rows.entity[start] for start, _ in chunks[1:]])
        bounds = [0, *cuts.tolist(), n]
        parts = [
            _chunk(plan, rows.take(np.arange(start, stop)), entity[low:high], t[low:high])
            for (start, stop), (low, high) in zip(chunks, pairwise(bounds), strict=True)
        ]
        merged = {measure: _joined([part[measure] for part in parts], bounds) for measure in parts[0]}
    if back is None:
        return merged
    return {
        measure: Merged(spans, states.take((back + n * np.arange(len(spans))[:, None]).reshape(-1)))
        for measure, (spans, states) in merged.items()
    }


def _joined(parts: list[Merged], bounds: list[int]) -> Merged:
    """The states of chunks of queries, span after span again."""
    spans = parts[0].spans
    sizes = lengths_of(np.array(bounds))
    # Where a chunk's states of a span lie among the states of all chunks, chunk after chunk.
    starts = len(spans) * np.array(bounds[:-1]) + np.arange(len(spans))[:, None] * sizes
    at = expand(starts.reshape(-1), np.tile(sizes, len(spans)))
    return Merged(spans, States.concat([part.states for part in parts]).take(at))


def _chunk(plan: ViewPlan, rows: Rows, entity: Array, t: Array) -> dict[int, Merged]:
    visible, zones = _visible(plan, rows, entity, t)
    merged: dict[int, Merged] = {}
    for spans, places, measures, together in plan.shared_spans:
        # All spans of a measure in one sweep: what a call costs counts where a request has few rows.
        lo, hi, zone = visible.over(places)
        found = together.over([rows.measures[measure] for measure in measures], Ranges(lo, hi))
        if zones is not None and zone is not None:
            for place, measure in enumerate(measures):
                algebra = plan.measures[measure].algebra
                behind = zones.merged(algebra, rows.measures[measure])
                found[place] = add_zones(algebra, found[place], behind, zone)
        merged.update((measure, Merged(spans, each)) for measure, each in zip(measures, found, strict=True))
    return merged


class _Visible(NamedTuple):
    """The rows that count: for each span (first axis) and query.

    Attributes:
        lo: Where the range starts in which every row counts.
        hi: Where it ends, perhaps before it starts.
        zone: The zone behind it, a place among the `Zones`, -1 for none; None where there is none at all.
    """

    lo: Square
    hi: Square
    zone: Square | None

    def over(self, spans: list[int]) -> tuple[Array, Array, Array | None]:
        """Those of some spans, span after span."""
        some = slice(None) if len(spans) == len(self.lo) else spans
        zone = None if self.zone is None else self.zone[some].reshape(-1)
        return self.lo[some].reshape(-1), self.hi[some].reshape(-1), zone


def _visible(plan: ViewPlan, rows: Rows, entity: Array, t: Array) -> tuple[_Visible, Zones | None]:
    """The rows that count for each query over the spans the features read; and the zones they end in."""
    places = Places(rows.entity, rows.time)
    rank, here = places.rank(entity)
    before_t = places.first(rank, t)
    spans = plan.used_spans
    starts, ends = _edges(plan, t)
    shape = (len(spans), len(t))
    lo = places.first(np.tile(rank, len(spans)), starts.reshape(-1)).reshape(shape)
    hi = np.broadcast_to(before_t, shape)
    if ends:
        hi = hi.copy()
        past = places.first(np.tile(rank, len(ends)), np.concatenate(list(ends.values())))
        hi[list(ends)] = np.minimum(before_t, past.reshape(len(ends), len(t)))
    hi = np.where(here, hi, lo)
    if rows.known is None:
        return _Visible(lo, hi, None), None
    # Up to the first row whose known instant, or an earlier row's, is at or after t, everything is known.
    certain = np.minimum(before_t, Places(rows.entity, rows.known, running=True).first(rank, t))
    sure = np.maximum(lo, np.minimum(certain, hi))
    zoned = _ZoneList(certain, before_t)
    zone = np.stack([zoned.add(*pair) for pair in zip(sure, hi, strict=True)])
    if not zoned.any:
        return _Visible(lo, sure, None), None
    return _Visible(lo, sure, zone), Zones(Knowledge(rows.known), *zoned.ranges(), t[zoned.queries()])


def _edges(plan: ViewPlan, t: Array) -> tuple[Square, dict[int, Array]]:
    """Where the spans the features read begin, for each query; and where those end that end before `t`.

    Args:
        plan: The view's plan.
        t: The queries' instants.

    Returns:
        Spans by queries; place of a span among `used_spans` -> n ends.
    """
    n, spans = len(t), plan.used_spans
    if n and np.count_nonzero(t == t[0]) == n:  # a request asks at one instant
        of_one = [edges(plan.spans[span], int(t[0]), plan.zone) for span in spans]
        starts = np.array([start for start, _ in of_one], dtype=np.int64).repeat(n).reshape(len(spans), n)
        return starts, {
            place: np.full(n, end, dtype=np.int64) for place, (_, end) in enumerate(of_one) if end is not None
        }
    found = [edges(plan.spans[span], t, plan.zone) for span in spans]
    ends = {place: end for place, (_, end) in enumerate(found) if end is not None}
    return np.stack([start for start, _ in found]), ends


class _ZoneList:
    """Numbers the zones of queries; the zone that runs up to `t` once for all windows that end in it."""

    def __init__(self, certain: Array, before_t: Array) -> None:
        self._shared = (certain, before_t)
        self._queries = [np.flatnonzero(certain < before_t)]
        self._lo = [certain[self._queries[0]]]
        self._hi = [before_t[self._queries[0]]]
        self._number = np.full(len(certain), -1, dtype=np.int64)
        self._number[self._queries[0]] = np.arange(len(self._queries[0]))
        self._count = len(self._queries[0])

    def add(self, lo: Array, hi: Array) -> Array:
        """The zone of each query over `lo` to `hi`; -1 where that is empty."""
        zone = np.where((lo == self._shared[0]) & (hi == self._shared[1]), self._number, -1)
        own = np.flatnonzero((lo < hi) & (zone < 0))
        zone[own] = self._count + np.arange(len(own))
        self._queries.append(own)
        self._lo.append(lo[own])
        self._hi.append(hi[own])
        self._count += len(own)
        return zone

    @property
    def any(self) -> bool:
        """Whether there is a zone at all."""
        return self._count > 0

    def ranges(self) -> tuple[Array, Array]:
        """Where the zones start and end."""
        return np.concatenate(self._lo), np.concatenate(self._hi)

    def queries(self) -> Array:
        """The query each zone was first asked for by."""
        return np.concatenate(self._queries)
