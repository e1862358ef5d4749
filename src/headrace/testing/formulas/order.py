"""What stands at an end: of the values, or of the total order of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.testing.formulas.asked import Asked, Result, ordered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.testing.formulas.asked import Formula

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
    column = asked.feature.column
    newest = asked.taken(column)[::-1][: asked.feature.k]
    values = [event.row[column] for event in newest]
    times = [event.time for event in newest]
    same = [0] * len(newest)
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
}
