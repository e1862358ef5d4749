"""quantile: the value below which a share of a column's values lie, within a stated relative error.

DDSketch (Masson, Rim, Lee 2019): values are counted in buckets whose bounds grow geometrically, and a bucket
answers with one value that is near all of its own. Which bucket a value is in depends on the value alone, so
that no order, split or merge can change an answer. Nothing is collapsed: the error holds everywhere.

Bounds are powers of two cut into equal ratios, rounded up to doubles by exact arithmetic: the bucket of a
double is found by comparisons only, and no library's logarithm can have a say.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from headrace.aggregations.algebra import reduce_groups
from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.numbered import Numbered
from headrace.aggregations.states import Array, Finished, States
from headrace.lazy import numpy as np
from headrace.schema import DOUBLE, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LogBuckets", "Quantile"]

_LEAST, _MOST = 0.001, 0.25
"""The relative errors that may be asked for."""

_TINY, _INFINITE = -1022, 1024
"""The exponents of the least double that has all its digits (what is nearer to zero is zero); of infinity."""

_DIGITS = 52


class _Scale(NamedTuple):
    """How an octave is cut.

    Attributes:
        bounds: Where each bucket of [1, 2) begins, doubles.
        answers: What each of them answers with.
    """

    bounds: Array
    answers: Array


@lru_cache
def _scale(accuracy: float) -> _Scale:
    """The fewest buckets an octave can be cut into for a relative error."""
    above, below = 1 + Fraction(repr(accuracy)), 1 - Fraction(repr(accuracy))
    n = 1
    while 2 * below**n > above**n:
        n += 1
    return _Scale(
        np.array([_root(n, place) / 2**_DIGITS for place in range(n)]),
        np.array([_middle(n, place) for place in range(n)]),
    )


def _root(n: int, place: int) -> int:
    """The least integer at or above 2^(52 + place / n)."""
    target = 1 << (place + _DIGITS * n)
    found: int = round(2.0 ** (place / n) * 2**_DIGITS)
    while found**n < target:
        found += 1
    while (found - 1) ** n >= target:
        found -= 1
    return found


def _middle(n: int, place: int) -> float:
    """The harmonic mean of a bucket's bounds, equally far from both in proportion."""
    with localcontext() as context:
        context.prec = 50
        low, high = (Decimal(2) ** (Decimal(place + step) / n) for step in (0, 1))
        return float(2 * low * high / (low + high))


@dataclass(frozen=True)
class LogBuckets(Numbered):
    """Buckets in the order of their values: 0 holds zero, those of negative values are below.

    Attributes:
        accuracy: The relative error.
    """

    _: KW_ONLY
    accuracy: float

    def number(self, column: Array) -> Array:
        """The bucket of the value."""
        x = column / 10.0**self.of.scale
        bounds = _scale(self.accuracy).bounds
        half, exponent = np.frexp(np.abs(x))
        octave = np.where(np.isinf(x), _INFINITE, exponent.astype(np.int64) - 1)
        place = np.where(np.isinf(x), 1, np.searchsorted(bounds, 2 * half, side="right"))
        number = np.where(octave < _TINY, 0, (octave - _TINY) * len(bounds) + place)
        return np.where((x != 0.0) & ~np.isnan(x), np.copysign(number, x).astype(np.int64), 0)

    def values(self, numbers: Array) -> Array:
        """What buckets answer with."""
        answers = _scale(self.accuracy).answers
        octave, place = np.divmod(np.abs(numbers) - 1, len(answers))
        return np.where(numbers == 0, 0.0, np.copysign(np.ldexp(answers[place], octave + _TINY), numbers))


@dataclass(frozen=True)
class Quantile(Aggregation):
    """The value of rank floor(q * (n - 1)) among a column's n values, ascending; null without any.

    It is off by at most `accuracy`, relative to the value. Quantiles of one column with equal accuracy share
    states.

    Attributes:
        column: A column of numbers; nulls are skipped.
        q: 0 for the least value, 0.5 for the median, 1 for the greatest.
        accuracy: The relative error, 0.001 to 0.25.
    """

    column: str
    _: KW_ONLY
    q: float
    accuracy: float = 0.01
    kind: ClassVar[str] = "quantile"

    def __post_init__(self) -> None:
        """Check q and the accuracy."""
        super().__post_init__()
        for name, least, most in (("q", 0.0, 1.0), ("accuracy", _LEAST, _MOST)):
            given = getattr(self, name)
            if isinstance(given, bool) or not isinstance(given, int | float) or not least <= given <= most:
                raise self.error(
                    f"{name}={given!r} is out of range.", asked=given, remedy=f"Use {least:g} to {most:g}."
                )
            object.__setattr__(self, name, float(given))

    @property
    def _columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def _algebra(self, types: Mapping[str, Type]) -> LogBuckets:
        return LogBuckets(of=self.number(self.column, types), accuracy=self.accuracy)

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """The counts of the buckets."""
        return (Measure(self._algebra(types), self._columns, self.where),)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """A double."""
        self.number(self.column, types)
        return (Output("", DOUBLE),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """What the bucket answers with that holds the rank."""
        (state,) = states
        assert state.offsets is not None  # noqa: S101 - buckets have offsets by construction
        numbers, counts = state.entries
        total = reduce_groups(np.add, counts, state.offsets, 0)
        present = total > 0
        rank = np.floor(self.q * (total - 1)).astype(np.int64)
        seen = counts.cumsum()
        before = np.append(0, seen)[state.offsets[:-1]]
        at = seen.searchsorted((before + rank)[present], side="right")
        data = np.zeros(state.n)
        data[present] = self._algebra(types).values(numbers[at])
        return (Finished(data, present),)
