"""Algebras: the verbs of an aggregation's states.

An algebra is a small frozen value with `zero`, `lift`, `merge` and what derives from them. Law zero: for any
multiset of events and any split of it into parts, in any order, merging the parts' states equals the state of
the whole. Every engine, the stream and the online read call the same algebras; none computes an aggregation
by itself.

Three shapes, from the quickest to the freest:

* `Columnwise`: every field is reduced by a NumPy ufunc of its own (count, sum, min, max);
* `Fixed`: fixed-width states with a `merge` of two columns of states (moments, decay), `Chosen` where one of
  two survives (first, last);
* `Ragged`: states with entries and a `normalise` that brings pooled entries into canonical form (sets, maps,
  lists).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.states import Array, Events, Field, States, expand, lengths_of, offsets_of
from headrace.lazy import numpy as np

if TYPE_CHECKING:
    from headrace.schema import Type

__all__ = ["Algebra", "Chosen", "Columnwise", "Fixed", "Ragged", "reduce_groups", "storage"]


class Algebra(ABC):
    """States of one kind and their verbs.

    Implementations are frozen dataclasses: equal parameters, equal algebra.
    """

    fixed: tuple[Field, ...] = ()
    entries: tuple[Field, ...] = ()
    subtractable: ClassVar[bool] = False
    """Whether a merge can be undone exactly; only integer sums may say so."""
    needs_order: ClassVar[bool] = False
    """Whether `lift` reads the events' places in the total order."""

    @abstractmethod
    def zero(self, n: int) -> States:
        """N states of no event: the identity of `merge`."""

    @abstractmethod
    def lift(self, events: Events) -> States:
        """One state for each event; zero for those that do not count."""

    @abstractmethod
    def merge(self, left: States, right: States) -> States:
        """The states of the two sides' events together, row by row; both over the same dictionaries."""

    @abstractmethod
    def reduce(self, states: States, offsets: Array) -> States:
        """Merge consecutive rows: row i of the result merges rows `offsets[i]` to `offsets[i + 1]`."""


class Fixed(Algebra):
    """Fixed-width states with a merge of their own.

    An algebra that can reduce whole groups in one pass overrides `reduce`; the suites hold it to `merge`.
    """

    def reduce(self, states: States, offsets: Array) -> States:
        """Merge neighbours pairwise to one state for every group: log2 of the longest group rounds."""
        starts, lengths = offsets[:-1], lengths_of(offsets)
        while len(lengths) and lengths.max() > 1:
            halves = (lengths + 1) // 2
            place = expand(np.zeros_like(halves), halves)
            left = np.repeat(starts, halves) + 2 * place
            paired = 2 * place + 1 < np.repeat(lengths, halves)
            folded = [column[left] for column in states.fixed]
            both = self.merge(states.take(left[paired]), states.take(left[paired] + 1))
            for column, merged in zip(folded, both.fixed, strict=True):
                column[paired] = merged
            states = States(len(left), tuple(folded), None, (), states.dictionaries)
            starts, lengths = offsets_of(halves)[:-1], halves
        if len(lengths) and lengths.min() > 0:
            return states.take(starts)
        return self._or_zero(states, starts, lengths > 0)

    def _or_zero(self, states: States, rows: Array, present: Array) -> States:
        """The states at the rows, zero where absent."""
        result = self.zero(len(rows))
        columns = tuple(column.copy() for column in result.fixed)
        for column, own in zip(columns, states.fixed, strict=True):
            column[present] = own[rows[present]]
        return States(len(rows), columns, None, (), states.dictionaries)


class Columnwise(Fixed):
    """Fields that are reduced independently, each by a ufunc that has the field's zero as identity."""

    @property
    @abstractmethod
    def ufuncs(self) -> tuple[np.ufunc, ...]:
        """The ufunc of each field."""

    @property
    @abstractmethod
    def zeros(self) -> tuple[int | float, ...]:
        """The zero of each field."""

    def zero(self, n: int) -> States:
        """N states of no event."""
        return States(
            n,
            tuple(np.full(n, zero, field.dtype) for zero, field in zip(self.zeros, self.fixed, strict=True)),
        )

    def settled(self, states: States) -> States:
        """The states in canonical form, once their fields are reduced; as they are, unless said otherwise."""
        return states

    def merge(self, left: States, right: States) -> States:
        """Combine field by field."""
        columns = tuple(u(a, b) for u, a, b in zip(self.ufuncs, left.fixed, right.fixed, strict=True))
        return self.settled(States(left.n, columns, None, (), left.dictionaries))

    def reduce(self, states: States, offsets: Array) -> States:
        """Reduce each field over the groups; an empty group gets zero."""
        columns = tuple(
            reduce_groups(ufunc, column, offsets, zero)
            for ufunc, zero, column in zip(self.ufuncs, self.zeros, states.fixed, strict=True)
        )
        return self.settled(States(len(offsets) - 1, columns, None, (), states.dictionaries))


class Chosen(Fixed):
    """States of which one survives: the one whose key, the first field, a ufunc chooses.

    States of one key are one event's, so that it does not matter which of them is taken.
    """

    @property
    @abstractmethod
    def chooses(self) -> np.ufunc:
        """What chooses among keys: maximum or minimum."""

    @property
    @abstractmethod
    def nothing(self) -> int:
        """The key of no event: never chosen where there is another."""

    def merge(self, left: States, right: States) -> States:
        """The one that is chosen."""
        ours = self.chooses(left.fixed[0], right.fixed[0]) == left.fixed[0]
        columns = tuple(np.where(ours, a, b) for a, b in zip(left.fixed, right.fixed, strict=True))
        return States(left.n, columns, None, (), left.dictionaries)

    def reduce(self, states: States, offsets: Array) -> States:
        """The one that is chosen of each group."""
        key = states.fixed[0][: offsets[-1]]
        best = reduce_groups(self.chooses, key, offsets, self.nothing)
        # The first row of a group that holds its best key.
        own = key[offsets[0] :]
        (at,) = (own == best.repeat(lengths_of(offsets))).nonzero()
        at += offsets[0]
        found = at.searchsorted(offsets[:-1])
        return self._or_zero(
            states, at[np.minimum(found, len(at) - 1)] if len(at) else found, offsets[1:] > offsets[:-1]
        )

    def of_keys(self, states: States, keys: Array) -> States:
        """The states that have some keys; zero for `nothing`.

        Args:
            states: n states.
            keys: Keys that are among theirs, or `nothing`.
        """
        present = keys != self.nothing
        own = states.fixed[0]
        by = own.argsort(kind="stable")
        place = own.searchsorted(keys, sorter=by)
        if np.count_nonzero(present) == len(keys):
            return states.take(by[place])
        return self._or_zero(states, by[np.minimum(place, len(by) - 1)] if len(by) else place, present)


class Ragged(Algebra):
    """States with entries; the flags among their fixed fields are merged by OR."""

    additive: ClassVar[bool] = False
    """Whether an entry is a key and integers: pooled entries of equal key may then be added up."""

    def zero(self, n: int) -> States:
        """N states without entries."""
        return States(
            n,
            tuple(np.zeros(n, field.dtype) for field in self.fixed),
            np.zeros(n + 1, dtype=np.int64),
            tuple(np.zeros(0, field.dtype) for field in self.entries),
        )

    @abstractmethod
    def normalise(self, states: States) -> States:
        """Canonical form of pooled entries: sorted, combined, and no more than any later merge could need."""

    def narrow(self, states: States, starts: Array, stops: Array) -> tuple[Array, Array]:
        """The spans of entries that answer for `starts[i]` to `stops[i]`: all those, unless known better."""
        return starts, stops

    def merge(self, left: States, right: States) -> States:
        """Pool the two sides' entries row by row."""
        both = States.concat([left, right])
        rows = np.arange(left.n, dtype=np.int64)
        woven = both.take(np.stack([rows, rows + left.n], axis=1).reshape(-1))
        return self.reduce(woven, np.arange(0, 2 * left.n + 1, 2, dtype=np.int64))

    def reduce(self, states: States, offsets: Array) -> States:
        """Pool the entries of each group of rows."""
        assert states.offsets is not None  # noqa: S101 - ragged states have offsets by construction
        present = offsets[1:] > offsets[:-1]
        flags = []
        for column in states.fixed:
            merged = np.zeros(len(present), column.dtype)
            if present.any():
                merged[present] = np.maximum.reduceat(column[: offsets[-1]], offsets[:-1][present])
            flags.append(merged)
        low, high = states.offsets[offsets[0]], states.offsets[offsets[-1]]
        entries = tuple(column[low:high] for column in states.entries)
        pooled = States(
            len(present), tuple(flags), states.offsets[offsets] - low, entries, states.dictionaries
        )
        return self.normalise(pooled)

    @staticmethod
    def rows_of(states: States) -> Array:
        """The row each entry belongs to."""
        assert states.offsets is not None  # noqa: S101 - ragged states have offsets by construction
        return np.arange(states.n, dtype=np.int64).repeat(lengths_of(states.offsets))


def storage(of: Type, name: str = "value") -> Field:
    """The field that holds a value of a type: codes for text, float64 for doubles, int64 for all else."""
    if of.is_text:
        return Field(name, "<i8", coded=True)
    return Field(name, "<f8" if of.name == "double" else "<i8")


def reduce_groups(ufunc: np.ufunc, column: Array, offsets: Array, zero: float) -> Array:
    """A column reduced over consecutive groups of rows.

    Args:
        ufunc: What combines two values.
        column: n values.
        offsets: Group i is rows `offsets[i]` to `offsets[i + 1]`; ascending.
        zero: What an empty group gets.
    """
    starts = offsets[:-1]
    present = offsets[1:] > starts
    # reduceat's last group runs to the end of the array, which may lie past the last offset.
    inside = column[: offsets[-1]]
    some = np.count_nonzero(present)  # by far the quickest of all questions about booleans
    if some == len(starts) > 0:
        whole: Array = ufunc.reduceat(inside, starts)
        return whole
    reduced = np.full(len(starts), zero, column.dtype)
    if some:
        reduced[present] = ufunc.reduceat(inside, starts[present])
    return reduced
