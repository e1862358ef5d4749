"""Features over chosen events: for each question the kernel is given exactly the events that are to count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from headrace.kernel.binding import AggregateBinding, LatestBinding
from headrace.kernel.events import rows_of_events
from headrace.kernel.latest_values import LatestRows
from headrace.kernel.point_in_time import features_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.aggregations.states import Array
    from headrace.kernel.binding import Binding
    from headrace.kernel.columns import Column
    from headrace.kernel.plan import ViewPlan

__all__ = ["features_over", "over_plan"]


def features_over(
    binding: Binding, names: Sequence[str], events: pa.Table, sets: Sequence[Array], t: Array
) -> Mapping[str, Column]:
    """Features of questions, each of events of its own.

    Args:
        binding: The view.
        names: The features wanted.
        events: Clean events, the view's expressions evaluated.
        sets: For each of n questions the places of its events, each event once.
        t: The questions' instants.
    """
    if isinstance(binding, AggregateBinding):
        found = over_plan(binding, binding.plan.only(names).trimmed(), events, sets, t)
        return {name: found[name] for name in names}
    assert isinstance(binding, LatestBinding)  # noqa: S101 - the two kinds there are
    rows, question = _gathered(events, sets)
    return LatestRows(binding, rows, question).values(names, np.arange(len(sets)), t)


def over_plan(
    binding: AggregateBinding, plan: ViewPlan, events: pa.Table, sets: Sequence[Array], t: Array
) -> Mapping[str, Column]:
    """The features of a plan; see `features_over`."""
    rows, question = _gathered(events, sets)
    lifted = rows_of_events(plan, rows, question, binding.order_schema, binding.event_id, deduplicated=True)
    return features_at(plan, lifted, np.arange(len(sets), dtype=np.int64), t)


def _gathered(events: pa.Table, sets: Sequence[Array]) -> tuple[pa.Table, Array]:
    """The events of all sets, and the question of each."""
    question = np.repeat(np.arange(len(sets), dtype=np.int64), [len(each) for each in sets])
    places = np.concatenate([np.zeros(0, dtype=np.int64), *sets])
    return events.take(pa.array(places, pa.int64())).combine_chunks(), question
