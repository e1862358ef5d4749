"""histogram: how many values lie between given edges."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import KW_ONLY, dataclass
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.algebra import Ragged
from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.numbered import Numbered
from headrace.aggregations.states import Array, Finished, States
from headrace.lazy import numpy as np
from headrace.schema import INT64, Type

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Histogram", "Slots"]

_MOST_EDGES = 1000
_GREATEST = (1 << 63) - 1


@dataclass(frozen=True)
class Slots(Numbered):
    """Places between ascending edges.

    Attributes:
        edges: Where each place but the first begins.
    """

    _: KW_ONLY
    edges: Sequence[float]

    def number(self, column: Array) -> Array:
        """How many edges the value reaches."""
        return np.searchsorted(self._stored(), column, side="right")

    def _stored(self) -> Array:
        """The edges as the column stores its values: the least value that is not below each."""
        if self.of.name == "double":
            return np.array(self.edges)
        # As they are written: a price of 0.1 is not below an edge of 0.1, though the double 0.1 is above it.
        least = [math.ceil(Decimal(repr(edge)).scaleb(self.of.scale)) for edge in self.edges]
        reached = least[: bisect_left(least, _GREATEST + 1)]
        return np.array([max(each, -_GREATEST - 1) for each in reached], dtype=np.int64)


@dataclass(frozen=True)
class Histogram(Aggregation):
    """How many values of a column lie in each slot between edges: one more count than there are edges.

    The first counts those below the first edge, the last those at or above the last; between, a slot holds
    its lower edge.

    Attributes:
        column: A column of numbers; nulls are skipped.
        edges: Ascending numbers, 1 to 1,000 of them.
    """

    column: str
    _: KW_ONLY
    edges: Sequence[float]
    kind: ClassVar[str] = "histogram"

    def __post_init__(self) -> None:
        """Check the edges, and bring them into one form."""
        super().__post_init__()
        try:
            edges = tuple(float(each) + 0.0 for each in self.edges)
        except (TypeError, ValueError, OverflowError):
            edges = ()
        ascending = all(a < b for a, b in pairwise(edges))
        if not (1 <= len(edges) <= _MOST_EDGES and ascending and all(map(math.isfinite, edges))):
            raise self.error(
                f"edges={self.edges!r} are not ascending numbers.",
                asked=self.edges,
                remedy=f"Give 1 to {_MOST_EDGES} finite numbers, each above the one before.",
            )
        for given, edge in zip(self.edges, edges, strict=True):
            # What is compared is the double as it is written: 2^53 + 1 would be another number.
            if isinstance(given, int | Decimal) and Decimal(repr(edge)) != given:
                raise self.error(
                    f"the edge {given} has more digits than a double holds.",
                    asked=given,
                    available=[repr(edge)],
                    remedy="Round it.",
                )
        object.__setattr__(self, "edges", edges)

    @property
    def _columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """The counts of the slots."""
        slots = Slots(of=self.number(self.column, types), edges=self.edges)
        return (Measure(slots, self._columns, self.where),)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """A list of int64."""
        self.number(self.column, types)
        return (Output("", Type("list", items=(INT64,))),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """All counts, zeros included."""
        (state,) = states
        slots, counts = state.entries
        width = len(self.edges) + 1
        data = np.zeros(state.n * width, dtype=np.int64)
        data[Ragged.rows_of(state) * width + slots] = counts
        return (Finished(data, offsets=np.arange(0, len(data) + 1, width, dtype=np.int64)),)
