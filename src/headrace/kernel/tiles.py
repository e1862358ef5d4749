"""Tiles: the rows of one entity and one hop merged into one.

Every edge of a window is a multiple of its hop, so rows that share a hop enter and leave together. How wide a
tile may be depends on which windows still reach it: once those that are cut finely have passed, only coarse
ones are left. What no window reaches any more is dropped, or kept as one state for lifetime features; sets,
lists and bitmaps that no lifetime feature reads are not kept even there.

Tiles are cut for an instant: the earliest that anybody will ask at. They may be cut again for a later one,
with more rows or without, and are then what all rows cut for it at once would be. For windows only move
forward: those that still reach a row at the later instant reached it at the earlier one too, so its tile was
no wider than the finest of their hops; as hops nest, it lies in the new tile whole, beside every edge.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from headrace.aggregations.states import States
from headrace.kernel.rows import Rows
from headrace.kernel.sorting import begins
from headrace.windows import FOREVER_AGO, Lifetime, edges, tile_hop

if TYPE_CHECKING:
    from headrace.aggregations.algebra import Algebra
    from headrace.aggregations.states import Array
    from headrace.kernel.plan import Span, ViewPlan

__all__ = ["finest_hop", "tile", "tile_starts"]


def finest_hop(plan: ViewPlan) -> int | None:
    """The width of tile every window of the view accepts; None where there are only lifetime features."""
    hops = [hop for span in plan.spans if (hop := tile_hop(span, plan.zone)) is not None]
    return min(hops, default=None)


def tile_starts(plan: ViewPlan, time: Array, at: int | Array | None = None) -> tuple[Array, Array]:
    """Where the tile of each row starts, and which rows any window can still reach.

    Args:
        plan: The view's plan.
        time: Rows' times, n of them.
        at: The earliest instant anybody will ask at, one for all rows or n; tiles are as wide as all later
            instants allow. None: the finest width for all rows, nothing dropped.
    """
    if at is None:
        hop = finest_hop(plan)
        starts = np.full(len(time), FOREVER_AGO, np.int64) if hop is None else time // hop * hop
        return np.where(time == FOREVER_AGO, FOREVER_AGO, starts), np.ones(len(time), dtype=bool)
    lifetime = any(isinstance(span, Lifetime) for span in plan.spans)
    starts = np.full(len(time), FOREVER_AGO, dtype=np.int64)
    reached = np.full(len(time), lifetime)
    spans = [(tile_hop(span, plan.zone), span) for span in plan.spans]
    # Coarse first: what a finer window reaches too is then cut finer.
    for hop, span in sorted(((h, s) for h, s in spans if h is not None), key=lambda pair: -pair[0]):
        inside = time >= _begin(plan, span, at)
        starts[inside] = time[inside] // hop * hop
        reached |= inside
    return starts, reached


@np.errstate(over="ignore", invalid="ignore")  # as where features are computed
def tile(plan: ViewPlan, rows: Rows, at: int | Array | None = None) -> Rows:
    """The rows merged into tiles, which count from their start.

    Args:
        plan: The view's plan.
        rows: Sorted rows: events, tiles, or both.
        at: See `tile_starts`; where each row has its own, those of one entity are equal.
    """
    starts, reached = tile_starts(plan, rows.time, at)
    if not reached.all():
        kept = np.flatnonzero(reached)
        rows, starts = rows.take(kept), starts[kept]
        at = at[kept] if isinstance(at, np.ndarray) else at
    first = np.flatnonzero(begins(rows.entity, starts))
    offsets = np.append(first, len(rows))
    starts = starts[first]
    measures = [m.algebra.reduce(s, offsets) for m, s in zip(plan.measures, rows.measures, strict=True)]
    if at is not None and any(m.algebra.entries for m in plan.measures):
        oldest = _oldest(plan, at[first] if isinstance(at, np.ndarray) else at)
        measures = [
            _without(states, starts < oldest[place], measure.algebra)
            for place, (measure, states) in enumerate(zip(plan.measures, measures, strict=True))
        ]
    return Rows(rows.entity[first], starts, None, tuple(measures))


def _begin(plan: ViewPlan, span: Span, at: int | Array) -> Array:
    """Where a window begins that is asked for at an instant, or at each of n: one instant, or n."""
    return edges(span, np.asarray(at, dtype=np.int64).reshape(-1), plan.zone)[0]


def _oldest(plan: ViewPlan, at: int | Array) -> list[Array | int]:
    """Where the first window of each measure begins that is asked for at an instant or later."""
    begin = [_begin(plan, span, at) for span in plan.spans]
    oldest: list[Array | int] = []
    for place in range(len(plan.measures)):
        spans = plan.spans_of.get(place, ())
        oldest.append(reduce(np.minimum, [begin[span] for span in spans]) if spans else FOREVER_AGO)
    return oldest


def _without(states: States, rows: Array, algebra: Algebra) -> States:
    """The states, those of some rows without their entries; what has no entries takes its room anyway."""
    if not algebra.entries or not rows.any():
        return states
    emptied = States.concat([states, algebra.zero(1)])
    return emptied.take(np.where(rows, states.n, np.arange(states.n)))
