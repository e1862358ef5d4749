"""Merging the states of many ranges of rows at once.

A query asks for the merge of rows `lo` to `hi`. Sums of integers answer it by subtracting prefix sums, which
is exact. Nothing else is ever subtracted: other fixed-width states are cut into blocks, each with its running
merges from both ends, and a range is the end of one block, the beginning of another and the whole blocks
between, found the same way one level up. States with entries are pooled (`kernel/pools.py`).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from headrace.aggregations.algebra import Algebra, Columnwise, Fixed, Ragged
from headrace.aggregations.states import Array, States, expand, offsets_of
from headrace.kernel import pools
from headrace.kernel.pools import Pools

__all__ = ["RangeIndex", "Ranges", "Square"]

Square: TypeAlias = np.ndarray[tuple[int, int], np.dtype[Any]]

BLOCK = 32
"""How many rows make a block."""
FEW = 4
"""How many rows there must be for each piece that is looked at, or making pieces costs more than it saves.

Processor time of maxima over nested ranges, pieces against rows: 4 ranges of 64 rows twice (17 us more), of
2,000 the same, of 20,000 a fifth; 16 and 64 ranges of 20,000 rows a twelfth.
"""
GATHERED = 4
"""Up to how many rows a row and range are gathered one by one; beyond, blocks are merged once and shared.

Processor time of maxima over 20,000 and 200,000 rows, gathered against blocks: at 1 half to two thirds, at 4
0.8 to 2 times, at 8 over twice, at 16 four times and more.
"""


class Ranges:
    """Ranges of rows, and what every measure that is merged over them needs to know of them."""

    def __init__(self, lo: Array, hi: Array) -> None:
        """Rows `lo[i]` to `hi[i]` for each i; none where `hi <= lo`."""
        self.lo = lo
        self.hi = np.maximum(lo, hi)
        self.lengths = self.hi - lo
        """How many rows each has."""
        self.total = int(self.lengths.sum())
        """How many rows all have."""

    def __len__(self) -> int:
        """How many ranges."""
        return len(self.lo)

    @cached_property
    def gathered(self) -> tuple[Array, Array]:
        """The rows of all ranges, one range after another, and where each range's begin."""
        return expand(self.lo, self.lengths), offsets_of(self.lengths)

    def alternating(self, rows: int) -> Array:
        """Where each range starts and ends, as `reduceat` wants it: every other result is a range's.

        A range without rows starts and ends behind the last row, where its zero is expected to stand.

        Args:
            rows: How many rows there are.
        """
        at = np.empty(2 * len(self.lo), dtype=np.int64)
        at[::2], at[1::2] = self.lo, self.hi
        if np.count_nonzero(self.lengths) < len(self.lo):
            at[(self.lengths == 0).repeat(2)] = rows
        return at

    def coarse(self, rows: int) -> tuple[Array, Ranges] | None:
        """The rows cut at every edge a range has, and the ranges as ranges of those pieces.

        Pieces are merged once, whichever ranges they are in: much less to do where ranges are few and long,
        as in a request. Then, and only then, they are worth making.

        Args:
            rows: How many rows there are.

        Returns:
            Where the pieces begin, and where the last one ends; and the ranges. None if that makes too many
            pieces, or too many of them in each range.
        """
        some = self.lo < self.hi
        if FEW * len(self) > rows or not some.any():
            return None
        cuts, place = np.unique(np.concatenate([self.lo[some], self.hi[some]]), return_inverse=True)
        lo, hi = np.zeros((2, len(self)), dtype=np.int64)
        lo[some], hi[some] = place.reshape(2, -1)
        pieces = Ranges(lo, hi)
        return (cuts, pieces) if FEW * pieces.total <= rows else None


class RangeIndex:
    """Answers range queries over the rows of one measure; what it builds is built at first need and kept."""

    def __init__(self, algebra: Algebra, states: States) -> None:
        """Index the states of an algebra."""
        self.algebra = algebra
        self.states = states
        self._prefixes: tuple[Array | None, ...] | None = None
        self._blocks: tuple[States, States, RangeIndex] | None = None

    def over(self, ranges: Ranges) -> States:
        """The merged states of the rows of each range; zero where it has none."""
        if isinstance(self.algebra, Columnwise) and self.algebra.subtractable:
            return self._by_prefix(ranges.lo, ranges.hi)
        if isinstance(self.algebra, Fixed):
            return self._by_block(self.algebra, ranges)
        assert isinstance(self.algebra, Ragged)  # noqa: S101 - the three shapes there are
        return Pools(self.algebra, self.states).over(ranges.lo, ranges.hi)

    def _by_prefix(self, lo: Array, hi: Array) -> States:
        if self._prefixes is None:
            self._prefixes = tuple(None if c.strides == (0,) else offsets_of(c) for c in self.states.fixed)
        columns = []
        for column, prefix in zip(self.states.fixed, self._prefixes, strict=True):
            # A column that repeats one value (each event counts one) needs no sums.
            columns.append(
                (hi - lo) * (column[0] if len(column) else 0) if prefix is None else prefix[hi] - prefix[lo]
            )
        return States(len(lo), tuple(columns))

    def _by_block(self, algebra: Fixed, ranges: Ranges) -> States:
        if ranges.total <= GATHERED * (self.states.n + len(ranges)) or self.states.n <= 2 * BLOCK:
            return self._by_gather(algebra, ranges)
        lo, hi = ranges.lo, ranges.hi
        first, last = lo // BLOCK, (hi - 1) // BLOCK
        far = (lo < hi) & (first < last)
        near = np.flatnonzero(~far)
        across = np.flatnonzero(far)
        from_start, to_end, blocks = self._built(algebra)
        outer = algebra.merge(to_end.take(lo[across]), from_start.take(hi[across] - 1))
        between = blocks.over(Ranges(first[across] + 1, last[across]))
        result = States.concat(
            [algebra.merge(outer, between), self._by_gather(algebra, Ranges(lo[near], hi[near]))]
        )
        place = np.empty(len(lo), dtype=np.int64)
        place[across] = np.arange(len(across))
        place[near] = np.arange(len(across), len(lo))
        return result.take(place)

    def _built(self, algebra: Fixed) -> tuple[States, States, RangeIndex]:
        """Running merges from the start and to the end of each block, and the blocks themselves."""
        if self._blocks is None:
            count = -(-self.states.n // BLOCK)
            padding = algebra.zero(count * BLOCK - self.states.n)
            padding = States(padding.n, padding.fixed, None, (), self.states.dictionaries)
            padded = States.concat([self.states, padding])
            square: tuple[Square, ...] = tuple(
                np.ascontiguousarray(column).reshape(count, BLOCK) for column in padded.fixed
            )
            forward = _running(algebra, square, self.states)
            backward = tuple(
                column[:, ::-1]
                for column in _running(algebra, tuple(c[:, ::-1] for c in square), self.states)
            )
            whole = States(count, tuple(c[:, -1].copy() for c in forward), None, (), self.states.dictionaries)
            self._blocks = (
                self._flat(forward, count * BLOCK),
                self._flat(backward, count * BLOCK),
                RangeIndex(algebra, whole),
            )
        return self._blocks

    def _flat(self, square: tuple[Square, ...], n: int) -> States:
        return States(n, tuple(column.reshape(-1) for column in square), None, (), self.states.dictionaries)

    def _by_gather(self, algebra: Fixed, ranges: Ranges) -> States:
        if ranges.total <= pools.POOL:
            at, offsets = ranges.gathered
            return algebra.reduce(self.states.take(at), offsets)

        def part(start: int, stop: int) -> States:
            at, offsets = Ranges(ranges.lo[start:stop], ranges.hi[start:stop]).gathered
            return algebra.reduce(self.states.take(at), offsets)

        return pools.in_steps(part, ranges.lengths)


def _running(algebra: Fixed, square: tuple[Square, ...], states: States) -> tuple[Square, ...]:
    """Running merges along each row of a (blocks, BLOCK) square of states."""
    if isinstance(algebra, Columnwise):
        return tuple(u.accumulate(column, axis=1) for u, column in zip(algebra.ufuncs, square, strict=True))
    done = tuple(column.copy() for column in square)
    count = len(square[0])
    for j in range(1, BLOCK):
        before = States(count, tuple(column[:, j - 1] for column in done), None, (), states.dictionaries)
        here = States(count, tuple(column[:, j] for column in done), None, (), states.dictionaries)
        for column, merged in zip(done, algebra.merge(before, here).fixed, strict=True):
            column[:, j] = merged
    return done
