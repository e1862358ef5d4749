"""How many and how much: counts, sums, means, rates."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from headrace.testing.formulas.asked import Asked, Result
from headrace.testing.formulas.doubles import sum_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.schema import Type
    from headrace.testing.formulas.asked import Formula

__all__ = ["FORMULAS"]


def _count(asked: Asked) -> Result:
    return Result(len(asked.taken()))


def _sum(asked: Asked) -> Result:
    return _total(asked.values(), asked.types[asked.feature.column])


def _total(values: Sequence[Any], of: Type) -> Result:
    if of.name == "double":
        return sum_of(values)
    unscaled = int(sum(map(Fraction, values), Fraction(0)) * 10**of.scale)
    if of.name == "decimal":
        digits = tuple(int(digit) for digit in str(abs(unscaled)))
        exact = Decimal((int(unscaled < 0), digits, -of.scale))
        return Result(exact) if len(digits) <= 38 else Result(None, 0, "overflow")
    return Result(unscaled) if -(2**63) <= unscaled < 2**63 else Result(None, 0, "overflow")


def _mean(asked: Asked) -> Result:
    values = asked.values()
    return sum_of(values, len(values)) if values else Result(None)


def _rate(asked: Asked) -> Result:
    numerator, denominator = (
        len(asked._replace(feature=asked.siblings[name]).taken())
        for name in (asked.feature.numerator, asked.feature.denominator)
    )
    if asked.feature.prior is None:
        return Result(numerator / denominator if denominator else None)
    a, b = asked.feature.prior
    return Result((numerator + a) / (denominator + a + b))


FORMULAS: Mapping[str, Formula] = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "rate": _rate,
}
