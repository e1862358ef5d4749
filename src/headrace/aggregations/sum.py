"""sum: exact for integers and decimals, a double otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.algebra import Columnwise
from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.states import Array, Events, Field, Finished, States
from headrace.lazy import numpy as np
from headrace.schema import Type

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DoubleSum", "ExactSum", "Sum", "summing", "to_double"]

_LOW = 0xFFFFFFFF
_LARGEST_DECIMAL = 38


@dataclass(frozen=True)
class ExactSum(Columnwise):
    """State: the total as `high * 2^32 + low`, low in 0 to 2^32 - 1.

    That is 96 bits, so that sums of int64 do not overflow.
    Halves of up to 2^31 states are added before the carry is taken, which no table of rows exceeds.
    """

    fixed = (Field("high", "<i8"), Field("low", "<i8"))
    subtractable: ClassVar[bool] = True

    @property
    def ufuncs(self) -> tuple[np.ufunc, ...]:
        """Both halves add."""
        return (np.add, np.add)

    @property
    def zeros(self) -> tuple[int, ...]:
        """Nothing summed."""
        return (0, 0)

    def settled(self, states: States) -> States:
        """What the lower half has beyond its 32 bits is carried."""
        high, low = states.fixed
        return States(states.n, (high + (low >> 32), low & _LOW))

    def lift(self, events: Events) -> States:
        """The value's halves."""
        data = events.values[0].data
        high, low = data >> 32, data & _LOW
        if events.counts is not None:
            high, low = high * events.counts, low * events.counts
        return States(events.n, (high, low))


@dataclass(frozen=True)
class DoubleSum(Columnwise):
    """State: the sum, a double."""

    fixed = (Field("sum", "<f8"),)

    @property
    def ufuncs(self) -> tuple[np.ufunc, ...]:
        """Sums add."""
        return (np.add,)

    @property
    def zeros(self) -> tuple[float, ...]:
        """Nothing summed."""
        return (0.0,)

    def lift(self, events: Events) -> States:
        """The value itself."""
        data = events.values[0].data
        return States(events.n, (data if events.counts is None else np.where(events.counts, data, 0.0),))


def summing(of: Type) -> Columnwise:
    """The algebra that sums a type."""
    return DoubleSum() if of.name == "double" else ExactSum()


def to_double(states: States, of: Type) -> Array:
    """The sums as doubles, whatever the algebra; decimals in units, not in their fraction."""
    if of.name == "double":
        return states.fixed[0]
    data, upper, overflow = _words(states)
    # The halves of a number below zero nearly cancel as doubles: join them as integers where they fit.
    wide = np.ldexp(upper.astype(np.float64), 64) + data.view(np.uint64)
    total: Array = np.where(overflow, wide, data) / 10**of.scale
    return total


def _words(states: States) -> tuple[Array, Array, Array]:
    """The totals' lower and upper 64 bits, and which totals do not fit the lower ones."""
    high, low = ExactSum().settled(states).fixed
    data = (high << 32) | low
    upper = high >> 32
    return data, upper, upper != data >> 63


@dataclass(frozen=True)
class Sum(Aggregation):
    """The sum of a column.

    int64 sums are exact, and INVALID where the total leaves 64 bits; decimal sums are exact; doubles agree
    within 1e-9 of the sum of absolute values. No event gives 0.

    Attributes:
        column: The column summed; nulls are skipped.
    """

    column: str
    kind: ClassVar[str] = "sum"

    @property
    def _columns(self) -> tuple[str, ...]:
        """The column summed."""
        return (self.column,)

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """A sum."""
        return (Measure(summing(self.number(self.column, types)), self._columns, self.where),)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """int64, decimal of 38 digits or double."""
        of = self.number(self.column, types)
        total = Type("decimal", _LARGEST_DECIMAL, of.scale) if of.name == "decimal" else of
        return (Output("", total),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """The total; an integer total that leaves 64 bits is invalid."""
        return (_total(states[0], types[self.column]),)


def _total(states: States, of: Type) -> Finished:
    if of.name == "double":
        return Finished(states.fixed[0])
    data, upper, overflow = _words(states)
    if of.name == "decimal":
        return Finished(data, high=upper)
    return Finished(data, invalid=overflow) if overflow.any() else Finished(data)
