"""Sorting rows by integers: key and place packed into one word, for words sort quicker than places do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from headrace.aggregations.states import Array

__all__ = ["by_two", "grouped", "repeated", "sorted_places"]


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


def by_two(major: Array, minor: Array) -> Array:
    """The stable permutation that sorts rows by (major, minor), int64 both."""
    by = sorted_places(minor)
    return by[sorted_places(major[by])]


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
    ends = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.bincount(group, minlength=count), out=ends[1:])
    # Sorting keys of 16 bits is a radix sort: one pass over the rows.
    small = group.astype(np.uint16) if count <= np.iinfo(np.uint16).max else group
    return np.argsort(small, kind="stable"), ends
