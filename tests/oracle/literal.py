"""Literal cases: events and questions as a person would write them on a whiteboard."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from headrace.schema import Schema
from headrace.testing.oracle import historical, latest

if TYPE_CHECKING:
    from headrace.aggregations.base import Aggregation
    from headrace.testing.formulas import Answer

SCHEMA = Schema(
    {
        "user": "string",
        "ts": "timestamp",
        "seen": "timestamp",
        "id": "string",
        "x": "int64",
        "y": "double",
        "price": "decimal(12,4)",
        "word": "string",
        "ok": "bool",
    }
)


def at(text: str) -> int:
    """Microseconds UTC of "2024-03-10 12:00:00.000001"; of a bare time on 2024-03-10; offsets are allowed."""
    moment = dt.datetime.fromisoformat(text if "-" in text[:5] else f"2024-03-10 {text}")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def event(ts: str, **columns: Any) -> dict[str, Any]:
    """An event of user "u", null where nothing is said."""
    row = {**dict.fromkeys(SCHEMA), "user": "u", "ts": at(ts), **columns}
    return {**row, "seen": at(row["seen"]) if isinstance(row["seen"], str) else row["seen"]}


def ask(feature: Aggregation | list[Aggregation], events: list[dict[str, Any]], t: str, **how: Any) -> Any:
    """What the (first) feature says at t; a dict of what all output columns say where there are several."""
    answers = answer(feature, events, t, **how)
    values = {name: each.value for name, each in answers.items()}
    return values if len(values) > 1 else next(iter(values.values()))


def answer(
    feature: Aggregation | list[Aggregation],
    events: list[dict[str, Any]],
    t: str,
    user: str | None = "u",
    **how: Any,
) -> dict[str, Answer]:
    """The answers of all output columns at t."""
    given = {"key_columns": ["user"], "timestamp": "ts", "available_at": "seen", "schema": SCHEMA, **how}
    features = feature if isinstance(feature, list) else [feature]
    return historical(features, events, [{"user": user, "t": at(t)}], **given)[0]


def newest(events: list[dict[str, Any]], t: str, column: str = "x", **how: Any) -> Answer:
    """What a latest-value view over the events says at t."""
    given = {"key_columns": ["user"], "timestamp": "ts", "available_at": "seen", "schema": SCHEMA, **how}
    return latest([column], events, [{"user": "u", "t": at(t)}], **given)[0][column]
