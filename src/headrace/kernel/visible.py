"""Which rows count at an instant, where rows become known later than they happen.

Rows are sorted by event time, so a window is a range of them, and up to the first row not yet known at `t`
all of it counts. Behind that row lies a zone where known and unknown rows are mixed. It is covered by aligned
blocks of 1, 2, 4, ... rows; a block is sorted by known instant, so that the rows that count are its
beginning, and running merges answer for every beginning.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headrace.aggregations.algebra import Columnwise, Fixed
from headrace.aggregations.states import Array, States
from headrace.kernel.ranges import RangeIndex, Ranges
from headrace.kernel.sorting import grouped, sorted_places

if TYPE_CHECKING:
    from headrace.aggregations.algebra import Algebra

__all__ = ["Knowledge", "Piece", "Zones", "add_zones", "pieces"]


class Knowledge:
    """The known instants of rows, as ranks: small integers that pack beside a block's number."""

    def __init__(self, known: Array) -> None:
        """Of rows in their own order."""
        self.known = known

    @cached_property
    def order(self) -> Array:
        """The rows by known instant."""
        return _small(sorted_places(self.known))

    @cached_property
    def _sorted(self) -> Array:
        return self.known[self.order]

    @cached_property
    def rank(self) -> Array:
        """Each row's place among all rows by known instant."""
        rank = np.empty_like(self.order)
        rank[self.order] = np.arange(len(rank))
        return rank

    def before(self, t: Array) -> Array:
        """How many rows are known before each instant: a row is iff its rank is less."""
        return np.searchsorted(self._sorted, t)


class Piece(NamedTuple):
    """Blocks of rows, each sorted by known instant, and the beginnings of them that count.

    Attributes:
        rows: The rows, block after block.
        size: How many rows a block has.
        hi: Where what counts of a block ends among the rows.
        zone: The zone it counts for.
        left: So many of them lie at the start of their zones, the others at the end; a zone has at most one
            of each.
    """

    rows: Array
    size: int
    hi: Array
    zone: Array
    left: int

    @property
    def lo(self) -> Array:
        """Where the blocks begin."""
        return (self.hi - 1) // self.size * self.size

    def merged(self, algebra: Algebra, states: States) -> States:
        """The states of what counts.

        Args:
            algebra: Of the states.
            states: Of all rows.
        """
        own = states.take(self.rows)
        if not isinstance(algebra, Columnwise):
            return RangeIndex(algebra, own).over(Ranges(self.lo, self.hi))
        running = (
            ufunc.accumulate(column.reshape(-1, self.size), axis=1).reshape(-1)
            for ufunc, column in zip(algebra.ufuncs, own.fixed, strict=True)
        )
        last = self.hi - 1
        return States(len(last), tuple(column[last] for column in running), None, (), own.dictionaries)


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

    @cached_property
    def _by_zone(self) -> tuple[Array, Array]:
        """All pieces' blocks by zone, and where each zone's end."""
        return grouped(np.concatenate([piece.zone for piece in self._pieces]), self.n)

    def merged(self, algebra: Algebra, states: States) -> States:
        """The merged states of the rows that count in each zone."""
        if isinstance(algebra, Fixed):
            return self._added(algebra, states)
        if not self._pieces:
            return algebra.zero(self.n)
        by, ends = self._by_zone
        return algebra.reduce(
            States.concat([piece.merged(algebra, states) for piece in self._pieces]).take(by), ends
        )

    def _added(self, algebra: Fixed, states: States) -> States:
        """Piece by piece added to the zones: what all pieces hold need not be there at once."""
        zero = algebra.zero(self.n).fixed
        zones = States(self.n, tuple(map(np.copy, zero)), None, (), states.dictionaries)
        for piece in self._pieces:
            found = piece.merged(algebra, states)
            for start, stop in ((0, piece.left), (piece.left, found.n)):
                _add(algebra, zones, piece.zone[start:stop], found.slice(start, stop))
        return zones


def _add(algebra: Fixed, to: States, at: Array, found: States) -> None:
    """Merge states into some others, in place.

    Args:
        algebra: Of both.
        to: What is changed; its columns are its own.
        at: Where, all different.
        found: What is merged in, one for each place.
    """
    for column, merged in zip(to.fixed, algebra.merge(to.take(at), found).fixed, strict=True):
        column[at] = merged


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
    if isinstance(algebra, Fixed):
        both = States(certain.n, tuple(map(np.copy, certain.fixed)), None, (), certain.dictionaries)
        _add(algebra, both, some, zones.take(zone[some]))
        return both
    both = States.concat([certain, zones.take(zone[some])])
    by, ends = grouped(np.concatenate([np.arange(certain.n), some]), certain.n)
    return algebra.reduce(both.take(by), ends)


def pieces(knowledge: Knowledge, lo: Array, hi: Array, t: Array) -> tuple[Piece, ...]:
    """The known rows of the ranges `lo` to `hi`, as beginnings of blocks sorted by known instant.

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
            asking = np.concatenate([query[odd_lo], query[odd_hi]])
            found.append(_level(knowledge, starts, size, bound, asking, int(odd_lo.sum())))
        lo = lo + odd_lo * size
        hi = hi - odd_hi * size
        left = lo < hi
        query, lo, hi, limit = query[left], lo[left], hi[left], limit[left]
        size *= 2
    return tuple(found)


def _level(knowledge: Knowledge, starts: Array, size: int, limit: Array, query: Array, left: int) -> Piece:
    """The known rows of the blocks of `size` rows that begin at `starts`."""
    used = np.zeros(len(knowledge.known) // size, dtype=bool)
    used[starts // size] = True
    block = (np.cumsum(used) - 1)[starts // size]
    ranks = knowledge.rank[: len(used) * size].reshape(-1, size)[used]
    ranks.sort(axis=1)
    # Each block's ranks above all of the block before it: one sorted column.
    n = len(knowledge.known)
    keys = (ranks + np.arange(len(ranks))[:, None] * n).reshape(-1)
    hi = np.searchsorted(keys, block * n + limit)
    some = block * size < hi
    rows = knowledge.order[ranks.reshape(-1)]
    return Piece(rows, size, _small(hi[some]), _small(query[some]), int(some[:left].sum()))


def _small(places: Array) -> Array:
    """Places in 32 bits, where they fit: there is one for each row and level."""
    fits = len(places) == 0 or int(places.max()) <= np.iinfo(np.int32).max
    return places.astype(np.int32) if fits else places
