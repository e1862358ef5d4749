"""distinct: how many different values a column has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.algebra import Ragged
from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.grouped import ascending
from headrace.aggregations.states import Array, Events, Field, Finished, States, lengths_of, offsets_of
from headrace.lazy import numpy as np
from headrace.schema import INT64, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Distinct", "DistinctHashes"]

EXACT = 1024
BITS = 12
REGISTERS = 1 << BITS
_RANK_BITS = 6
_HASH = 1 << 63


@dataclass(frozen=True)
class DistinctHashes(Ragged):
    """State: the set of 64-bit hashes while it has at most 1,024; beyond, HyperLogLog registers.

    An entry says itself what it is: hashes have their top bit set, registers are `index * 64 + rank`. The
    form depends on the set of values alone, so that parts merge to the state of the whole whatever their
    order.
    """

    entries = (Field("element", "<u8"),)
    additive: ClassVar[bool] = True

    def lift(self, events: Events) -> States:
        """One hash for each event that counts."""
        hashes = events.values[0].hashes() | np.uint64(_HASH)
        if events.counts is None:
            return States(events.n, (), np.arange(events.n + 1, dtype=np.int64), (hashes,))
        return States(events.n, (), offsets_of(events.counts), (hashes[events.counts],))

    def normalise(self, states: States) -> States:
        """Sorted, without repetition; registers where there are some already, or over 1,024 hashes."""
        rows, elements = _distinct(self.rows_of(states), states.entries[0])
        hashed = elements >= np.uint64(_HASH)
        lengths = np.bincount(rows, minlength=states.n)
        dense = lengths > EXACT
        dense[rows[~hashed]] = True
        if dense.any():
            convert = dense[rows] & hashed
            elements = np.where(convert, _registers(elements), elements)
            rows, elements = _distinct(rows, elements)
            # Sorted by row and register index, the last of equal index has the greatest rank.
            index = elements >> np.uint64(_RANK_BITS)
            last = np.ones(len(rows), dtype=bool)
            last[:-1] = (rows[1:] != rows[:-1]) | (index[1:] != index[:-1]) | ~dense[rows[:-1]]
            rows, elements = rows[last], elements[last]
            lengths = np.bincount(rows, minlength=states.n)
        return States(states.n, (), offsets_of(lengths), (elements,))

    def counts(self, states: States) -> Array:
        """How many distinct values each state has seen, int64; estimated beyond 1,024."""
        assert states.offsets is not None  # noqa: S101 - ragged states have offsets by construction
        lengths = lengths_of(states.offsets)
        result = lengths.copy()
        elements = states.entries[0]
        if not len(elements):
            return result
        filled = np.minimum(states.offsets[:-1], len(elements) - 1)
        for row in np.flatnonzero((lengths > 0) & (elements[filled] < np.uint64(_HASH))):
            ranks = elements[states.offsets[row] : states.offsets[row + 1]] & np.uint64((1 << _RANK_BITS) - 1)
            result[row] = round(_estimate(np.bincount(ranks.astype(np.int64), minlength=54)))
        return result


def _distinct(rows: Array, elements: Array) -> tuple[Array, Array]:
    if ascending(rows, elements):
        return rows, elements
    by = np.lexsort((elements, rows))
    rows, elements = rows[by], elements[by]
    fresh = np.ones(len(rows), dtype=bool)
    fresh[1:] = (rows[1:] != rows[:-1]) | (elements[1:] != elements[:-1])
    return rows[fresh], elements[fresh]


def _registers(hashes: Array) -> Array:
    """`index * 64 + rank` of each hash: index, its low 12 bits; rank, one more than the zeros after them."""
    index = hashes & np.uint64(REGISTERS - 1)
    # The top bit is always set, so that at most 51 zeros can follow; a power of two is exact as a float.
    rest = hashes >> np.uint64(BITS)
    lowest = rest & (~rest + np.uint64(1))
    rank = np.frexp(lowest.astype(np.float64))[1].astype(np.uint64)
    return (index << np.uint64(_RANK_BITS)) | rank


def _estimate(histogram: Array) -> float:
    """Ertl's improved estimator (arXiv:1702.01284, section 4) from the number of registers of each rank.

    Args:
        histogram: How many registers have rank 0, 1, ... ; absent registers are added as rank 0 here.
    """
    counts = histogram.astype(np.float64)
    counts[0] = REGISTERS - histogram[1:].sum()
    most = 64 - BITS
    z = REGISTERS * _tau(1.0 - counts[most + 1] / REGISTERS) if len(counts) > most + 1 else 0.0
    for rank in range(most, 0, -1):
        z = 0.5 * (z + counts[rank])
    z += REGISTERS * _sigma(counts[0] / REGISTERS)
    return REGISTERS * REGISTERS / (2.0 * math.log(2.0)) / z


def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x *= x
        before, z = z, z + x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in {0.0, 1.0}:
        return 0.0
    y, z, before = 1.0, 1.0 - x, -1.0
    while z != before:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1.0 - x) ** 2 * y
    return z / 3.0


@dataclass(frozen=True)
class Distinct(Aggregation):
    """How many different values a column has: exact up to 1,024, then estimated (standard error 1.6 %).

    Attributes:
        column: The column; nulls are skipped.
    """

    column: str
    kind: ClassVar[str] = "distinct"

    @property
    def _columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """The set of its hashes."""
        self.column_type(self.column, types)
        return (Measure(DistinctHashes(), self._columns, self.where),)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """int64."""
        self.column_type(self.column, types)
        return (Output("", INT64),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """The size of the set."""
        return (Finished(DistinctHashes().counts(states[0])),)
