"""Which rows count at an instant, where rows become known later than they happen.

Rows are sorted by event time, so a window is a range of them, and up to the first row not yet known at `t` all of it counts. Behind
that row lies a zone where known and unknown rows are mixed. It is covered by aligned blocks of 1, 2, 4, ... rows; within
a block, sorted by known instant, the rows that count are a range again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from headrace.aggregations.algebra import Algebra
from headrace.aggregations.states import Array, States, expand, offsets_of
from headrace.kernel.place import Places
from headrace.kernel.ranges import RangeIndex

__all__ = ["Piece", "Visible", "merge_visible", "pieces"]


class Piece(NamedTuple):
    """Ranges of rows in an order of their own.

    Attributes:
        rows: The order: positions of rows.
        lo: Where each range starts in it.
        hi: Where each range ends in it.
        query: The query each range belongs to.
    """

    rows: Array
    lo: Array
    hi: Array
    query: Array


class Visible(NamedTuple):
    """The rows that count for each of n queries: one range of rows in their own order, and further pieces."""

    lo: Array
    hi: Array
    pieces: tuple[Piece, ...]


def pieces(known: Array, lo: Array, hi: Array, t: Array) -> tuple[Piece, ...]:
    """The known rows of the ranges `lo` to `hi`, as ranges of rows sorted by known instant.

    Args:
        known: Known instants of all rows.
        lo: Starts of the ranges.
        hi: Ends of the ranges, n each.
        t: Query instants; a row counts iff `known < t`.
    """
    query = np.flatnonzero(lo < hi)
    lo, hi = lo[query], hi[query]
    found = []
    level = 0
    while len(query):
        size = 1 << level
        odd_lo = (lo & size) != 0
        odd_hi = ((hi & size) != 0) & (lo + odd_lo * size < hi)
        starts = np.concatenate([lo[odd_lo], hi[odd_hi] - size])
        if len(starts):
            found.append(_level(known, starts, np.concatenate([query[odd_lo], query[odd_hi]]), t, size))
        lo = lo + odd_lo * size
        hi = hi - odd_hi * size
        left = lo < hi
        query, lo, hi = query[left], lo[left], hi[left]
        level += 1
    return tuple(found)


def _level(known: Array, starts: Array, query: Array, t: Array, size: int) -> Piece:
    """The known rows of the blocks of `size` rows that begin at `starts`."""
    blocks, block = np.unique(starts, return_inverse=True)
    if size == 1:
        visible = known[blocks][block] < t[query]
        return Piece(blocks, block, block + visible, query)
    rows = expand(blocks, np.full(len(blocks), size))
    number = np.repeat(np.arange(len(blocks)), size)
    rows = rows[np.lexsort((known[rows], number))]
    places = Places(number, known[rows])
    return Piece(rows, block * size, places.first(block, t[query]), query)


def merge_visible(algebra: Algebra, index: RangeIndex, visible: Visible) -> States:
    """The merged states of the rows that count for each query."""
    main = index.over(visible.lo, visible.hi)
    if not visible.pieces:
        return main
    parts, queries = [main], [np.arange(main.n, dtype=np.int64)]
    for piece in visible.pieces:
        filled = piece.lo < piece.hi
        if filled.any():
            own = RangeIndex(algebra, index.states.take(piece.rows))
            parts.append(own.over(piece.lo[filled], piece.hi[filled]))
            queries.append(piece.query[filled])
    if len(parts) == 1:
        return main
    query = np.concatenate(queries)
    by = np.argsort(query, kind="stable")
    return algebra.reduce(States.concat(parts).take(by), offsets_of(np.bincount(query, minlength=main.n)))
