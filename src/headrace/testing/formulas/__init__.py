"""What each aggregation means, as a formula over the events of one window: the oracle's second half.

One theme a file, each with its own table. Exact arithmetic throughout (`int`, `Fraction`, `Decimal`); a
double is made once, at the end. Beside its value a formula states the *slack*: how far another answer may lie
from it. No slack means identical.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.testing.formulas import ages, keys, local, moments, order, spells, spread, totals
from headrace.testing.formulas.asked import Answer, Asked, Event, Result, named, ordered
from headrace.testing.formulas.keys import by_key, hash64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.testing.formulas.asked import Formula

__all__ = ["FORMULAS", "Answer", "Asked", "Event", "Result", "answers", "hash64", "ordered"]

FORMULAS: Mapping[str, Formula] = {
    **totals.FORMULAS,
    **moments.FORMULAS,
    **order.FORMULAS,
    **keys.FORMULAS,
    **spread.FORMULAS,
    **ages.FORMULAS,
    **local.FORMULAS,
    **spells.FORMULAS,
}
"""The formula of every kind; one with companions answers by their names, the feature itself by ""."""


def answers(asked: Asked) -> Mapping[str, Result]:
    """What a feature says of the events of one window, by companion."""
    formula = FORMULAS[asked.feature.kind]
    return named(formula(asked)) if asked.feature.by is None else by_key(asked, formula)
