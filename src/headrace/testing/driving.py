"""Driving the kernel with drawn cases: clean events, a bound view, questions; answers as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.definitions.source import EventSource
from headrace.definitions.stream import Push
from headrace.kernel.binding import AggregateBinding
from headrace.kernel.clean import KNOWN, TIME
from headrace.kernel.columns import STATUS_NAMES
from headrace.kernel.plan import compile_view
from headrace.schema import Schema
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.kernel.columns import Column
    from headrace.testing.formulas import Event
    from headrace.testing.generate import Case

__all__ = ["answers_of", "bind_case", "clean_events"]


def bind_case(case: Case) -> AggregateBinding:
    """The case's view, bound."""
    source = EventSource(
        "log",
        schema=dict(case.schema),
        timestamp=case.timestamp,
        available_at=case.available_at,
        event_id=case.event_id,
        columns=dict(case.columns),
        stream=Push(),
    )
    keys = Schema({name: case.schema[name] for name in case.key_columns})
    plan = compile_view(case.features, case.types, case.zone)
    return AggregateBinding("view", "1", keys, source, case.schema, case.zone, plan=plan)


def clean_events(case: Case, binding: AggregateBinding, events: Sequence[Event]) -> pa.Table:
    """Events as an engine hands them to the kernel; conditions are judged as the case says."""
    rows = [event.row for event in events]
    columns: dict[str, Any] = {
        TIME: pa.array([event.time for event in events], pa.int64()),
        KNOWN: pa.array([event.known for event in events], pa.int64()),
    }
    for name, of in case.types.items():
        columns[name] = pa.array([row[name] for row in rows], of.arrow())
    for name, text in binding.expressions.items():
        if name not in columns:
            columns[name] = pa.array([row[text] for row in rows], pa.bool_())
    return pa.table(columns)


def answers_of(columns: Mapping[str, Column]) -> dict[str, list[tuple[Any, str, int | None]]]:
    """Columns as (value, status, newest event time or None) for each row."""
    found = {}
    for name, column in columns.items():
        newest = [None if at == FOREVER_AGO else int(at) for at in np.asarray(column.newest)]
        status = [STATUS_NAMES[each] for each in column.status]
        found[name] = list(zip(column.values.to_pylist(), status, newest, strict=True))
    return found
