"""Dictionaries: values without a fixed width, held once and named by integer codes.

Strings, bytes and order keys enter state columns as codes into a sorted dictionary, so that comparing codes
is comparing values and every verb of an algebra works on integers alone.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from headrace.lazy import compute as pc
from headrace.lazy import numpy as np
from headrace.lazy import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Array: TypeAlias = np.ndarray[tuple[int], np.dtype[Any]]
else:
    Array = Any

__all__ = [
    "Array",
    "Dictionary",
    "OrderedWithin",
    "SortedDictionary",
    "distinct",
    "hash_bytes",
    "hash_words",
    "order_within",
    "unify",
]

_WORD = 8


class Dictionary(ABC):
    """Values in ascending byte order; the code of a value is its position."""

    @abstractmethod
    def __len__(self) -> int:
        """How many values there are."""

    @abstractmethod
    def take(self, codes: Array) -> pa.Array:
        """The values of the codes, an Arrow binary array of the same length."""

    @cached_property
    def hashes(self) -> Array:
        """The 64-bit hash of every value, uint64."""
        return hash_bytes(self.take(np.arange(len(self))).to_pylist())


class SortedDictionary(Dictionary):
    """A dictionary over an Arrow binary array, sorted and without repetition."""

    def __init__(self, values: pa.Array) -> None:
        """Wrap values that are sorted and unique already; use `encode` for any others."""
        self.values = values

    @classmethod
    def encode(cls, values: pa.Array) -> tuple[SortedDictionary, Array]:
        """The dictionary of some values and each value's code, int64; nulls get -1."""
        coded = pc.dictionary_encode(_binary(values))
        by = _ascending(coded.dictionary)
        code = np.empty(len(by), dtype=np.int64)
        code[by] = np.arange(len(by))
        places = coded.indices.to_numpy(zero_copy_only=False) if not coded.null_count else None
        if places is None:
            code = np.append(code, -1)
            places = pc.fill_null(coded.indices, len(by)).to_numpy()
        return cls(coded.dictionary.take(pa.array(by))), code[places]

    def __len__(self) -> int:
        """How many values there are."""
        return len(self.values)

    def take(self, codes: Array) -> pa.Array:
        """The values of the codes."""
        return self.values.take(pa.array(codes, type=pa.int64()))


class OrderedWithin(Dictionary):
    """A dictionary whose values ascend within each owner only; a code is a place in that order."""

    def __init__(self, n: int, values: Callable[[], pa.Array], by: Array | None = None) -> None:
        """Over n values.

        Args:
            n: How many.
            values: Makes them, for most often nobody asks: an Arrow binary array.
            by: The permutation that brings them into order; None where they are in it.
        """
        self._n = n
        self._make = values
        self._by = by

    @cached_property
    def _values(self) -> pa.Array:
        return self._make()

    def __len__(self) -> int:
        """How many values there are."""
        return self._n

    def take(self, codes: Array) -> pa.Array:
        """The values of the codes."""
        at = codes if self._by is None else self._by[codes]
        return self._values.take(pa.array(at, type=pa.int64()))


def order_within(values: pa.Array, owner: Array) -> tuple[Dictionary, Array]:
    """A dictionary in which codes compare as values do, within each owner; and each value's code, int64.

    Order keys begin with the event time, so their first eight bytes settle nearly every comparison, and most
    often they come in order: what is read for a request is then not sorted at all.

    Args:
        values: n values, Arrow binary without null and not sliced.
        owner: Whose each is, n integers.
    """
    words = _leading_words(values)
    if words is None:
        return SortedDictionary.encode(values)
    same = owner[1:] == owner[:-1]
    if (~same | (words[1:] > words[:-1])).all() and (same | (owner[1:] > owner[:-1])).all():
        return OrderedWithin(len(values), lambda: values), np.arange(len(values), dtype=np.int64)
    by = np.lexsort((words, owner))
    _settle(by, values, words, owner)
    codes = np.empty(len(by), dtype=np.int64)
    codes[by] = np.arange(len(by))
    return OrderedWithin(len(by), lambda: values, by), codes


def _leading_words(values: pa.Array) -> Array | None:
    """The first eight bytes of each value as a word, uint64 that compares as they do.

    Args:
        values: n values, Arrow binary without null and not sliced.

    Returns:
        n words; None if some value is shorter.
    """
    offsets = np.frombuffer(values.buffers()[1], dtype=np.int32)[: len(values) + 1]
    if not len(values) or int(np.diff(offsets).min()) < _WORD:
        return None
    at_any_byte = np.ndarray(
        (offsets[-1] - _WORD + 1,), dtype=">u8", buffer=values.buffers()[2], strides=(1,)
    )
    words: Array = at_any_byte[offsets[:-1]].astype(np.uint64)
    return words


def _settle(by: Array, values: pa.Array, *keys: Array) -> None:
    """Bring values that are equal in some keys, by which they are sorted, into their own order, in place."""
    equal = np.logical_and.reduce([key[by[1:]] == key[by[:-1]] for key in keys])
    if not equal.any():
        return
    tied = np.append(equal, False) | np.append(False, equal)
    rows = by[tied]
    rank = pc.rank(values.take(pa.array(rows)), tiebreaker="dense").to_numpy()
    by[tied] = rows[np.lexsort((rank, *(key[rows] for key in keys)))]


def _ascending(values: pa.Array) -> Array:
    """The permutation that sorts values, Arrow binary without null."""
    words = _leading_words(values)
    if words is None:
        by: Array = pc.sort_indices(values).to_numpy().astype(np.int64)
        return by
    by = np.argsort(words)
    _settle(by, values, words)
    return by


def hash_bytes(values: Sequence[bytes]) -> Array:
    """A fixed 64-bit hash of byte strings (BLAKE2b), uint64; the same on every machine and version."""
    digest = hashlib.blake2b
    joined = b"".join([digest(value, digest_size=8).digest() for value in values])
    return np.frombuffer(joined, dtype="<u8")


def hash_words(words: Array) -> Array:
    """A fixed 64-bit hash of 64-bit words: the finalizer of SplitMix64 (Steele, Lea, Flood 2014), uint64."""
    x = words.view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def distinct(words: Array) -> Array:
    """Each of some integers once, ascending; `np.unique` fills a table, which takes many times as long."""
    ordered = np.sort(words)
    first = np.ones(len(ordered), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first]


def unify(parts: Sequence[tuple[Dictionary, Array]]) -> tuple[Dictionary, list[Array]]:
    """One dictionary for columns coded by several.

    Args:
        parts: A dictionary and a column of its codes; codes outside it are sentinels and stay as they are.

    Returns:
        The dictionary of all values in use, and the columns in its codes.
    """
    first = parts[0][0]
    if all(dictionary is first for dictionary, _ in parts):
        return first, [codes for _, codes in parts]
    used, values = [], []
    for dictionary, codes in parts:
        present = distinct(codes)
        present = present[(present >= 0) & (present < len(dictionary))]
        used.append(present)
        values.append(_binary(dictionary.take(present)))
    merged, places = SortedDictionary.encode(pa.concat_arrays(values))
    recoded, at = [], 0
    for (dictionary, codes), present in zip(parts, used, strict=True):
        inside = (codes >= 0) & (codes < len(dictionary))
        mapped = codes.copy()
        mapped[inside] = places[at : at + len(present)][np.searchsorted(present, codes[inside])]
        recoded.append(mapped)
        at += len(present)
    return merged, recoded


def _binary(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return whole.cast(pa.binary()) if whole.type != pa.binary() else whole
