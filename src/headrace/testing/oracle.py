"""The oracle: what Headrace's features mean, in slow and obvious Python. It is the specification.

Nothing here is shared with what it judges: no kernel, no algebra, no window arithmetic, no NumPy, no Arrow;
only the attributes of definitions are read. Events are plain dicts of clean values: None for null, int
microseconds UTC for timestamps, `Decimal` for decimals; beside the source's columns they hold derived columns
by name, and for every `where` its text and whether it is TRUE (None for null).
"""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

from headrace.testing.formulas import Answer, Asked, Event, ordered
from headrace.testing.formulas import answers as said
from headrace.testing.formulas.local import begin, local_date
from headrace.windows import Calendar, Lifetime, Series, Sliding, Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.aggregations.base import Aggregation
    from headrace.schema import Type

__all__ = ["Answer", "accepted", "deduplicated", "historical", "latest", "spans"]

INVALID, NOT_FOUND, NULL_VALUE = "INVALID", "NOT_FOUND", "NULL_VALUE"
PRESENT, OUTSIDE_MAX_AGE = "PRESENT", "OUTSIDE_MAX_AGE"

FUTURE = 5 * 60 * 1_000_000
"""An event that says it happened this much later than it could be known is no event."""


def historical(  # noqa: PLR0913 - all that a source and a view declare, one by one
    features: Sequence[Aggregation],
    events: Sequence[Mapping[str, Any]],
    spine: Sequence[Mapping[str, Any]],
    *,
    key_columns: Sequence[str],
    timestamp: str,
    schema: Mapping[str, Type],
    available_at: str | None = None,
    event_id: str | None = None,
    derived: Mapping[str, Type] | None = None,
    zone: str = "UTC",
    serving_delay: int = 0,
) -> list[dict[str, Answer]]:
    """The features of an aggregate view at each row of a spine.

    Args:
        features: The view's aggregations.
        events: The source's rows, in any order.
        spine: Rows with the key columns and `t`, int microseconds UTC.
        key_columns: The entity's join keys; none for one global row.
        timestamp: The column of event times.
        schema: The source's frozen schema: its columns decide the order of events.
        available_at: The column that says when an event could be known.
        event_id: The column that names an event; its copies count once.
        derived: Types of the derived columns.
        zone: IANA name of the zone whose calendar governs.
        serving_delay: Microseconds after its known instant at which an event counts.

    Returns:
        For each row of the spine its answers by output column, companions (`name__ts`) included.
    """
    types = {**schema, **(derived or {})}
    log = accepted(events, key_columns, timestamp, schema, available_at, event_id)
    if event_id is not None:
        log = deduplicated(log, key_columns, event_id)
    siblings = {feature.name: feature for feature in features}
    rows = []
    for asked in spine:
        t = asked["t"]
        mine = [e for e in log if _same_entity(e, asked, key_columns) and e.known + serving_delay < t]
        row: dict[str, Answer] = {}
        for feature in features:
            for window in feature.windows:
                found = spans(window, t, zone)
                asking = [
                    Asked(
                        feature,
                        [e for e in mine if _inside(e.time, (start, end))],
                        t if end is None else end,
                        types,
                        siblings,
                        zone,
                    )
                    for start, end in found
                ]
                for companion, answer in _answer(asking, listed=isinstance(window, Series)).items():
                    name = feature.feature_name(window)
                    row[f"{name}__{companion}" if companion else name] = answer
        rows.append(row)
    return rows


def latest(  # noqa: PLR0913 - as above
    features: Sequence[str],
    events: Sequence[Mapping[str, Any]],
    spine: Sequence[Mapping[str, Any]],
    *,
    key_columns: Sequence[str],
    timestamp: str,
    schema: Mapping[str, Type],
    created_at: str | None = None,
    available_at: str | None = None,
    event_id: str | None = None,
    ttl: int | None = None,
    serving_delay: int = 0,
) -> list[dict[str, Answer]]:
    """The features of a latest-value view at each row of a spine: the newest row known before `t`.

    Args:
        features: The columns served.
        events: The source's rows, in any order.
        spine: Rows with the key columns and `t`, int microseconds UTC.
        key_columns: The entity's join keys; none for one global row.
        timestamp: The column of event times.
        schema: The source's frozen schema.
        created_at: The column that decides between rows of one event time.
        available_at: The column that says when a row could be known.
        event_id: The column that names an event; its copies count once.
        ttl: Microseconds a row is valid for; None for ever.
        serving_delay: Microseconds after its known instant at which a row counts.
    """
    log = accepted(events, key_columns, timestamp, schema, available_at, event_id)
    if event_id is not None:
        log = deduplicated(log, key_columns, event_id)

    def rank(event: Event) -> tuple[Any, ...]:
        created = ordered(event.row[created_at]) if created_at else ()
        named = ordered(event.row[event_id]) if event_id is not None else ()
        return (event.time, created, named, event.known, event.content)

    rows = []
    for asked in spine:
        t = asked["t"]
        mine = [e for e in log if _same_entity(e, asked, key_columns) and e.known + serving_delay < t]
        newest = max(mine, key=rank, default=None)
        row = {}
        for name in features:
            if newest is None:
                row[name] = Answer(None, NOT_FOUND, None)
            elif ttl is not None and t - newest.time > ttl:
                row[name] = Answer(None, OUTSIDE_MAX_AGE, newest.time)
            else:
                value = newest.row[name]
                row[name] = Answer(value, NULL_VALUE if value is None else PRESENT, newest.time)
        rows.append(row)
    return rows


# --- which events there are ---


def accepted(
    events: Sequence[Mapping[str, Any]],
    key_columns: Sequence[str],
    timestamp: str,
    schema: Mapping[str, Type],
    available_at: str | None = None,
    event_id: str | None = None,
) -> list[Event]:
    """The events that are not quarantined, oldest first in the total order of events."""
    log = []
    for given in events:
        row = {name: _cleaned(value) for name, value in given.items()}
        time = row[timestamp]
        available = row[available_at] if available_at is not None else None
        if time is None or any(row[key] is None for key in key_columns):
            continue
        if available is not None and time > available + FUTURE:
            continue
        known = time if available is None else max(time, available)
        content = tuple(ordered(row[name]) for name in sorted(schema))
        named = ordered(row[event_id]) if event_id is not None else ()
        log.append(Event(row, time, known, content, (time, named, known, content)))
    return sorted(log, key=lambda event: event.place)


def deduplicated(log: Sequence[Event], key_columns: Sequence[str], event_id: str) -> list[Event]:
    """The log with one copy of each (entity, event id), the one known first; a null id names nothing."""
    kept: dict[Any, Event] = {}
    for number, event in enumerate(log):
        named = event.row[event_id]
        copy_of = ("unnamed", number) if named is None else (*(event.row[key] for key in key_columns), named)
        best = kept.get(copy_of)
        if best is None or (event.known, event.time, event.content) < (best.known, best.time, best.content):
            kept[copy_of] = event
    return sorted(kept.values(), key=lambda event: event.place)


def _cleaned(value: Any) -> Any:
    """NaN is null and -0.0 is 0.0."""
    if isinstance(value, float):
        return None if math.isnan(value) else value + 0.0
    return value


def _same_entity(event: Event, asked: Mapping[str, Any], key_columns: Sequence[str]) -> bool:
    return all(asked[key] is not None and event.row[key] == asked[key] for key in key_columns)


# --- which of them a window holds ---

Span = tuple["int | None", "int | None"]


def spans(window: Window, t: int, zone: str = "UTC") -> list[Span]:
    """The spans `start <= event_time < end` a window consists of, oldest first; None where there is no edge.

    That only what is known before `t` counts is not said again here.
    """
    if isinstance(window, Lifetime):
        return [(None, None)]
    if isinstance(window, Calendar):
        return [_period(window.unit, window.offset, t, zone)]
    if isinstance(window, Series):
        each = window.each
        return [_sliding(each.length, each.hop, i * each.length, t) for i in reversed(range(window.n))]
    assert isinstance(window, Sliding)
    return [_sliding(window.length, window.hop, window.offset, t)]


def _inside(time: int, span: Span) -> bool:
    start, end = span
    return (start is None or start <= time) and (end is None or time < end)


def _sliding(length: int, hop: int, offset: int, t: int) -> Span:
    start = (t - offset - length) // hop * hop
    return (start, (t - offset) // hop * hop) if offset else (start, None)


def _period(unit: str, offset: int, t: int, zone: str) -> Span:
    """The running local period at `t`, or the offset-th before it."""
    day = _first_day(unit, local_date(t, zone))
    # Where clocks are put back over midnight a date comes, goes and comes again: it began when it first came.
    while begin(_following(unit, day), zone) <= t:
        day = _following(unit, day)
    if offset == 0:
        return begin(day, zone), None
    for _ in range(offset):
        day = _first_day(unit, day - dt.timedelta(days=1))
    return begin(day, zone), begin(_following(unit, day), zone)


def _first_day(unit: str, day: dt.date) -> dt.date:
    if unit == "week":
        return day - dt.timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "month" else day


def _following(unit: str, first: dt.date) -> dt.date:
    """The first day of the next period."""
    return _first_day(unit, first + dt.timedelta(days={"day": 1, "week": 7, "month": 31}[unit]))


# --- what a feature says about them ---


def _answer(asked: Sequence[Asked], *, listed: bool) -> dict[str, Answer]:
    """The output columns of one feature by companion; a series lists what its windows say."""
    results = [said(each) for each in asked]
    newest = max((event.time for each in asked for event in each.events), default=None)
    answers = {}
    for companion in results[0]:
        parts = [result[companion] for result in results]
        reason = next((part.reason for part in parts if part.reason), "")
        value, slack = parts[0].value, parts[0].slack
        if listed:
            lost = any(part.reason and part.value is None for part in parts)
            value = None if lost else [part.value for part in parts]
            slack = [part.slack for part in parts]
        if reason:
            status = INVALID
        elif value is not None:
            status = PRESENT
        else:
            status = NOT_FOUND if newest is None else NULL_VALUE
        answers[companion] = Answer(value, status, newest, slack, reason)
    return answers
