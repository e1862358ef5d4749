"""Maps by key: one inner state for each value of a column.

State: entries (key, inner fields...), ascending by key, and a flag that says whether keys were dropped. While
a state has at most `max_keys` distinct keys its states are whole; beyond, every verb keeps those of smallest
(hash, key). A key among the smallest of the whole is among the smallest of every part that has it, so what is
kept is complete and does not depend on order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from headrace.aggregations.algebra import Fixed, Ragged
from headrace.aggregations.grouped import Grouped
from headrace.aggregations.states import (
    Array,
    Events,
    Field,
    Finished,
    States,
    Values,
    lengths_of,
    offsets_of,
)
from headrace.lazy import numpy as np

if TYPE_CHECKING:
    from headrace.aggregations.algebra import Algebra
    from headrace.aggregations.dictionary import Dictionary

__all__ = ["MAX_KEYS", "ByKey", "Maps"]

MAX_KEYS = 4096


@dataclass(frozen=True)
class ByKey(Grouped):
    """A map from key to the inner algebra's state, of at most so many keys.

    Attributes:
        max_keys: Distinct keys kept whole.
    """

    max_keys: int = MAX_KEYS
    fixed = (Field("truncated", "|u1"),)

    def normalise(self, states: States) -> States:
        """Merge entries of equal key; drop the keys of greatest (hash, key) beyond the limit."""
        whole = super().normalise(states)
        assert whole.offsets is not None  # noqa: S101 - ragged states have offsets by construction
        lengths = lengths_of(whole.offsets)
        if not len(lengths) or lengths.max() <= self.max_keys:
            return whole
        rows, keys = self.rows_of(whole), whole.entries[0]
        hashes = Values(keys, self.key, whole.dictionaries[1]).hashes()
        ranked = np.lexsort((keys, hashes, rows))
        place = np.empty(len(rows), dtype=np.int64)
        place[ranked] = np.arange(len(rows)) - np.repeat(whole.offsets[:-1], lengths)
        kept = place < self.max_keys
        truncated = whole.fixed[0] | (lengths > self.max_keys).astype(np.uint8)
        offsets = offsets_of(np.minimum(lengths, self.max_keys))
        entries = tuple(column[kept] for column in whole.entries)
        return States(whole.n, (truncated,), offsets, entries, whole.dictionaries)


@dataclass(frozen=True)
class _Joint(Fixed):
    """States of several algebras side by side, each merged by its own."""

    parts: tuple[Fixed, ...]

    @property
    def fixed(self) -> tuple[Field, ...]:  # type: ignore[override]
        """The fields of all parts."""
        return tuple(field for part in self.parts for field in part.fixed)

    def zero(self, n: int) -> States:
        """N times zero of every part."""
        return _beside([part.zero(n) for part in self.parts])

    def lift(self, events: Events) -> States:
        """The same events lifted by every part."""
        return _beside([part.lift(events) for part in self.parts])

    def merge(self, left: States, right: States) -> States:
        """Every part's merge."""
        pairs = zip(self.parts, self.split(left), self.split(right), strict=True)
        return _beside([part.merge(*both) for part, *both in pairs])

    def reduce(self, states: States, offsets: Array) -> States:
        """Every part's reduce."""
        pairs = zip(self.parts, self.split(states), strict=True)
        return _beside([part.reduce(own, offsets) for part, own in pairs])

    def split(self, states: States) -> tuple[States, ...]:
        """The states of each part."""
        found, at = [], 0
        for part in self.parts:
            own = slice(at, at + len(part.fixed))
            found.append(States(states.n, states.fixed[own], None, (), states.dictionaries[own]))
            at = own.stop
        return tuple(found)


def _beside(parts: list[States]) -> States:
    fixed = tuple(column for part in parts for column in part.fixed)
    return States(parts[0].n, fixed, None, (), tuple(each for part in parts for each in part.dictionaries))


class Maps(NamedTuple):
    """The maps of one or more measures over the same keys.

    Attributes:
        whole: The maps: flag, offsets, keys.
        inner: The states of each measure, one row for each entry.
    """

    whole: States
    inner: tuple[States, ...]

    @classmethod
    def of(cls, states: tuple[States, ...], algebras: tuple[Algebra, ...]) -> Maps:
        """The maps of measures with the same key column; a key that one of them lacks has its zero there."""
        keyed = [each for each in algebras if isinstance(each, ByKey)]
        if len(states) == 1 or _same_keys(states):
            return cls(states[0], tuple(a.of_entries(own) for a, own in zip(keyed, states, strict=True)))
        joint = _Joint(tuple(each.inner for each in keyed))
        algebra = ByKey(joint, keyed[0].key, keyed[0].max_keys)
        padded = []
        for place, (each, own) in enumerate(zip(keyed, states, strict=True)):
            beside = [part.zero(len(own.entries[0])) for part in joint.parts]
            beside[place] = each.of_entries(own)
            inner = _beside(beside)
            dictionaries = (*own.dictionaries[:2], *inner.dictionaries)
            padded.append(States(own.n, own.fixed, own.offsets, (own.entries[0], *inner.fixed), dictionaries))
        whole = padded[0]
        for other in padded[1:]:
            whole = algebra.merge(whole, other)
        return cls(whole, joint.split(algebra.of_entries(whole)))

    @property
    def lengths(self) -> Array:
        """How many keys each map has."""
        assert self.whole.offsets is not None  # noqa: S101 - maps have offsets by construction
        return lengths_of(self.whole.offsets)

    def finished(self, values: Finished) -> Finished:
        """The column of values finished entry by entry; one invalid entry makes its row invalid."""
        whole = self.whole
        truncated = whole.fixed[0].astype(bool)
        invalid = None
        if values.invalid is not None:
            invalid = np.zeros(whole.n, dtype=bool)
            invalid[Ragged.rows_of(whole)[values.invalid]] = True
        keys: Dictionary | None = whole.dictionaries[1]
        return values._replace(
            offsets=whole.offsets,
            keys=whole.entries[0],
            key_dictionary=keys,
            valid=None,
            valid_items=values.valid,
            invalid=invalid,
            partial=truncated if truncated.any() else None,
        )


def _same_keys(states: tuple[States, ...]) -> bool:
    first = states[0]
    return all(
        each.dictionaries[1] is first.dictionaries[1]
        and each.n == first.n
        and all(np.array_equal(a, b) for a, b in zip(_shape(each), _shape(first), strict=True))
        for each in states[1:]
    )


def _shape(maps: States) -> tuple[Array, ...]:
    assert maps.offsets is not None  # noqa: S101 - maps have offsets by construction
    return maps.offsets, maps.entries[0], maps.fixed[0]
