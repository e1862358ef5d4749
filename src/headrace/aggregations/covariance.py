"""covariance and correlation of two columns, over a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.algebra import Fixed, reduce_groups, storage
from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.extreme import Extreme
from headrace.aggregations.moments import Moments
from headrace.aggregations.states import Array, Events, Field, Finished, States, lengths_of
from headrace.lazy import numpy as np
from headrace.schema import DOUBLE, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Comoments", "Correlation", "Covariance"]

_TINIEST = 2.0**-1022
"""Doubles below it have lost digits already."""


@dataclass(frozen=True)
class Comoments(Fixed):
    """State: n; of each column the mean, the squared deviations and the extremes; the products of deviations.

    Merged by the rule of Chan, Golub and LeVeque, as the moments of one column are. The extremes are kept as
    the columns have them: only they tell exactly whether all values of a column are the same.

    Attributes:
        x: The first column's type.
        y: The second column's type.
    """

    x: Type
    y: Type

    @property
    def fixed(self) -> tuple[Field, ...]:  # type: ignore[override]
        """See the class."""
        doubles = (Field(name, "<f8") for name in ("mean_x", "m2_x", "mean_y", "m2_y", "products"))
        ends = (storage(of, name) for of, name in self._ends)
        return (Field("n", "<i8"), *doubles, *ends)

    @property
    def _ends(self) -> tuple[tuple[Type, str], ...]:
        return (self.x, "least_x"), (self.x, "greatest_x"), (self.y, "least_y"), (self.y, "greatest_y")

    @property
    def _moments(self) -> tuple[Moments, Moments]:
        return Moments(self.x), Moments(self.y)

    @property
    def _extremes(self) -> tuple[Extreme, ...]:
        return tuple(Extreme(of, name.startswith("greatest")) for of, name in self._ends)

    def zero(self, n: int) -> States:
        """No pair."""
        ends = (extreme.zero(n).fixed[1] for extreme in self._extremes)
        return States(n, (np.zeros(n, np.int64), *(np.zeros(n) for _ in range(5)), *ends))

    def lift(self, events: Events) -> States:
        """One pair, no deviation."""
        x, y = (events._replace(values=(values,)) for values in events.values)
        (n, *of_x), (_, *of_y) = (m.lift(each).fixed for m, each in zip(self._moments, (x, y), strict=True))
        ends = (
            extreme.lift(each).fixed[1] for extreme, each in zip(self._extremes, (x, x, y, y), strict=True)
        )
        return States(events.n, (n, *of_x, *of_y, np.zeros(events.n), *ends))

    def merge(self, left: States, right: States) -> States:
        """The moments of each column; the products of both sides and of their means' deviations."""
        sides = zip(self._moments, _each(left), _each(right), strict=True)
        x, y = (moments.merge(a, b).fixed for moments, a, b in sides)
        n_left, x_left, _, y_left, _, products = left.fixed[:6]
        n_right, x_right, _, y_right, _, more = right.fixed[:6]
        share = n_right / np.maximum(n_left + n_right, 1)
        # In this order nothing overflows where one side is empty and the other holds huge values.
        between = (x_right - x_left) * share * n_left * (y_right - y_left)
        pairs = zip(self._extremes, left.fixed[6:], right.fixed[6:], strict=True)
        ends = (extreme.ufuncs[1](a, b) for extreme, a, b in pairs)
        return States(left.n, (*x, *y[1:], products + more + between, *ends))

    def reduce(self, states: States, offsets: Array) -> States:
        """The means first, then the products of deviations from them."""
        columns = zip(self._moments, _each(states), strict=True)
        x, y = (moments.reduce(each, offsets).fixed for moments, each in columns)
        inside = slice(int(offsets[0]), int(offsets[-1]))
        groups, lengths = offsets - offsets[0], lengths_of(offsets)
        size, mean_x, _, mean_y, _, products = (column[inside] for column in states.fixed[:6])
        apart_x, apart_y = mean_x - x[1].repeat(lengths), mean_y - y[1].repeat(lengths)
        total = reduce_groups(np.add, products + apart_x * size * apart_y, groups, 0.0)
        ends = (
            reduce_groups(extreme.ufuncs[1], column[inside], groups, extreme.zeros[1])
            for extreme, column in zip(self._extremes, states.fixed[6:], strict=True)
        )
        return States(len(lengths), (*x, *y[1:], total, *ends))


def _each(states: States) -> tuple[States, States]:
    """The moments of the two columns."""
    n, *of_x = states.fixed[:3]
    return States(states.n, (n, *of_x)), States(states.n, (n, *states.fixed[3:5]))


@dataclass(frozen=True)
class Covariance(Aggregation):
    """The sample covariance of two columns; null with fewer than two pairs.

    Attributes:
        column: A column of numbers.
        other: Another; events where either is null are skipped.
    """

    column: str
    other: str
    kind: ClassVar[str] = "covariance"

    @property
    def _columns(self) -> tuple[str, ...]:
        """The two columns."""
        return (self.column, self.other)

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """The moments of pairs."""
        x, y = (self.number(column, types) for column in self._columns)
        return (Measure(Comoments(x, y), self._columns, self.where),)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """A double."""
        for column in self._columns:
            self.number(column, types)
        return (Output("", DOUBLE),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """Products of deviations over n - 1."""
        n, products = states[0].fixed[0], states[0].fixed[5]
        return (Finished(products / np.maximum(n - 1, 1), n > 1),)


@dataclass(frozen=True)
class Correlation(Covariance):
    """The sample correlation of two columns, -1 to 1; null where all values of either are the same.

    Attributes:
        column: A column of numbers.
        other: Another; events where either is null are skipped.
    """

    kind: ClassVar[str] = "correlation"

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """Products of deviations over the roots of the squared ones."""
        _, _, m2_x, _, m2_y, products, least_x, greatest_x, least_y, greatest_y = states[0].fixed
        squared = m2_x * m2_y
        # One root of both is nearer to the truth, as far as doubles reach.
        whole = (squared > _TINIEST) & (squared < np.inf)
        size = np.where(whole, np.sqrt(squared), np.sqrt(m2_x) * np.sqrt(m2_y))
        # Values may differ by so little that no double holds their squared deviations.
        correlation = np.where(size > 0, products / np.where(size > 0, size, 1.0), 0.0)
        present = (least_x < greatest_x) & (least_y < greatest_y)
        return (Finished(np.clip(correlation, -1.0, 1.0), present),)
