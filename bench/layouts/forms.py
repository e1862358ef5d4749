"""Layouts of one record for each entity: the present one and its rivals. Each is bytes of tiles, and back."""

from __future__ import annotations

import struct
import zlib
from abc import ABC, abstractmethod
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bench.layouts.columns import columns_of, names_of, rows_of
from headrace.kernel.records import RecordFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headrace.aggregations.states import Array
    from headrace.kernel.plan import ViewPlan
    from headrace.kernel.rows import Rows


class Form(ABC):
    """How the tiles of an entity become one record."""

    @abstractmethod
    def pack(self, tiles: Rows, bounds: Array) -> list[bytes]:
        """The records of consecutive spans of tiles."""

    @abstractmethod
    def unpack(self, records: Sequence[bytes]) -> Rows:
        """The tiles of records, owned by 0, 1, and so on."""


class Packed(Form):
    """The present layout: rows as structs, the bytes of texts behind them, one byte in front."""

    def __init__(self, plan: ViewPlan) -> None:
        """For a view."""
        self._form = RecordFormat(plan)

    def pack(self, tiles: Rows, bounds: Array) -> list[bytes]:
        """As the store has it."""
        return [b"\x02" + data for data in self._form.pack(tiles, bounds)]

    def unpack(self, records: Sequence[bytes]) -> Rows:
        """As a request reads it."""
        return self._form.unpack(
            [memoryview(data)[1:] for data in records], np.arange(len(records), dtype=np.int64)
        )


class ByColumn(Form):
    """A section for each field: how many tiles, then one column after another."""

    _COUNT = struct.Struct("<I")

    def __init__(self, plan: ViewPlan) -> None:
        """For a view."""
        self._plan = plan
        self._dtypes = [np.dtype(form) for _, form in names_of(plan)]

    def pack(self, tiles: Rows, bounds: Array) -> list[bytes]:
        """Columns are cut at the same places."""
        numbers, texts = columns_of(self._plan, tiles, bounds)
        counts = [self._COUNT.pack(b - a) for a, b in pairwise(bounds.tolist())]
        sections = [_cut(column.astype(of), bounds) for column, of in zip(numbers, self._dtypes, strict=True)]
        lengths = [[self._COUNT.pack(len(data)) for data in each] for each in texts]
        return [b"".join(parts) for parts in zip(counts, *sections, *lengths, *texts, strict=True)]

    def unpack(self, records: Sequence[bytes]) -> Rows:
        """Columns of all records are joined, each once."""
        counts = [self._COUNT.unpack_from(data)[0] for data in records]
        columns: list[list[bytes]] = [[] for _ in self._dtypes]
        coded = sum(of == np.uint32 for of in self._dtypes)
        texts: list[list[bytes]] = [[] for _ in range(coded)]
        table = struct.Struct(f"<{coded}I")
        for data, count in zip(records, counts, strict=True):
            at = self._COUNT.size
            for of, parts in zip(self._dtypes, columns, strict=True):
                parts.append(data[at : at + count * of.itemsize])
                at += count * of.itemsize
            ends = accumulate(table.unpack_from(data, at), initial=at + table.size)
            for parts, (start, stop) in zip(texts, pairwise(ends), strict=True):
                parts.append(data[start:stop])
        numbers = [
            np.frombuffer(b"".join(parts), of) for parts, of in zip(columns, self._dtypes, strict=True)
        ]
        owner = np.repeat(np.arange(len(records)), counts)
        return rows_of(self._plan, numbers, [b"".join(parts) for parts in texts], owner)


class Narrow(ByColumn):
    """As `ByColumn`; an integer is its distance from the least, in as few bytes as the farthest takes.

    A column is led by a byte: the width of the distances (0 where all values are equal) and the width of the
    least. Doubles are written once where all are equal, else as they are. Times are distances too.
    """

    _WIDE = 15

    def pack(self, tiles: Rows, bounds: Array) -> list[bytes]:
        """Widths are found for all records at once, a column after another."""
        numbers, texts = columns_of(self._plan, tiles, bounds)
        counts = [self._COUNT.pack(b - a) for a, b in pairwise(bounds.tolist())]
        sections = []
        for column, of in zip(numbers, self._dtypes, strict=True):
            whole = column.view(np.int64) if of.kind == "f" else column.astype(np.int64)
            sections.append(self._narrowed(whole, bounds, raw=of.kind == "f"))
        lengths = [[self._COUNT.pack(len(data)) for data in each] for each in texts]
        return [b"".join(parts) for parts in zip(counts, *sections, *lengths, *texts, strict=True)]

    def _narrowed(self, column: Array, bounds: Array, *, raw: bool) -> list[bytes]:
        starts, stops = bounds[:-1].tolist(), bounds[1:].tolist()
        least = np.minimum.reduceat(column, bounds[:-1])
        # Distances of more than 63 bits are written whole.
        farthest = np.maximum.reduceat(column, bounds[:-1]).astype(np.uint64) - least.astype(np.uint64)
        distance = column.view(np.uint64) - np.repeat(least, np.diff(bounds)).view(np.uint64)
        cast = {width: distance.astype(f"<u{width}").tobytes() for width in (1, 2, 4, 8)}
        made = []
        for start, stop, base, most in zip(starts, stops, least.tolist(), farthest.tolist(), strict=True):
            width = (
                0 if not most else 1 if most < 1 << 8 else 2 if most < 1 << 16 else 4 if most < 1 << 32 else 8
            )
            if raw and width:
                made.append(bytes([self._WIDE]) + column[start:stop].tobytes())
                continue
            size = (base.bit_length() + 8) // 8
            head = bytes([width | size << 4]) + base.to_bytes(size, "little", signed=True)
            made.append(head + cast[width][start * width : stop * width] if width else head)
        return made

    def unpack(self, records: Sequence[bytes]) -> Rows:
        """Each column of each record by itself: no two need have one width."""
        columns: list[list[Array]] = [[] for _ in self._dtypes]
        coded = sum(of == np.uint32 for of in self._dtypes)
        texts: list[list[bytes]] = [[] for _ in range(coded)]
        table = struct.Struct(f"<{coded}I")
        counts = []
        for data in records:
            (count,) = self._COUNT.unpack_from(data)
            counts.append(count)
            at = self._COUNT.size
            for parts in columns:
                at = self._column(data, at, count, parts)
            ends = accumulate(table.unpack_from(data, at), initial=at + table.size)
            for own, (start, stop) in zip(texts, pairwise(ends), strict=True):
                own.append(data[start:stop])
        numbers = []
        for parts, of in zip(columns, self._dtypes, strict=True):
            whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
            numbers.append(whole.view(np.float64) if of.kind == "f" else whole.astype(of, copy=False))
        owner = np.repeat(np.arange(len(records)), counts)
        return rows_of(self._plan, numbers, [b"".join(parts) for parts in texts], owner)

    def _column(self, data: bytes, at: int, count: int, into: list[Array]) -> int:
        head = data[at]
        at += 1
        if head == self._WIDE:
            into.append(np.frombuffer(data, np.int64, count, at))
            return at + 8 * count
        width, size = head & 15, head >> 4
        base = int.from_bytes(data[at : at + size], "little", signed=True)
        at += size
        column = np.full(count, base, np.int64)
        if width:
            column += np.frombuffer(data, f"<u{width}", count, at).astype(np.int64)
        into.append(column)
        return at + width * count


class Compressed(Form):
    """Another form's records, compressed one by one; four bytes say how long they are."""

    _LENGTH = struct.Struct("<I")

    def __init__(self, form: Form, codec: str) -> None:
        """With zlib (level 6), or a codec that Arrow has."""
        self._form = form
        self._shrink: Callable[[bytes], bytes]
        self._grow: Callable[[bytes, int], bytes]
        if codec == "zlib":
            self._shrink, self._grow = zlib.compress, lambda data, _: zlib.decompress(data)
        else:
            known = pa.Codec(codec)
            self._shrink = lambda data: known.compress(data, asbytes=True)
            self._grow = lambda data, size: known.decompress(data, size, asbytes=True)

    def pack(self, tiles: Rows, bounds: Array) -> list[bytes]:
        """Compressed."""
        packed = self._form.pack(tiles, bounds)
        return [self._LENGTH.pack(len(data)) + self._shrink(data) for data in packed]

    def unpack(self, records: Sequence[bytes]) -> Rows:
        """Decompressed."""
        grow, unpack_from = self._grow, self._LENGTH.unpack_from
        return self._form.unpack([grow(data[4:], unpack_from(data)[0]) for data in records])


def _cut(column: Array, bounds: Array) -> list[bytes]:
    data = memoryview(column.tobytes())
    return [bytes(data[a:b]) for a, b in pairwise((bounds * column.dtype.itemsize).tolist())]
