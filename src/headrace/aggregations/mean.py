"""mean: the average of a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.count import Counting
from headrace.aggregations.states import Array, Finished, States
from headrace.aggregations.sum import summing, to_double
from headrace.lazy import numpy as np
from headrace.schema import DOUBLE, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Mean"]


@dataclass(frozen=True)
class Mean(Aggregation):
    """The mean of a column; null without any value.

    Its states are a count and a sum, shared with those of the view.

    Attributes:
        column: The column averaged; nulls are skipped.
    """

    column: str
    kind: ClassVar[str] = "mean"

    @property
    def _columns(self) -> tuple[str, ...]:
        """The column averaged."""
        return (self.column,)

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """How many values, and their sum."""
        of = self.number(self.column, types)
        return (
            Measure(Counting(), self._columns, self.where),
            Measure(summing(of), self._columns, self.where),
        )

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """A double."""
        self.number(self.column, types)
        return (Output("", DOUBLE),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """Sum over count."""
        count, total = states
        n = count.fixed[0]
        return (Finished(to_double(total, types[self.column]) / np.maximum(n, 1), n > 0),)
