"""Literal cases asked of the kernel and of the oracle: what both say."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.kernel.entities import Numbers
from headrace.kernel.history import History, history
from headrace.schema import Schema
from headrace.testing.agreement import differences
from headrace.testing.driving import answers_of, bind_case, clean_events
from headrace.testing.generate import Case

if TYPE_CHECKING:
    from headrace.aggregations.base import Aggregation

SCHEMA = Schema({"user": "string", "ts": "timestamp", "x": "int64", "y": "double", "p": "decimal(12,4)"})
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def at(text: str) -> int:
    """Microseconds UTC of an ISO time; one without an offset is UTC."""
    moment = dt.datetime.fromisoformat(text)
    return ((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)) - EPOCH) // dt.timedelta(
        microseconds=1
    )


def event(ts: str, **columns: Any) -> dict[str, Any]:
    """An event, null where nothing is said; of user "u" unless it says whose."""
    return {**dict.fromkeys(SCHEMA), "user": "u", "ts": at(ts), **columns}


def events(*times: str) -> list[dict[str, Any]]:
    """Events at some times."""
    return [event(time) for time in times]


def ask(feature: Aggregation, log: list[dict[str, Any]], *t: str, zone: str = "UTC") -> list[Any]:
    """What the feature says at each instant, as the kernel has it, which the oracle has to confirm.

    One window's values; a tuple for each instant where there is a companion.
    """
    spine = [{"user": "u", "t": at(each)} for each in t]
    case = Case(SCHEMA, ("user",), None, None, {}, zone, 0, (feature,), log, spine)
    binding = bind_case(case)
    table = clean_events(case, binding, case.accepted())
    numbers = Numbers(case.spine_table(), binding.keys)
    found, asked = numbers.of(table), numbers.asked
    wanted = found >= 0
    instants = np.array([row["t"] for row in spine], dtype=np.int64)
    question = History(table.filter(pa.array(wanted)), found[wanted], asked, instants, 0)
    answers = answers_of(history(binding, binding.plan, question))
    assert differences(case.expected(), answers) == []
    values = [[value for value, _, _ in column] for column in answers.values()]
    return values[0] if len(values) == 1 else list(zip(*values, strict=True))
