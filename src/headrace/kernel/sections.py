"""Sections of a record: byte strings one after another, and what tells where each ends.

One section stands alone. More are led by a byte that says how wide a length is, and by the lengths of all
but the last, which ends with the record. So a reader cuts records without looking inside.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.aggregations.states import Array

__all__ = ["cut", "joined"]

_WIDTHS = {1: "B", 2: "H", 4: "I"}
_LARGEST = {width: 1 << 8 * width for width in _WIDTHS}


def joined(sections: Sequence[Sequence[bytes]]) -> list[bytes]:
    """The records of n entities.

    Args:
        sections: For each section, that of each entity; at least one section.
    """
    if len(sections) == 1:
        return list(sections[0])
    lengths = np.array([list(map(len, section)) for section in sections[:-1]]).T
    longest = lengths.max(axis=1, initial=0)
    if longest.max(initial=0) < _LARGEST[1]:
        return _led(1, lengths, sections)
    records: list[bytes] = [b""] * len(lengths)
    widths = np.where(longest < _LARGEST[1], 1, np.where(longest < _LARGEST[2], 2, 4))
    for width in _WIDTHS:
        at = np.flatnonzero(widths == width).tolist()
        some = [[section[place] for place in at] for section in sections]
        for place, record in zip(at, _led(width, lengths[at], some), strict=True):
            records[place] = record
    return records


def cut(records: Sequence[bytes | memoryview], count: int) -> list[list[bytes | memoryview]]:
    """For each of the sections, that of each record; the inverse of `joined`."""
    if count == 1:
        return [list(records)]
    tables = _tables(count)
    sections: list[list[bytes | memoryview]] = [[] for _ in range(count)]
    for record in records:
        table = tables[record[0]]
        at = 1 + table.size
        for section, length in zip(sections, table.unpack_from(record, 1), strict=False):
            section.append(record[at : at + length])
            at += length
        sections[-1].append(record[at:])
    return sections


@cache
def _tables(count: int) -> dict[int, struct.Struct]:
    return {width: struct.Struct(f"<{count - 1}{form}") for width, form in _WIDTHS.items()}


def _led(width: int, lengths: Array, sections: Sequence[Sequence[bytes]]) -> list[bytes]:
    """Records whose lengths are written in so many bytes."""
    table = np.empty(len(lengths), [("width", "u1"), ("lengths", f"<u{width}", lengths.shape[1:])])
    table["width"], table["lengths"] = width, lengths
    heads, size = table.tobytes(), table.itemsize
    led = [heads[at : at + size] for at in range(0, len(heads), size)]
    return list(map(b"".join, zip(led, *sections, strict=True)))
