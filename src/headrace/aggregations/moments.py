"""variance and stddev of a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.algebra import Fixed, reduce_groups
from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.states import Array, Events, Field, Finished, States, lengths_of
from headrace.lazy import numpy as np
from headrace.schema import DOUBLE, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Moments", "Stddev", "Variance"]


@dataclass(frozen=True)
class Moments(Fixed):
    """State: n, the mean, and the sum of squared deviations from it.

    States are merged by the rule of Chan, Golub and LeVeque (1979). Sums of squares would cancel: with values
    near 10^9 and a deviation near 1 nothing of the variance would be left.

    Attributes:
        of: The column's type.
    """

    of: Type
    fixed = (Field("n", "<i8"), Field("mean", "<f8"), Field("m2", "<f8"))

    def zero(self, n: int) -> States:
        """No value."""
        return States(n, (np.zeros(n, np.int64), np.zeros(n), np.zeros(n)))

    def lift(self, events: Events) -> States:
        """One value, no deviation."""
        data = events.values[0].data.astype(np.float64) / 10**self.of.scale
        if events.counts is None:
            return States(events.n, (np.ones(events.n, np.int64), data, np.zeros(events.n)))
        mean = np.where(events.counts, data, 0.0)
        return States(events.n, (events.counts.astype(np.int64), mean, np.zeros(events.n)))

    def merge(self, left: States, right: States) -> States:
        """Weighted mean; the deviations of both sides and of their means."""
        (n_left, mean_left, m2_left), (n_right, mean_right, m2_right) = left.fixed, right.fixed
        n = n_left + n_right
        share = n_right / np.maximum(n, 1)
        # Halves, for two huge means may lie further apart than a double reaches.
        mean = 2 * (mean_left / 2 + (mean_right / 2 - mean_left / 2) * share)
        apart = mean_right - mean_left
        # In this order nothing overflows where one side is empty and the other holds huge values.
        return States(left.n, (n, mean, m2_left + m2_right + apart * share * n_left * apart))

    def reduce(self, states: States, offsets: Array) -> States:
        """The weighted mean first, then the deviations from it: two passes, none of which cancels."""
        inside = slice(int(offsets[0]), int(offsets[-1]))
        size, mean, m2 = (column[inside] for column in states.fixed)
        groups, lengths = offsets - offsets[0], lengths_of(offsets)
        n = reduce_groups(np.add, size, groups, 0)
        # Measured from one of the means: equal values then deviate by nothing at all.
        one = reduce_groups(np.maximum, np.where(size > 0, mean, -np.inf), groups, 0.0)
        one = np.where(n > 0, one, 0.0)
        # Shares, not totals: a sum of huge values would overflow where their mean does not.
        share = size / np.repeat(np.maximum(n, 1), lengths)
        # Halves, for two huge means may lie further apart than a double reaches.
        off = reduce_groups(np.add, (mean / 2 - (one / 2).repeat(lengths)) * share, groups, 0.0)
        middle = 2 * (one / 2 + off)
        apart = mean - middle.repeat(lengths)
        return States(len(n), (n, middle, reduce_groups(np.add, m2 + apart * size * apart, groups, 0.0)))


@dataclass(frozen=True)
class Variance(Aggregation):
    """The sample variance of a column; null with fewer than two values.

    Attributes:
        column: A column of numbers; nulls are skipped.
    """

    column: str
    kind: ClassVar[str] = "variance"

    @property
    def _columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """The moments."""
        return (Measure(Moments(self.number(self.column, types)), self._columns, self.where),)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """A double."""
        self.number(self.column, types)
        return (Output("", DOUBLE),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """Squared deviations over n - 1."""
        n, _, m2 = states[0].fixed
        return (Finished(m2 / np.maximum(n - 1, 1), n > 1),)


@dataclass(frozen=True)
class Stddev(Variance):
    """The sample standard deviation of a column; null with fewer than two values.

    Attributes:
        column: A column of numbers; nulls are skipped.
    """

    kind: ClassVar[str] = "stddev"

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """The root of the variance."""
        (variance,) = super()._finish(states, t, types)
        return (variance._replace(data=np.sqrt(variance.data)),)
