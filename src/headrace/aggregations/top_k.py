"""top_k: the k most frequent values of a column, with their counts."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.algebra import Ragged
from headrace.aggregations.base import Output
from headrace.aggregations.last_k import check_k
from headrace.aggregations.states import Array, Finished, States, lengths_of, offsets_of
from headrace.aggregations.value_counts import ValueCounts, marked
from headrace.lazy import numpy as np
from headrace.schema import INT64, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TopK"]


@dataclass(frozen=True)
class TopK(ValueCounts):
    """The k most frequent values of a column with counts, most frequent first; an empty list without any.

    Of equally frequent values the least comes first.

    Attributes:
        column: The column; nulls are skipped.
        k: How many values, 1 to 1,000.
    """

    _: KW_ONLY
    k: int
    kind: ClassVar[str] = "top_k"

    def __post_init__(self) -> None:
        """Check k."""
        super().__post_init__()
        check_k(self, self.k)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """A list of value and count."""
        pair = Type("struct", items=(self.column_type(self.column, types), INT64), names=("value", "count"))
        return (Output("", Type("list", items=(pair,))),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """The pairs: values beside counts."""
        (state,) = states
        assert state.offsets is not None  # noqa: S101 - maps have offsets by construction
        values, counts = state.entries
        lengths = lengths_of(state.offsets)
        by = np.lexsort((-counts, Ragged.rows_of(state)))  # stable: equal counts leave values ascending
        top = by[np.arange(len(by)) - state.offsets[:-1].repeat(lengths) < self.k]
        pairs = Finished(
            counts[top],
            offsets=offsets_of(np.minimum(lengths, self.k)),
            keys=values[top],
            key_dictionary=state.dictionaries[1],
        )
        return (marked(pairs, state),)
