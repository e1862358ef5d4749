"""entropy: how evenly the values of a column are spread, in nats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.algebra import reduce_groups
from headrace.aggregations.base import Output
from headrace.aggregations.states import Array, Finished, States, lengths_of
from headrace.aggregations.value_counts import ValueCounts, marked
from headrace.lazy import numpy as np
from headrace.schema import DOUBLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.schema import Type

__all__ = ["Entropy"]


@dataclass(frozen=True)
class Entropy(ValueCounts):
    """The entropy of a column's values in nats, sum of p * ln(1 / p); null without any.

    Attributes:
        column: The column; nulls are skipped.
    """

    kind: ClassVar[str] = "entropy"

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """A double."""
        self.column_type(self.column, types)
        return (Output("", DOUBLE),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """The sum over the values, in ascending order."""
        (state,) = states
        assert state.offsets is not None  # noqa: S101 - maps have offsets by construction
        counts = state.entries[1]
        total = reduce_groups(np.add, counts, state.offsets, 0)
        share = counts / total.repeat(lengths_of(state.offsets))
        bits = reduce_groups(np.add, share * -np.log(share) + 0.0, state.offsets, 0.0)
        return (marked(Finished(bits, total > 0), state),)
