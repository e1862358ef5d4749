"""States as columns: what aggregations keep, many rows at once.

A `States` holds n states of one algebra as a struct of arrays. Fixed-width fields are arrays of length n; an
algebra whose states vary in size adds entries, an Arrow-like list: offsets of length n + 1 over entry arrays.
A field that is coded holds positions in a dictionary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from headrace.aggregations.dictionary import Array, Dictionary, hash_words, unify
from headrace.lazy import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.schema import Type

__all__ = ["Array", "Events", "Field", "Finished", "States", "Values", "expand", "lengths_of", "offsets_of"]


class Field(NamedTuple):
    """One column of a state.

    Attributes:
        name: What it holds.
        dtype: NumPy spelling of its width, little-endian: `<i8`, `<f8`, `<u8`, `|u1`.
        coded: Whether it holds codes into a dictionary.
        order: Whether the codes are only ever compared, and only within one entity: equal values then need
            not share a code.
    """

    name: str
    dtype: str
    coded: bool = False
    order: bool = False


class Values(NamedTuple):
    """One input column of an aggregation, no nulls where its row counts.

    Attributes:
        data: int64 (also for booleans, dates, timestamps, unscaled decimals and codes) or float64, length n.
        type: The column's type.
        dictionary: What the codes mean; None for numbers.
    """

    data: Array
    type: Type
    dictionary: Dictionary | None = None

    def hashes(self) -> Array:
        """A fixed 64-bit hash of each value, uint64."""
        if self.dictionary is not None:
            inside = np.clip(self.data, 0, max(len(self.dictionary) - 1, 0))
            return self.dictionary.hashes[inside] if len(self.dictionary) else inside.view(np.uint64)
        return hash_words(self.data)


class Events(NamedTuple):
    """What an algebra lifts: n events, of which those marked `counts` enter.

    Attributes:
        n: How many events.
        counts: Whether the event's filter is TRUE and its inputs are not null, bool; None where all count.
        values: The input columns.
        time: Event times, microseconds UTC.
        order: Places in the total order of events, codes of `orders`; None where no algebra asks.
        orders: The dictionary of order keys.
    """

    n: int
    counts: Array | None
    values: tuple[Values, ...]
    time: Array
    order: Array | None = None
    orders: Dictionary | None = None


class Finished(NamedTuple):
    """Finished values of one feature, n rows.

    Attributes:
        data: Values, or the items of all lists or maps one after another.
        valid: Which rows are not null; None for all.
        invalid: Which rows could not be answered and are null, for an overflow; None for none.
        partial: Which rows hold only part of the answer, as they were truncated; None for none.
        dictionary: What codes in `data` mean.
        offsets: Where each row's items start, for lists and maps.
        valid_items: Which items of lists and maps are not null, beside `data`; None for all.
        keys: The maps' keys, or the first members of lists of pairs, beside `data`.
        key_dictionary: What codes in `keys` mean.
        high: The upper 64 bits of 128-bit values, beside `data`.
    """

    data: Array
    valid: Array | None = None
    invalid: Array | None = None
    partial: Array | None = None
    dictionary: Dictionary | None = None
    offsets: Array | None = None
    valid_items: Array | None = None
    keys: Array | None = None
    key_dictionary: Dictionary | None = None
    high: Array | None = None


class States:
    """n states of one algebra, struct of arrays; never changed in place.

    Attributes:
        fixed: One array of length n for each fixed field.
        offsets: int64, length n + 1, where each state's entries start; None for fixed-width algebras.
        entries: One array for each entry field.
        dictionaries: For each fixed field, then each entry field, its dictionary or None.
    """

    __slots__ = ("dictionaries", "entries", "fixed", "n", "offsets")

    def __init__(
        self,
        n: int,
        fixed: tuple[Array, ...],
        offsets: Array | None = None,
        entries: tuple[Array, ...] = (),
        dictionaries: tuple[Dictionary | None, ...] | None = None,
    ) -> None:
        """Hold the columns."""
        self.n = n
        self.fixed = fixed
        self.offsets = offsets
        self.entries = entries
        self.dictionaries = dictionaries or (None,) * (len(fixed) + len(entries))

    def take(self, rows: Array) -> States:
        """The states at some rows, in their order."""
        fixed = tuple(column[rows] for column in self.fixed)
        if self.offsets is None:
            return States(len(rows), fixed, None, (), self.dictionaries)
        starts, lengths = self.offsets[rows], lengths_of(self.offsets)[rows]
        at = expand(starts, lengths)
        return States(
            len(rows),
            fixed,
            offsets_of(lengths),
            tuple(column[at] for column in self.entries),
            self.dictionaries,
        )

    def slice(self, start: int, stop: int) -> States:
        """The states of rows `start` to `stop`, without a copy."""
        fixed = tuple(column[start:stop] for column in self.fixed)
        if self.offsets is None:
            return States(stop - start, fixed, None, (), self.dictionaries)
        low, high = self.offsets[start], self.offsets[stop]
        entries = tuple(column[low:high] for column in self.entries)
        return States(stop - start, fixed, self.offsets[start : stop + 1] - low, entries, self.dictionaries)

    @staticmethod
    def concat(parts: Sequence[States]) -> States:
        """The states of all parts, one after another, over common dictionaries."""
        if len(parts) == 1:
            return parts[0]
        columns = [[*part.fixed, *part.entries] for part in parts]
        dictionaries = list(parts[0].dictionaries)
        for i, known in enumerate(dictionaries):
            if known is not None or any(part.dictionaries[i] is not None for part in parts):
                coded = [(part.dictionaries[i], own[i]) for part, own in zip(parts, columns, strict=True)]
                held = [(d, c) for d, c in coded if d is not None]
                dictionaries[i], recoded = unify(held)
                renewed = iter(recoded)
                for (dictionary, _), own in zip(coded, columns, strict=True):
                    if dictionary is not None:
                        own[i] = next(renewed)
        joined = [np.concatenate(column) for column in zip(*columns, strict=True)]
        width = len(parts[0].fixed)
        offsets = None
        if parts[0].offsets is not None:
            lengths = [lengths_of(part.offsets) for part in parts if part.offsets is not None]
            offsets = offsets_of(np.concatenate(lengths))
        n = sum(part.n for part in parts)
        return States(n, tuple(joined[:width]), offsets, tuple(joined[width:]), tuple(dictionaries))


def offsets_of(lengths: Array) -> Array:
    """Offsets, length n + 1, of lists with these lengths."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    lengths.cumsum(out=offsets[1:])
    return offsets


def lengths_of(offsets: Array) -> Array:
    """The lengths of lists with these offsets; what `np.diff` says, sooner."""
    lengths: Array = offsets[1:] - offsets[:-1]
    return lengths


def expand(starts: Array, lengths: Array) -> Array:
    """The positions `start, start + 1, ...` of every span, one span after another."""
    ends = lengths.cumsum()
    total = int(ends[-1]) if len(ends) else 0
    if not total:
        return np.zeros(0, dtype=np.int64)
    shift: Array = (starts - (ends - lengths)).repeat(lengths)
    shift += np.arange(total, dtype=np.int64)
    return shift
