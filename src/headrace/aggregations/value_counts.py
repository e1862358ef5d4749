"""How often each value of a column occurs: the state of mode, top_k and entropy, and of a count by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.aggregations.base import Aggregation, Measure
from headrace.aggregations.by_key import ByKey
from headrace.aggregations.count import Counting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.aggregations.states import Finished, States
    from headrace.schema import Type

__all__ = ["ValueCounts", "marked"]


@dataclass(frozen=True)
class ValueCounts(Aggregation):
    """What is made of the counts of a column's values; those of at most `max_keys` values are kept."""

    column: str

    @property
    def _columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """A map from value to count."""
        algebra = ByKey(Counting(), self.column_type(self.column, types), self.max_keys)
        return (Measure(algebra, self._columns, self.where),)


def marked(finished: Finished, states: States) -> Finished:
    """The values, those of states that have lost keys marked as part of the answer."""
    truncated = states.fixed[0].astype(bool)
    return finished._replace(partial=truncated) if truncated.any() else finished
