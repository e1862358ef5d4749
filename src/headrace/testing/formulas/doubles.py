"""Doubles and how far another answer may lie from them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from headrace.aggregations.agreement import RELATIVE, TINIEST
from headrace.testing.formulas.asked import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TINIEST", "double", "infinite", "near", "root", "sum_of"]

_RELATIVE = Fraction(repr(RELATIVE))


def double(exact: Fraction) -> float:
    """The nearest double; infinite where none reaches."""
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def near(exact: Fraction, size: Fraction, largest: Fraction) -> Result:
    """A double that may be off by 1e-9 of `size`; by anything where `largest`, met on the way, overflows."""
    reached = double(largest)
    return Result(double(exact), math.inf if math.isinf(reached) else double(_RELATIVE * size) + TINIEST)


def root(square: Fraction) -> Fraction:
    """The square root, within 1e-400 and a relative 1e-17 at least."""
    scale = 10 ** (400 + 20)
    return Fraction(math.isqrt(math.floor(square * scale**2)), scale)


def infinite(values: Sequence[Any]) -> bool:
    """Whether one of the values is infinite."""
    return any(isinstance(value, float) and math.isinf(value) for value in values)


def sum_of(values: Sequence[Any], share: int = 1) -> Result:
    """The sum of numbers over `share`, within 1e-9 of that of their absolute values."""
    if infinite(values):
        return Result(sum(map(float, values)), math.inf)
    exact = [Fraction(value) for value in values]
    size = sum(map(abs, exact), Fraction(0))
    return near(sum(exact, Fraction(0)) / share, size / share, size)
