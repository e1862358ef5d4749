"""Sections of a record: byte strings one after another, and what tells where each ends.

One section stands alone. More are led by a byte that says how wide a length is, and by the lengths of all
but the last, which ends with the record. So a reader cuts records without looking inside.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cut", "joined"]

_WIDTHS = {1: "B", 2: "H", 4: "I"}


def joined(sections: Sequence[Sequence[bytes]]) -> list[bytes]:
    """The records of n entities.

    Args:
        sections: For each section, that of each entity; at least one section.
    """
    if len(sections) == 1:
        return list(sections[0])
    tables = _tables(len(sections))
    return [_led(tables, parts) for parts in zip(*sections, strict=True)]


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


def _led(tables: dict[int, struct.Struct], parts: tuple[bytes, ...]) -> bytes:
    lengths = [len(part) for part in parts[:-1]]
    longest = max(lengths)
    width = 1 if longest < 1 << 8 else 2 if longest < 1 << 16 else 4
    return b"".join((bytes((width,)), tables[width].pack(*lengths), *parts))
