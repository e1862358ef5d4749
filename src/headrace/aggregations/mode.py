"""mode: the most frequent value of a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.algebra import reduce_groups
from headrace.aggregations.base import Output
from headrace.aggregations.states import Array, Finished, States, lengths_of
from headrace.aggregations.value_counts import ValueCounts, marked
from headrace.lazy import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.schema import Type

__all__ = ["Mode"]


@dataclass(frozen=True)
class Mode(ValueCounts):
    """The most frequent value of a column, of equally frequent ones the least; null without any.

    Attributes:
        column: The column; nulls are skipped.
    """

    kind: ClassVar[str] = "mode"

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """The column's own type."""
        return (Output("", self.column_type(self.column, types)),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """The first of the values, which ascend, that occurs most."""
        (state,) = states
        assert state.offsets is not None  # noqa: S101 - maps have offsets by construction
        values, counts = state.entries
        lengths = lengths_of(state.offsets)
        present = lengths > 0
        most = reduce_groups(np.maximum, counts, state.offsets, 0)
        (best,) = (counts == most.repeat(lengths)).nonzero()
        data = np.zeros(state.n, values.dtype)
        data[present] = values[best[best.searchsorted(state.offsets[:-1][present])]]
        return (marked(Finished(data, present, dictionary=state.dictionaries[1]), state),)
