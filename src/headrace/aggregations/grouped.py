"""Entries by a key: what maps, counts of values, quantiles and histograms keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.aggregations.algebra import Fixed, Ragged, storage
from headrace.aggregations.states import Array, Events, Field, States, offsets_of
from headrace.lazy import numpy as np

if TYPE_CHECKING:
    from headrace.schema import Type

__all__ = ["Grouped", "ascending"]


def ascending(rows: Array, keys: Array) -> bool:
    """Whether keys ascend within their rows already, none twice."""
    return bool(((rows[1:] != rows[:-1]) | (keys[1:] > keys[:-1])).all())


@dataclass(frozen=True)
class Grouped(Ragged):
    """Entries (key, inner fields...), ascending by key: the inner algebra's state for each key.

    Attributes:
        inner: The algebra of each key's state.
        key: The keys' type.
    """

    inner: Fixed
    key: Type

    @property
    def needs_order(self) -> bool:  # type: ignore[override]
        """As the inner algebra has it."""
        return self.inner.needs_order

    @property
    def additive(self) -> bool:  # type: ignore[override]
        """As far as the inner states are sums of integers."""
        return self.inner.subtractable

    @property
    def entries(self) -> tuple[Field, ...]:  # type: ignore[override]
        """The key, then the inner state's fields."""
        return (storage(self.key, "key"), *self.inner.fixed)

    def lift(self, events: Events) -> States:
        """One entry for each event that counts; its first value is the key."""
        key, *values = events.values
        counts = events.counts
        inner = self.inner.lift(events._replace(values=tuple(values), counts=None))
        columns = (key.data, *inner.fixed)
        if counts is None:
            offsets = np.arange(events.n + 1, dtype=np.int64)
        else:
            offsets = offsets_of(counts)
            columns = tuple(column[counts] for column in columns)
        flags = tuple(np.zeros(events.n, field.dtype) for field in self.fixed)
        dictionaries = (*(None for _ in flags), key.dictionary, *inner.dictionaries)
        return States(events.n, flags, offsets, columns, dictionaries)

    def normalise(self, states: States) -> States:
        """Merge entries of equal key, ascending."""
        rows, keys, pooled = self.rows_of(states), states.entries[0], self.of_entries(states)
        if not ascending(rows, keys):
            by = np.lexsort((keys, rows))
            rows, keys, pooled = rows[by], keys[by], pooled.take(by)
        first = np.ones(len(rows), dtype=bool)
        first[1:] = (rows[1:] != rows[:-1]) | (keys[1:] != keys[:-1])
        starts = np.flatnonzero(first)
        merged = self.inner.reduce(pooled, np.append(starts, len(rows)))
        offsets = offsets_of(np.bincount(rows[starts], minlength=states.n))
        return States(states.n, states.fixed, offsets, (keys[starts], *merged.fixed), states.dictionaries)

    def of_entries(self, states: States) -> States:
        """The inner states, one row for each entry."""
        inner = states.entries[1:]
        return States(len(states.entries[0]), inner, None, (), states.dictionaries[len(self.fixed) + 1 :])
