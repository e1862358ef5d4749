"""How values are spread: quantiles and histograms."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from headrace.testing.formulas.asked import Asked, Result
from headrace.testing.formulas.doubles import TINIEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.schema import Type
    from headrace.testing.formulas.asked import Formula

__all__ = ["FORMULAS"]


def _histogram(asked: Asked) -> Result:
    of = asked.types[asked.feature.column]
    # An edge is the number as it is written, except to doubles, which are compared as doubles.
    edges = [edge if of.name == "double" else Fraction(repr(edge)) for edge in asked.feature.edges]
    counts = [0] * (len(edges) + 1)
    for value in asked.values():
        counts[sum(value >= edge for edge in edges)] += 1
    return Result(counts, [0] * len(counts))


def _quantile(asked: Asked) -> Result:
    values = sorted(_as_double(value, asked.types[asked.feature.column]) for value in asked.values())
    if not values:
        return Result(None)
    x = values[math.floor(asked.feature.q * (len(values) - 1))]
    if math.isinf(x) or abs(x) < TINIEST:
        return Result(x if math.isinf(x) else 0.0)
    return Result(math.copysign(_answer(abs(x), asked.feature.accuracy), x))


def _as_double(value: Any, of: Type) -> float:
    """Decimals are their digits as a double over a power of ten."""
    return int(Fraction(value) * 10**of.scale) / 10.0**of.scale if of.name == "decimal" else float(value)


def _answer(x: float, accuracy: float) -> float:
    """2 * low * high / (low + high) of x's bucket, low = 2^(i / n) <= x < high = 2^((i + 1) / n)."""
    n = _buckets_in_an_octave(accuracy)
    power = Fraction(x) ** n
    i = power.numerator.bit_length() - power.denominator.bit_length()
    i -= power < Fraction(2) ** i
    with localcontext() as context:
        context.prec = 60
        low, high = Decimal(2) ** (Decimal(i) / n), Decimal(2) ** (Decimal(i + 1) / n)
        return float(2 * low * high / (low + high))


@lru_cache
def _buckets_in_an_octave(accuracy: float) -> int:
    """The least n whose buckets' bounds are so near: (high - low) / (high + low) <= accuracy."""
    near = Fraction(repr(accuracy))
    return next(n for n in range(1, 10_000) if ((1 + near) / (1 - near)) ** n >= 2)


FORMULAS: Mapping[str, Formula] = {
    "histogram": _histogram,
    "quantile": _quantile,
}
