"""The streaming form of the kernel: batches sorted by entity and time in, features out.

Memory is bounded by open windows: between batches only the entity that is still open is carried, as tiles;
what no later instant can tell apart is merged. The features of a batch are computed by the same core as whole
columns are.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from headrace.aggregations.algebra import Ragged
from headrace.kernel.point_in_time import features_at
from headrace.kernel.rows import Rows
from headrace.kernel.tiles import tile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.aggregations.states import Array
    from headrace.kernel.columns import Column
    from headrace.kernel.plan import ViewPlan

__all__ = ["StreamingKernel", "steps"]

_RAGGED_STEP = 1 << 10
"""How many rows of one entity are taken at once, where the states of ranges are pooled for every question."""


def steps(plan: ViewPlan, entity: Array) -> list[tuple[int, int]]:
    """Where a batch had better be cut, so that an entity with many questions costs what they cost elsewhere.

    Each question pools the entries of its ragged states: long pieces of one entity would be quadratic. What a
    piece leaves to the next are tiles.

    Args:
        plan: The view's plan.
        entity: The entity of each row, ascending; at least one row.

    Returns:
        Pieces of the batch, one after another.
    """
    n = len(entity)
    if not any(isinstance(measure.algebra, Ragged) for measure in plan.measures):
        return [(0, n)]
    starts = np.flatnonzero(np.concatenate([[True], entity[1:] != entity[:-1]]))
    stops = np.append(starts[1:], n)
    cuts = {0, n}
    for run in np.flatnonzero(stops - starts > _RAGGED_STEP):
        cuts.update(range(starts[run], stops[run], _RAGGED_STEP))
        cuts.add(int(stops[run]))
    return list(pairwise(sorted(cuts)))


class StreamingKernel:
    """Features over events and instants that arrive sorted by (entity, instant).

    The instant of an event is its known instant, that of a query its `t`; at equal instants queries come
    first, for an event counts iff `known < t`. Entities ascend and do not return.
    """

    def __init__(self, plan: ViewPlan) -> None:
        """Start with nothing carried."""
        self._plan = plan
        self._carried: Rows | None = None

    def process(self, rows: Rows, entity: Array, t: Array) -> Mapping[str, Column]:
        """Take one batch.

        Args:
            rows: The batch's events, lifted, sorted by entity and event time.
            entity: The entity codes of the batch's queries.
            t: Their instants.

        Returns:
            The features of the batch's queries, in their order.
        """
        parts = [rows] if self._carried is None else [self._carried, rows]
        whole = Rows.merged(parts)
        result = features_at(self._plan, whole, entity, t)
        self._carried = self._open(whole, rows, entity, t)
        return result

    def _open(self, whole: Rows, rows: Rows, entity: Array, t: Array) -> Rows | None:
        """The rows of the last entity seen, as tiles."""
        if not len(whole) and not len(entity):
            return None
        seen = [int(codes.max()) for codes in (whole.entity, entity) if len(codes)]
        last = max(seen)
        mine = whole.take(np.flatnonzero(whole.entity == last))
        if not len(mine):
            return None
        known = rows.time if rows.known is None else rows.known
        instants = np.concatenate([known[rows.entity == last], t[entity == last]])
        return tile(self._plan, mine, int(instants.max())) if len(instants) else mine
