"""Agreement: how far two answers to one question may lie apart. Mostly not at all; doubles are the exception.

The order of additions changes the last digits of a double, so sums and what is made of them agree within
`RELATIVE` of a *size*: of a sum the sum of absolute values, of a mean their mean, of a variance
`mean^2 + variance`. The oracle states the size from single events; whoever compares many answers takes what
`slack` makes of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NEAR", "RELATIVE", "TINIEST", "close", "slack"]

RELATIVE = 1e-9
TINIEST = 2.0**-1022
"""Doubles below it have lost digits already: no relative promise can hold there."""

_ABSOLUTE = ("sum", "mean", "decayed_sum", "decayed_count")
_MOMENTS = ("variance", "stddev", "covariance", "correlation")
NEAR: Mapping[str, str] = {
    **dict.fromkeys(_ABSOLUTE, "absolute"),
    **dict.fromkeys(_MOMENTS, "moments"),
    "entropy": "one",
}
"""The kinds of aggregations whose doubles need not be identical, and what their size is made of."""


def slack(kind: str, size: float) -> float:
    """How far a double may lie from another answer's.

    Args:
        kind: The aggregation's kind.
        size: What the promise is relative to; any lower bound of it gives a lower bound.
    """
    if kind not in NEAR:
        return 0.0
    tiny = math.sqrt(TINIEST) if kind == "stddev" else TINIEST
    return RELATIVE * (size + (1.0 if kind == "entropy" else 0.0)) + tiny


def close(expected: Any, value: Any, within: Any) -> bool:
    """Whether a value is as near to the one expected as it has to be.

    Args:
        expected: A value as Python has it; a map is a dict.
        value: The other.
        within: How far it may lie off; shaped like a value that is a list or a dict.
    """
    if isinstance(expected, dict):
        value = {} if value == [] else value  # Arrow's empty map
        return (
            isinstance(value, dict)
            and list(expected) == list(value)
            and all(close(expected[key], value[key], within[key]) for key in expected)
        )
    if isinstance(expected, list):
        return (
            isinstance(value, list)
            and len(expected) == len(value)
            and all(map(close, expected, value, within))
        )
    if expected is None or value is None:
        return expected is value
    if isinstance(expected, bool) or type(expected) is not type(value):
        return type(expected) is type(value) and bool(expected == value)
    if isinstance(expected, float) and math.isinf(within):
        return True
    return bool(expected == value) or (within > 0 and abs(expected - value) <= within)
