"""Sorting rows by integers: key and place packed into one word, for words sort quicker than places do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headrace.aggregations.states import offsets_of

if TYPE_CHECKING:
    from headrace.aggregations.states import Array

__all__ = ["begins", "by_keys", "found_in", "grouped", "repeated", "shared", "sorted_places"]


def sorted_places(keys: Array) -> Array:
    """The stable permutation that sorts n int64 keys."""
    if len(keys) < 2 or bool((keys[1:] >= keys[:-1]).all()):  # logs mostly lie in the order of time
        return np.arange(len(keys))
    low, bits = int(keys.min()), len(keys).bit_length()
    if int(keys.max()) - low >= 1 << (63 - bits):
        return np.argsort(keys, kind="stable")
    packed = (keys - low) << bits
    packed |= np.arange(len(keys))
    packed.sort()
    packed &= (1 << bits) - 1
    return packed


def by_keys(*keys: Array) -> Array:
    """The stable permutation that sorts rows by some int64 keys, by the first before all others."""
    by = sorted_places(keys[-1])
    for key in reversed(keys[:-1]):
        by = by[sorted_places(key[by])]
    return by


def begins(*keys: Array) -> Array:
    """Which of n rows sorted by some keys are the first of their kind: other than the row before, bool."""
    first = np.zeros(len(keys[0]), dtype=bool)
    first[:1] = True
    for key in keys:
        first[1:] |= key[1:] != key[:-1]
    return first


def shared(left: Array, right: Array) -> Array:
    """The hashes that are on both sides, ascending; either side has each once, ascending."""
    both = np.concatenate([left, right])
    both.sort(kind="stable")  # two runs: they are merged
    again: Array = both[1:] == both[:-1]
    return both[1:][again]


def found_in(hashes: Array, wanted: Array) -> Array:
    """Which of n hashes are among some, which are ascending; bool."""
    if not len(wanted):
        return np.zeros(len(hashes), dtype=bool)
    places = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
    found: Array = wanted[places] == hashes
    return found


def repeated(hashes: Array) -> Array:
    """The places of hashes that occur more than once, and perhaps a few others; equal ones side by side.

    Args:
        hashes: uint64; enough of their bits are compared to make a false alarm rare.
    """
    place = np.uint64((1 << len(hashes).bit_length()) - 1)
    packed = (hashes & ~place) | np.arange(len(hashes), dtype=np.uint64)
    packed.sort()
    same = (packed[1:] ^ packed[:-1]) <= place
    some = np.zeros(len(hashes), dtype=bool)
    some[1:] |= same
    some[:-1] |= same
    return (packed[some] & place).astype(np.int64)


def grouped(group: Array, count: int) -> tuple[Array, Array]:
    """Rows by group, in their own order within each, and where each group ends.

    Args:
        group: The group of each row, 0 to count - 1.
        count: How many groups there are.

    Returns:
        A permutation; count + 1 offsets into it.
    """
    ends = offsets_of(np.bincount(group, minlength=count))
    # Sorting keys of 16 bits is a radix sort: one pass over the rows.
    small = group.astype(np.uint16) if count <= np.iinfo(np.uint16).max else group
    return np.argsort(small, kind="stable"), ends
