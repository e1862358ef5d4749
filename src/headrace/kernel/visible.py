"""Which rows count at an instant, where rows become known later than they happen.

Rows are sorted by event time, so a window is a range of them, and up to the first row not yet known at `t`
all of it counts. Behind that row lies a zone where known and unknown rows are mixed. It is covered by aligned
blocks of 1, 2, 4, ... rows; within a block, sorted by known instant, the rows that count are a range again.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headrace.aggregations.states import Array, States, expand, offsets_of
from headrace.kernel.ranges import RangeIndex, Ranges

if TYPE_CHECKING:
    from headrace.aggregations.algebra import Algebra

__all__ = ["Knowledge", "Piece", "Zones", "add_zones", "pieces"]


class Knowledge:
    """The known instants of rows, as ranks: small integers that pack beside a block's number."""

    def __init__(self, known: Array) -> None:
        """Of rows in their own order."""
        self.known = known

    @cached_property
    def _order(self) -> Array:
        return np.argsort(self.known, kind="stable")

    @cached_property
    def _sorted(self) -> Array:
        return self.known[self._order]

    @cached_property
    def rank(self) -> Array:
        """Each row's place among all rows by known instant."""
        rank = np.empty(len(self.known), dtype=np.int64)
        rank[self._order] = np.arange(len(self.known))
        return rank

    def before(self, t: Array) -> Array:
        """How many rows are known before each instant: a row is iff its rank is less."""
        return np.searchsorted(self._sorted, t)


class Piece(NamedTuple):
    """Ranges of rows in an order of their own.

    Attributes:
        rows: The order: positions of rows.
        lo: Where each range starts in it.
        hi: Where each range ends in it.
        zone: The zone each range belongs to.
    """

    rows: Array
    lo: Array
    hi: Array
    zone: Array


class Zones:
    """The zones of some queries: ranges of rows of which those known before an instant count.

    Windows of one query mostly end in the same zone, so a zone is covered and merged once, whoever asks.
    """

    def __init__(self, knowledge: Knowledge, lo: Array, hi: Array, t: Array) -> None:
        """Cover the zones.

        Args:
            knowledge: Known instants of all rows.
            lo: Where each zone starts.
            hi: Where it ends.
            t: A row of it counts iff `known < t`.
        """
        self.n = len(lo)
        self._pieces = [piece for piece in pieces(knowledge, lo, hi, t) if len(piece.zone)]
        zone = np.concatenate([piece.zone for piece in self._pieces] or [np.zeros(0, dtype=np.int64)])
        self._by_zone = np.argsort(zone, kind="stable")
        self._ends = offsets_of(np.bincount(zone, minlength=self.n))

    def merged(self, algebra: Algebra, states: States) -> States:
        """The merged states of the rows that count in each zone."""
        if not self._pieces:
            return algebra.zero(self.n)
        parts = [
            RangeIndex(algebra, states.take(piece.rows)).over(Ranges(piece.lo, piece.hi))
            for piece in self._pieces
        ]
        return algebra.reduce(States.concat(parts).take(self._by_zone), self._ends)


def add_zones(algebra: Algebra, certain: States, zones: States, zone: Array) -> States:
    """The states of queries with those of their zones merged in.

    Args:
        algebra: Of both.
        certain: One state for each query.
        zones: One state for each zone.
        zone: The zone of each query, -1 for none.
    """
    some = np.flatnonzero(zone >= 0)
    if not len(some):
        return certain
    both = States.concat([certain, zones.take(zone[some])])
    by = np.argsort(np.concatenate([np.arange(certain.n), some]), kind="stable")
    lengths = np.ones(certain.n, dtype=np.int64)
    lengths[some] = 2
    return algebra.reduce(both.take(by), offsets_of(lengths))


def pieces(knowledge: Knowledge, lo: Array, hi: Array, t: Array) -> tuple[Piece, ...]:
    """The known rows of the ranges `lo` to `hi`, as ranges of rows sorted by known instant.

    Args:
        knowledge: Known instants of all rows.
        lo: Starts of the ranges.
        hi: Ends of the ranges, n each.
        t: Query instants; a row counts iff `known < t`.
    """
    query = np.flatnonzero(lo < hi)
    if not len(query):
        return ()
    lo, hi = lo[query], hi[query]
    limit = knowledge.before(t[query])
    found = []
    size = 1
    while len(query):
        odd_lo = (lo & size) != 0
        odd_hi = ((hi & size) != 0) & (lo + odd_lo * size < hi)
        starts = np.concatenate([lo[odd_lo], hi[odd_hi] - size])
        if len(starts):
            bound = np.concatenate([limit[odd_lo], limit[odd_hi]])
            found.append(
                _level(knowledge, starts, size, bound, np.concatenate([query[odd_lo], query[odd_hi]]))
            )
        lo = lo + odd_lo * size
        hi = hi - odd_hi * size
        left = lo < hi
        query, lo, hi, limit = query[left], lo[left], hi[left], limit[left]
        size *= 2
    return tuple(found)


def _level(knowledge: Knowledge, starts: Array, size: int, limit: Array, query: Array) -> Piece:
    """The known rows of the blocks of `size` rows that begin at `starts`."""
    blocks, block = np.unique(starts, return_inverse=True)
    if size == 1:
        some = knowledge.rank[blocks][block] < limit
        return Piece(blocks, block[some], block[some] + 1, query[some])
    rows = expand(blocks, np.full(len(blocks), size))
    keys = np.repeat(np.arange(len(blocks)), size) * len(knowledge.known) + knowledge.rank[rows]
    by = np.argsort(keys, kind="stable")
    lo = block * size
    hi = np.searchsorted(keys[by], block * len(knowledge.known) + limit)
    some = lo < hi
    return Piece(rows[by], lo[some], hi[some], query[some])
