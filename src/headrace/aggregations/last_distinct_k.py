"""last_distinct_k: the newest k different values of a column, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.last_k import KOfOrder, Newest
from headrace.aggregations.states import States, expand, offsets_of
from headrace.lazy import numpy as np

if TYPE_CHECKING:
    from headrace.aggregations.states import Array

__all__ = ["LastDistinctK", "NewestDistinct"]


@dataclass(frozen=True)
class NewestDistinct(Newest):
    """State: the newest entry (order key, event time, value) of each of the k newest values, newest first.

    A value that is not among the newest k of a part has k newer ones there, and so in the whole.
    """

    def narrow(self, states: States, starts: Array, stops: Array) -> tuple[Array, Array]:
        """Where entries lie in the order of events, as many of the last as hold k different values."""
        order, values = states.entries[0], states.entries[2]
        if not bool((order[1:] >= order[:-1]).all()):
            return starts, stops
        found = starts.copy()
        (open_,) = (stops - starts > 2 * self.k).nonzero()
        reach = 2 * self.k
        while len(open_):
            begin = np.maximum(starts[open_], stops[open_] - reach)
            lengths = stops[open_] - begin
            at = expand(begin, lengths)
            rows = np.arange(len(open_)).repeat(lengths)
            different = np.bincount(rows[_fresh(rows, values[at])[1]], minlength=len(open_))
            enough = (different >= self.k) | (begin == starts[open_])
            found[open_[enough]] = begin[enough]
            open_ = open_[~enough]
            reach *= 4
        return found, stops

    def normalise(self, states: States) -> States:
        """Each value once, newest first, k at most."""
        assert states.offsets is not None  # noqa: S101 - ragged states have offsets by construction
        rows, order = self.rows_of(states), states.entries[0]
        newest_first = np.lexsort((-order, rows))
        by, fresh = _fresh(rows, states.entries[2][newest_first])
        kept = newest_first[by[fresh]]
        offsets = offsets_of(np.bincount(rows[kept], minlength=states.n))
        entries = tuple(column[kept] for column in states.entries)
        return super().normalise(States(states.n, (), offsets, entries, states.dictionaries))


def _fresh(rows: Array, values: Array) -> tuple[Array, Array]:
    """Entries by row and value, equal ones as they lie, and which of them are the first of their value."""
    by = np.lexsort((values, rows))
    fresh = np.ones(len(by), dtype=bool)
    fresh[1:] = (rows[by[1:]] != rows[by[:-1]]) | (values[by[1:]] != values[by[:-1]])
    return by, fresh


@dataclass(frozen=True)
class LastDistinctK(KOfOrder):
    """The newest k different values of a column, by when each came last, newest first.

    Attributes:
        column: The column; nulls are skipped.
        k: How many values, 1 to 1,000.
        timestamps: Whether the companion `{name}__ts` with the event time of each is wanted too.
    """

    kind: ClassVar[str] = "last_distinct_k"
    keeps: ClassVar[type[Newest]] = NewestDistinct
