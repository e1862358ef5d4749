"""What each aggregation means, as a formula over the events of one window: the oracle's second half.

One theme a file, each with its own table. Exact arithmetic throughout (`int`, `Fraction`, `Decimal`); a
double is made once, at the end. Beside its value a formula states the *slack*: how far another answer may lie
from it. No slack means identical.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.testing.formulas import ages, keys, moments, order, totals
from headrace.testing.formulas.asked import Answer, Asked, Event, Result, ordered
from headrace.testing.formulas.keys import hash64

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["FORMULAS", "Answer", "Asked", "Event", "Result", "hash64", "ordered"]

FORMULAS: Mapping[str, Callable[[Asked], Result | Mapping[str, Result]]] = {
    **totals.FORMULAS,
    **moments.FORMULAS,
    **order.FORMULAS,
    **keys.FORMULAS,
    **ages.FORMULAS,
}
"""The formula of every kind; one with companions answers by their names, the feature itself by ""."""
