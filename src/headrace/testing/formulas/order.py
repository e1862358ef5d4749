"""What stands at an end: of the values, or of the total order of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.testing.formulas.asked import Asked, Result, ordered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.testing.formulas.asked import Event, Formula

__all__ = ["FORMULAS"]


def _min(asked: Asked) -> Result:
    return Result(min(asked.values(), key=ordered, default=None))


def _max(asked: Asked) -> Result:
    return Result(max(asked.values(), key=ordered, default=None))


def _first(asked: Asked) -> Result:
    return Result(next(iter(asked.values()), None))


def _last(asked: Asked) -> Result:
    return Result(next(reversed(asked.values()), None))


def _last_k(asked: Asked) -> Mapping[str, Result]:
    return _listed(asked, asked.taken(asked.feature.column)[::-1])


def _first_k(asked: Asked) -> Mapping[str, Result]:
    return _listed(asked, asked.taken(asked.feature.column))


def _last_distinct_k(asked: Asked) -> Mapping[str, Result]:
    column = asked.feature.column
    seen, newest = set(), []
    for event in asked.taken(column)[::-1]:
        if event.row[column] not in seen:
            seen.add(event.row[column])
            newest.append(event)
    return _listed(asked, newest)


def _listed(asked: Asked, events: list[Event]) -> Mapping[str, Result]:
    column = asked.feature.column
    listed = events[: asked.feature.k]
    values = [event.row[column] for event in listed]
    times = [event.time for event in listed]
    same = [0] * len(listed)
    return (
        {"": Result(values, same), "ts": Result(times, same)}
        if asked.feature.timestamps
        else {"": Result(values, same)}
    )


FORMULAS: Mapping[str, Formula] = {
    "min": _min,
    "max": _max,
    "first": _first,
    "last": _last,
    "last_k": _last_k,
    "first_k": _first_k,
    "last_distinct_k": _last_distinct_k,
}
