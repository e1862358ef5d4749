"""What a formula is asked and what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from headrace.schema import Type

__all__ = ["Answer", "Asked", "Event", "Formula", "Result", "named", "ordered"]


class Event(NamedTuple):
    """One event as the oracle sees it.

    Attributes:
        row: Its columns, and for every `where` whether it is TRUE.
        time: When it happened, microseconds UTC.
        known: When it could be known: `max(event_time, available_at)`.
        content: All columns of the source's schema in name order, comparable.
        place: Its place in the total order of events: `(event_time, event id, known, content)`.
    """

    row: dict[str, Any]
    time: int
    known: int
    content: tuple[Any, ...]
    place: tuple[Any, ...]


class Answer(NamedTuple):
    """What a feature says of one row of a spine.

    Attributes:
        value: The value; None for null.
        status: PRESENT, NOT_FOUND, NULL_VALUE, INVALID or OUTSIDE_MAX_AGE.
        event_time: The newest event time of the entity in the feature's window, microseconds UTC.
        slack: How far another value may lie from this one; shaped like a value that is a list or a map.
        reason: Why it is INVALID.
    """

    value: Any
    status: str
    event_time: int | None
    slack: Any = 0
    reason: str = ""


class Result(NamedTuple):
    """What a formula says of one window: as in `Answer`."""

    value: Any
    slack: Any = 0
    reason: str = ""


class Asked(NamedTuple):
    """What a formula answers.

    Attributes:
        feature: The aggregation.
        events: The entity's events in the window, known before the query, oldest first in the total order.
        t: The instant the window runs up to, microseconds UTC: the query's, or its own end.
        types: The types of the source's columns, derived ones included.
        siblings: The view's aggregations by name.
        zone: IANA name of the zone whose days and hours count.
    """

    feature: Any
    events: Sequence[Event]
    t: int
    types: Mapping[str, Type]
    siblings: Mapping[str, Any]
    zone: str = "UTC"

    def taken(self, *columns: str) -> list[Event]:
        """The events for which `where` is TRUE and none of the columns is null."""
        where = self.feature.where
        passed = [event for event in self.events if where is None or event.row[where] is True]
        return [event for event in passed if all(event.row[column] is not None for column in columns)]

    def values(self) -> list[Any]:
        """The aggregated column of the events taken."""
        return [event.row[self.feature.column] for event in self.taken(self.feature.column)]


Formula: TypeAlias = "Callable[[Asked], Result | Mapping[str, Result]]"
"""What a feature is; one with companions answers by their names, the feature itself by ""."""


def named(results: Result | Mapping[str, Result]) -> Mapping[str, Result]:
    """What a formula says, by companion."""
    return {"": results} if isinstance(results, Result) else results


def ordered(value: Any) -> tuple[Any, ...]:
    """The value as something comparable: nulls first, text by its bytes, lists item by item."""
    if value is None:
        return (0,)
    if isinstance(value, str):
        return (1, value.encode())
    if isinstance(value, (list, tuple)):
        return (1, tuple(ordered(item) for item in value))
    return (1, value)
