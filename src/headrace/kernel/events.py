"""Events as rows: de-duplicated, in the total order, lifted; the kernel's whole-column form starts here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from headrace.kernel.clean import condition_column, instants
from headrace.kernel.duplicates import first_copies
from headrace.kernel.order import EventOrder, sort_events
from headrace.kernel.rows import Rows, lift

if TYPE_CHECKING:
    from headrace.aggregations.states import Array
    from headrace.kernel.plan import ViewPlan
    from headrace.schema import Schema

__all__ = ["rows_of_events"]


def rows_of_events(
    plan: ViewPlan,
    events: pa.Table,
    entity: Array,
    schema: Schema,
    event_id: str | None,
    *,
    serving_delay: int = 0,
    deduplicated: bool = False,
) -> Rows:
    """Lift clean events.

    Args:
        plan: The view's plan.
        events: `__time`, `__known`, the plan's inputs and conditions (see `condition_column`); all columns of
            the schema where there is an event id or the plan needs the order of events.
        entity: The events' entity codes.
        schema: The source's schema.
        event_id: The column that identifies an event, if any.
        serving_delay: Microseconds added to every known instant, for training sets that model the lag of
            ingestion.
        deduplicated: Whether each event is there once already.

    Returns:
        One row for each event that counts, sorted by entity and the total order.
    """
    time, known = instants(events)
    by = sort_events(entity, time, known, events if plan.needs_order else None, schema, event_id)
    if event_id is not None and not deduplicated:
        counts = first_copies(entity, time, known, events, schema, event_id)
        by = by if counts is None else by[counts[by]]
    if not plan.needs_order:  # then no other column is read again
        events = events.select([*plan.inputs, *map(condition_column, plan.conditions)])
    events = events.take(pa.array(by))
    entity, time, known = entity[by], time[by], known[by]
    order = None
    if plan.needs_order:
        order = np.arange(len(by), dtype=np.int64), EventOrder(events, time, known, schema, event_id)
    late = serving_delay > 0 or bool((known != time).any())
    return lift(
        plan,
        {name: events.column(name) for name in plan.inputs},
        {where: events.column(condition_column(where)) for where in plan.conditions},
        entity,
        time,
        known + serving_delay if late else None,
        order,
    )
