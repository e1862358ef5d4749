"""Maps by key: one inner state for each value of a column.

State: entries (key, inner fields...), ascending by key, and a flag that says whether keys were dropped. While
a state has at most `max_keys` distinct keys its states are whole; beyond, every verb keeps those of smallest
(hash, key). A key among the smallest of the whole is among the smallest of every part that has it, so what is
kept is complete and does not depend on order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.aggregations.algebra import Algebra, Columnwise, Ragged, storage
from headrace.aggregations.states import Events, Field, Finished, States, Values, offsets_of
from headrace.lazy import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.aggregations.base import Aggregation
    from headrace.schema import Type

__all__ = ["MAX_KEYS", "ByKey", "check_limit", "entries_as_states", "finish_map", "keyed"]

MAX_KEYS = 4096


@dataclass(frozen=True)
class ByKey(Ragged):
    """A map from key to the inner algebra's state.

    Attributes:
        inner: The algebra of each key's state.
        key: The key column's type.
        max_keys: Distinct keys kept whole.
    """

    inner: Columnwise
    key: Type
    max_keys: int = MAX_KEYS
    fixed = (Field("truncated", "|u1"),)

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
        dictionaries = (None, key.dictionary, *inner.dictionaries)
        return States(events.n, (np.zeros(events.n, np.uint8),), offsets, columns, dictionaries)

    def normalise(self, states: States) -> States:
        """Merge entries of equal key, ascending; drop the keys of greatest (hash, key) beyond the limit."""
        rows, keys = self.rows_of(states), states.entries[0]
        by = np.lexsort((keys, rows))
        rows, keys = rows[by], keys[by]
        first = np.ones(len(rows), dtype=bool)
        first[1:] = (rows[1:] != rows[:-1]) | (keys[1:] != keys[:-1])
        starts = np.flatnonzero(first)
        pooled = States(len(rows), tuple(column[by] for column in states.entries[1:]))
        merged = self.inner.reduce(pooled, np.append(starts, len(rows)))
        rows, keys = rows[starts], keys[starts]
        columns = (keys, *merged.fixed)
        (truncated,) = states.fixed
        lengths = np.bincount(rows, minlength=states.n)
        if len(lengths) and lengths.max() > self.max_keys:
            hashes = Values(keys, self.key, states.dictionaries[1]).hashes()
            ranked = np.lexsort((keys, hashes, rows))
            place = np.empty(len(rows), dtype=np.int64)
            place[ranked] = np.arange(len(rows)) - np.repeat(offsets_of(lengths)[:-1], lengths)
            kept = place < self.max_keys
            columns = tuple(column[kept] for column in columns)
            truncated = truncated | (lengths > self.max_keys).astype(np.uint8)
            lengths = np.minimum(lengths, self.max_keys)
        return States(states.n, (truncated,), offsets_of(lengths), columns, states.dictionaries)


def check_limit(of: Aggregation, max_keys: int) -> None:
    """Refuse a limit of keys that is none."""
    if not isinstance(max_keys, int) or max_keys < 1:
        raise of.error(
            f"max_keys={max_keys!r} keeps no key.",
            asked=max_keys,
            remedy="Give a whole number of at least 1.",
        )


def keyed(
    of: Aggregation, inner: Columnwise, columns: tuple[str, ...], types: Mapping[str, Type]
) -> tuple[Algebra, tuple[str, ...]]:
    """The algebra and columns of an aggregation that may be taken `by` a key."""
    by: str | None = getattr(of, "by", None)
    if by is None:
        return inner, columns
    return ByKey(inner, of.column_type(by, types), getattr(of, "max_keys", MAX_KEYS)), (by, *columns)


def finish_map(states: States, values: Finished) -> Finished:
    """The map column of values finished entry by entry; one invalid entry makes its row invalid."""
    truncated = states.fixed[0].astype(bool)
    invalid, reason = None, "truncated" if truncated.any() else ""
    if values.invalid is not None:
        invalid = np.zeros(states.n, dtype=bool)
        invalid[Ragged.rows_of(states)[values.invalid]] = True
        reason = values.reason
    return values._replace(
        offsets=states.offsets,
        keys=states.entries[0],
        key_dictionary=states.dictionaries[1],
        invalid=invalid,
        partial=truncated if truncated.any() else None,
        reason=reason,
    )


def entries_as_states(states: States) -> States:
    """The inner states of a map, one row for each entry."""
    return States(len(states.entries[0]), states.entries[1:])
