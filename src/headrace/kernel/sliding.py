"""Entries by key over ranges that slide: each entry is counted where it comes in and where it goes out.

An entity that is asked about often has ranges that overlap nearly everywhere. Pooling every range by itself
would sort an entry again for every question it answers. Here the entries of many ranges are counted once, in
a table of edges and keys: how much of each key lies before each edge. A range is the difference of two rows.
Only integers are subtracted, so that this is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headrace.aggregations.states import Array, States, lengths_of, offsets_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Run", "runs"]

SHARED = 4
"""How many ranges must hold an entry, on average, for counting to be worth it."""
LEAST = 1 << 14
"""How many entries must be spared, or the counting itself costs more."""
CELLS = 1 << 21
"""About how many numbers a table may have."""
FEWEST = 8
"""How many ranges a table serves at least, however many keys there are."""
CHEAPER = 12
"""How many numbers of a table cost as much as one entry that is pooled and sorted."""


class Run(NamedTuple):
    """Consecutive ranges `first` to `last` (excluded) that slide over the same entries."""

    first: int
    last: int


def runs(starts: Array, stops: Array) -> list[Run]:
    """The runs that are worth counting, ascending.

    Args:
        starts: Where each range begins.
        stops: Where it ends.
    """
    if int((stops - starts).sum()) < LEAST:  # as in nearly every request
        return []
    slides = (starts[1:] >= starts[:-1]) & (stops[1:] >= stops[:-1]) & (starts[1:] < stops[:-1])
    first = np.flatnonzero(np.append(True, ~slides))
    last = np.append(first[1:], len(starts))
    pooled = np.add.reduceat(stops - starts, first)
    worth = (pooled >= LEAST) & (pooled >= SHARED * (stops[last - 1] - starts[first]))
    return [Run(int(a), int(b)) for a, b in zip(first[worth], last[worth], strict=True)]


def counted(states: States, starts: Array, stops: Array) -> Iterator[tuple[int, States | None]]:
    """What the ranges of a run hold, a table at a time.

    Args:
        states: Entries of a key and of integers that add up.
        starts: Where each range begins among the entries, ascending.
        stops: Where it ends, ascending.

    Yields:
        How many of the ranges come next, and their entries, each key once and ascending, without flags. None
        for the entries where there are so many keys that pooling the ranges costs less.
    """
    low = int(starts[0])
    keys, codes = np.unique(states.entries[0][low : int(stops[-1])], return_inverse=True)
    step = max(CELLS // (3 * len(keys)), FEWEST)
    for first in range(0, len(starts), step):
        begin, end = starts[first : first + step], stops[first : first + step]
        inside = slice(int(begin[0]), int(end[-1]))
        within = codes[inside.start - low : inside.stop - low]
        present = np.flatnonzero(np.bincount(within, minlength=len(keys)))
        if len(present) * 3 * len(begin) > CHEAPER * int((end - begin).sum()):
            yield len(begin), None
            continue
        number = np.zeros(len(keys), dtype=np.int64)
        number[present] = np.arange(len(present))
        table = _Table(number[within], len(present), begin, end)
        columns = tuple(table.totals(column[inside]) for column in states.entries[1:])
        entries = (keys[present][table.key], *columns)
        yield len(begin), States(len(begin), (), table.offsets, entries, states.dictionaries)


class _Table:
    """How often each key lies in each of some ranges."""

    def __init__(self, codes: Array, keys: int, begin: Array, end: Array) -> None:
        """Count the entries.

        Args:
            codes: The key of each entry from the first range's begin to the last one's end.
            keys: How many there are.
            begin: Where each range begins.
            end: Where it ends.
        """
        edges, place = np.unique(np.concatenate([begin, end]), return_inverse=True)
        self._begin, self._end = place.reshape(2, -1)
        self._shape = (len(edges), keys)
        # An entry counts from the edge after it on.
        self._cells = codes + np.arange(1, len(edges)).repeat(lengths_of(edges)) * keys
        self._counts = self._over(np.bincount(self._cells, minlength=len(edges) * keys))
        (self._held,) = self._counts.nonzero()
        row, self.key = np.divmod(self._held, keys)
        self.offsets = offsets_of(np.bincount(row, minlength=len(begin)))

    def _over(self, cells: Array) -> Array:
        """The difference between the edges of each range, range after range."""
        before = cells.reshape(self._shape)
        before.cumsum(axis=0, out=before)
        found: Array = (before[self._end] - before[self._begin]).reshape(-1)
        return found

    def totals(self, column: Array) -> Array:
        """The sum of a column's integers for each key that a range holds."""
        if bool((column == 1).all()):
            return self._counts[self._held]
        cells = np.zeros(self._shape[0] * self._shape[1], dtype=np.int64)
        np.add.at(cells, self._cells, column)
        return self._over(cells)[self._held]
