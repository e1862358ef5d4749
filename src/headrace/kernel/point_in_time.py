"""Point-in-time aggregation: rows and instants in, features out. The one core of every form of the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headrace.aggregations.states import Array, States
from headrace.kernel.columns import Column, to_arrow
from headrace.kernel.place import Places, entity_chunks
from headrace.kernel.ranges import RangeIndex
from headrace.kernel.visible import Knowledge, Visible, Zones, add_zones
from headrace.windows import Series, edges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from headrace.kernel.plan import FeaturePlan, ViewPlan
    from headrace.kernel.rows import Rows

__all__ = ["features_at", "finish", "states_at"]


@np.errstate(over="ignore", invalid="ignore")  # sums of doubles may end in infinity, which is their answer
def features_at(plan: ViewPlan, rows: Rows, entity: Array, t: Array) -> dict[str, Column]:
    """The plan's features for each query.

    Args:
        plan: The view's plan.
        rows: Sorted rows, one `States` for each of the plan's measures.
        entity: The queries' entity codes.
        t: The queries' instants.

    Returns:
        Output column name -> values, statuses and newest event times, in the queries' order.
    """
    merged = states_at(plan, rows, entity, t)
    return finish(plan, merged, t)


def finish(plan: ViewPlan, merged: Mapping[tuple[int, int], States], t: Array) -> dict[str, Column]:
    """The features of merged states: (measure, span) -> one state for each query."""
    outputs: dict[str, Column] = {}
    for feature in plan.features:
        newest = _newest(plan, feature, merged)
        parts = [
            feature.aggregation.finish(tuple(merged[m, span] for m in feature.measures), t, plan.columns)
            for span in feature.spans
        ]
        for place, (name, of) in enumerate(zip(feature.names, feature.types, strict=True)):
            outputs[name] = to_arrow(
                [part[place] for part in parts], of, newest, listed=isinstance(feature.window, Series)
            )
    return outputs


def _newest(plan: ViewPlan, feature: FeaturePlan, merged: Mapping[tuple[int, int], States]) -> Array:
    newest: Array = merged[plan.presence, feature.spans[0]].fixed[0]
    for span in feature.spans[1:]:
        newest = np.maximum(newest, merged[plan.presence, span].fixed[0])
    return newest


def states_at(plan: ViewPlan, rows: Rows, entity: Array, t: Array) -> dict[tuple[int, int], States]:
    """The merged states of every (measure, span) the plan's features read, one for each query."""
    by = np.lexsort((t, entity))
    back = np.empty(len(by), dtype=np.int64)
    back[by] = np.arange(len(by))
    entity, t = entity[by], t[by]
    chunks = entity_chunks(
        rows.entity, rows.time if rows.known is None else np.concatenate([rows.time, rows.known])
    )
    cuts: Iterable[int] = (
        np.searchsorted(entity, [rows.entity[start] for start, _ in chunks[1:]]) if len(rows) else ()
    )
    bounds = [0, *(int(cut) for cut in cuts), len(entity)]
    parts = []
    for (start, stop), low, high in zip(chunks, bounds, bounds[1:], strict=False):
        own = rows if len(chunks) == 1 else rows.take(np.arange(start, stop))
        parts.append(_chunk(plan, own, entity[low:high], t[low:high]))
    return {pair: States.concat([part[pair] for part in parts]).take(back) for pair in plan.pairs}


def _chunk(plan: ViewPlan, rows: Rows, entity: Array, t: Array) -> dict[tuple[int, int], States]:
    visible, zones = _visible(plan, rows, entity, t)
    merged = {}
    for measure, spans in plan.spans_of.items():
        algebra, states = plan.measures[measure].algebra, rows.measures[measure]
        # All spans of a measure in one sweep: what a call costs counts where a request has few rows.
        lo, hi, zone = (
            np.concatenate(parts) for parts in zip(*(visible[span] for span in spans), strict=True)
        )
        found = RangeIndex(algebra, states).over(lo, hi)
        if zones is not None:
            found = add_zones(algebra, found, zones.merged(algebra, states), zone)
        for place, span in enumerate(spans):
            merged[measure, span] = found.slice(place * len(t), (place + 1) * len(t))
    return merged


def _visible(plan: ViewPlan, rows: Rows, entity: Array, t: Array) -> tuple[dict[int, Visible], Zones | None]:
    """For each span the features read, the rows that count for each query; and the zones they end in."""
    places = Places(rows.entity, rows.time)
    rank, here = places.rank(entity)
    before_t = places.first(rank, t)
    certain = before_t
    if rows.known is not None:
        # Up to the first row whose known instant, or an earlier row's, is at or after t, everything is known.
        certain = np.minimum(before_t, Places(rows.entity, rows.known, running=True).first(rank, t))
    found: dict[int, Visible] = {}
    zoned = _ZoneList(certain, before_t)
    for span in dict.fromkeys(span for _, span in plan.pairs):
        start, end = edges(plan.spans[span], t, plan.zone)
        lo = places.first(rank, start)
        hi = before_t if end is None else np.minimum(before_t, places.first(rank, end))
        hi = np.where(here, hi, lo)
        sure = np.maximum(lo, np.minimum(certain, hi))
        found[span] = Visible(lo, sure, zoned.add(sure, hi))
    if not zoned.any:
        return found, None
    return found, Zones(Knowledge(rows.known), *zoned.ranges(), t[zoned.queries()])  # type: ignore[arg-type]


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
