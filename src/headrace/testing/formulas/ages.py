"""What depends on how long ago events were."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headrace.testing.formulas.asked import Asked, Result
from headrace.testing.formulas.doubles import sum_of
from headrace.windows import duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.testing.formulas.asked import Formula

__all__ = ["FORMULAS"]


def _decayed_sum(asked: Asked) -> Result:
    column, half_life = asked.feature.column, duration(asked.feature.half_life)
    taken = asked.taken(column)
    values = [float(event.row[column]) for event in taken]
    ages = [asked.t - event.time for event in taken]
    decayed = sum_of([x * 2.0 ** (-age / half_life) for x, age in zip(values, ages, strict=True)])
    # States hold sums as they were when the newest event happened: those must be doubles too.
    return decayed if math.isfinite(sum_of(values).slack) else Result(decayed.value, math.inf)


def _decayed_count(asked: Asked) -> Result:
    half_life = duration(asked.feature.half_life)
    return sum_of([2.0 ** (-(asked.t - event.time) / half_life) for event in asked.taken()])


def _recency(asked: Asked) -> Result:
    times = [event.time for event in asked.taken()]
    return Result(float(asked.t - max(times)) / 1e6 if times else None)


FORMULAS: Mapping[str, Formula] = {
    "decayed_sum": _decayed_sum,
    "decayed_count": _decayed_count,
    "recency": _recency,
}
