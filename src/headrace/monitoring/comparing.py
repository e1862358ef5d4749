"""Comparing a column that was served with the one that history says, value by value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.aggregations.agreement import NEAR, close, slack
from headrace.kernel.columns import python_values

if TYPE_CHECKING:
    from headrace.aggregations.states import Array

__all__ = ["Compared", "compare"]


class Compared(NamedTuple):
    """How two columns of n values compare.

    Attributes:
        equal: Where they agree, bool.
        error: How far apart they are, doubles; NaN where that is no number.
        size: What the error is relative to: the absolute value expected.
    """

    equal: Array
    error: Array
    size: Array


def compare(expected: pa.Array, value: pa.Array, kind: str, within: Array | None = None) -> Compared:
    """Compare n values.

    Args:
        expected: What history says.
        value: What was served, of the same type.
        kind: The kind of the aggregation; empty where there is none.
        within: How far doubles may lie off, n values; by default what the value expected itself allows, which
            is never too much and for sums that cancel out too little.
    """
    if value.type != expected.type:
        value = value.cast(expected.type)
    if pa.types.is_nested(expected.type):
        return _nested(expected, value, kind)
    both, one = _nulls(expected, value)
    n = len(expected)
    same = pc.fill_null(pc.equal(expected, value), fill_value=False).to_numpy(zero_copy_only=False)
    if not (
        pa.types.is_integer(expected.type)
        or pa.types.is_floating(expected.type)
        or pa.types.is_decimal(expected.type)
    ):
        return Compared((same | both) & ~one, np.full(n, np.nan), np.full(n, np.nan))
    left, right = _doubles(expected), _doubles(value)
    with np.errstate(invalid="ignore"):
        error = np.where(same, 0.0, np.abs(left - right))
    if kind in NEAR and pa.types.is_floating(expected.type):
        allowed = _allowed(kind, np.abs(left)) if within is None else within
        with np.errstate(invalid="ignore"):
            same = same | (error <= allowed)
    return Compared((same | both) & ~one, error, np.abs(left))


def _allowed(kind: str, size: Array) -> Array:
    """The slack of many values; it is linear in the size."""
    none, one = slack(kind, 0.0), slack(kind, 1.0)
    allowed: Array = none + (one - none) * np.nan_to_num(size, nan=0.0, posinf=0.0)
    return allowed


def _nulls(expected: pa.Array, value: pa.Array) -> tuple[Array, Array]:
    """Where both are null, and where only one is."""
    left, right = (each.is_null().to_numpy(zero_copy_only=False) for each in (expected, value))
    return left & right, left != right


def _doubles(values: pa.Array) -> Array:
    found: Array = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return found


def _nested(expected: pa.Array, value: pa.Array, kind: str) -> Compared:
    n = len(expected)
    nothing = np.full(n, np.nan)
    if expected.equals(value):
        return Compared(np.ones(n, dtype=bool), nothing, nothing)
    pairs = zip(python_values(expected), python_values(value), strict=True)
    equal = np.array([a == b or close(a, b, _within(a, kind)) for a, b in pairs], dtype=bool)
    return Compared(equal, nothing, nothing)


def _within(expected: Any, kind: str) -> Any:
    """The slack of a value with parts, in its own shape."""
    if isinstance(expected, dict):
        return {key: _within(item, kind) for key, item in expected.items()}
    if isinstance(expected, list):
        return [_within(item, kind) for item in expected]
    return slack(kind, abs(expected)) if isinstance(expected, float) else 0
