"""How far values scatter."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from headrace.aggregations.agreement import slack
from headrace.testing.formulas.asked import Asked, Result
from headrace.testing.formulas.doubles import TINIEST, double, infinite, near, root

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
    return Result(math.sqrt(variance.value), slack("stddev", math.sqrt(double(size))))


def _moments(values: Sequence[Any]) -> tuple[Fraction, Fraction, Fraction]:
    """The sample variance, `mean^2 + variance`, and the largest number that merging may meet."""
    exact = [Fraction(value) for value in values]
    mean = sum(exact, Fraction(0)) / len(exact)
    variance = sum(((x - mean) ** 2 for x in exact), Fraction(0)) / (len(exact) - 1)
    return variance, mean**2 + variance, 4 * len(exact) * sum((x * x for x in exact), Fraction(0))


def _covariance(asked: Asked) -> Result:
    pairs = _pairs(asked)
    if len(pairs) < 2:
        return Result(None)
    if any(map(infinite, pairs)):
        return Result(math.nan, math.inf)
    x, y = zip(*pairs, strict=True)
    (_, size_x, largest_x), (_, size_y, largest_y) = _moments(x), _moments(y)
    size, products = root(size_x * size_y), 4 * len(x) * root(largest_x * largest_y)
    return near(_products(pairs) / (len(x) - 1), size, max(products, root(largest_x), root(largest_y)))


def _correlation(asked: Asked) -> Result:
    pairs = _pairs(asked)
    if any(len(set(column)) < 2 for column in zip(*pairs, strict=True)) or not pairs:
        return Result(None)
    if any(map(infinite, pairs)):
        return Result(math.nan, math.inf)
    x, y = zip(*pairs, strict=True)
    (variance_x, size_x, largest_x), (variance_y, size_y, largest_y) = _moments(x), _moments(y)
    products = _products(pairs)
    size = root(products**2 / (variance_x * variance_y)) / (len(x) - 1)
    exact = size if products > 0 else -size
    found = near(exact, size_x / variance_x * (size_y / variance_y), max(largest_x, largest_y))
    # Of values this near to each other no double holds the squared deviations.
    return Result(found.value, math.inf) if min(variance_x, variance_y) < 10**9 * TINIEST else found


def _pairs(asked: Asked) -> list[tuple[Any, Any]]:
    """The values of both columns where neither is null."""
    columns = asked.feature.column, asked.feature.other
    return [(event.row[columns[0]], event.row[columns[1]]) for event in asked.taken(*columns)]


def _products(pairs: Sequence[tuple[Any, Any]]) -> Fraction:
    """The sum of the products of deviations."""
    x, y = ([Fraction(value) for value in column] for column in zip(*pairs, strict=True))
    mean_x, mean_y = (sum(column, Fraction(0)) / len(column) for column in (x, y))
    return sum(((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)), Fraction(0))


FORMULAS: Mapping[str, Formula] = {
    "variance": _variance,
    "stddev": _stddev,
    "covariance": _covariance,
    "correlation": _correlation,
}
