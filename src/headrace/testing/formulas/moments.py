"""How far values scatter."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from headrace.testing.formulas.asked import Asked, Result
from headrace.testing.formulas.doubles import TINIEST, double, infinite, near

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.testing.formulas.asked import Formula

__all__ = ["FORMULAS"]


def _variance(asked: Asked) -> Result:
    values = asked.values()
    if len(values) < 2:
        return Result(None)
    return Result(math.nan, math.inf) if infinite(values) else near(*_moments(values))


def _stddev(asked: Asked) -> Result:
    variance = _variance(asked)
    if variance.value is None or math.isinf(variance.slack):
        return variance
    _, size, _ = _moments(asked.values())
    return Result(math.sqrt(variance.value), 1e-9 * math.sqrt(double(size)) + math.sqrt(TINIEST))


def _moments(values: Sequence[Any]) -> tuple[Fraction, Fraction, Fraction]:
    """The sample variance, `mean^2 + variance`, and the largest number that merging may meet."""
    exact = [Fraction(value) for value in values]
    mean = sum(exact, Fraction(0)) / len(exact)
    variance = sum(((x - mean) ** 2 for x in exact), Fraction(0)) / (len(exact) - 1)
    return variance, mean**2 + variance, 4 * len(exact) * sum((x * x for x in exact), Fraction(0))


FORMULAS: Mapping[str, Formula] = {
    "variance": _variance,
    "stddev": _stddev,
}
