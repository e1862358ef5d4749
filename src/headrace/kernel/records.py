"""Rows as bytes: one packed record for each entity, many entities at a time.

A record is the concatenation of sections: the fixed-width fields of all rows as one packed struct array,
then for each measure with entries their struct array, then the bytes of every field that has no width of
its own. They are told apart without a look inside (`sections.py`), so that a reader decodes a section of
all records at once. Codes do not leave the process: a coded field is written as its value's length, its
bytes go to its own section.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from headrace.aggregations.dictionary import Dictionary, SortedDictionary, order_within
from headrace.aggregations.states import Array, Field, States, lengths_of, offsets_of
from headrace.kernel.rows import Rows
from headrace.kernel.sections import cut, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.kernel.plan import ViewPlan

__all__ = ["RecordFormat"]

_NO_VALUE = 0xFFFFFFFF
"""The length written for a coded field that holds no value."""


@dataclass(frozen=True)
class RecordFormat:
    """How the rows of a view are written.

    Attributes:
        plan: The view's plan.
        pending: Whether rows carry a known instant of their own (events that wait). Tiles need none: they
            hold what is known, and begin before any instant that may be asked at.
    """

    plan: ViewPlan
    pending: bool = False

    @cached_property
    def _fixed(self) -> np.dtype[np.void]:
        columns: list[tuple[str, str]] = [("time", "<i8")]
        if self.pending:
            columns.append(("known", "<i8"))
        for i, measure in enumerate(self.plan.measures):
            columns.extend((f"{i}.{f.name}", "<u4" if f.coded else f.dtype) for f in measure.algebra.fixed)
            if measure.algebra.entries:
                columns.append((f"{i}.n", "<u4"))
        return np.dtype(columns)

    @cached_property
    def _entries(self) -> dict[int, np.dtype[np.void]]:
        return {
            i: np.dtype([(f.name, "<u4" if f.coded else f.dtype) for f in m.algebra.entries])
            for i, m in enumerate(self.plan.measures)
            if m.algebra.entries
        }

    @cached_property
    def _texts(self) -> tuple[tuple[int, int, Field], ...]:
        """(measure, place among its fields, field) of every coded field."""
        return tuple(
            (i, place, field)
            for i, m in enumerate(self.plan.measures)
            for place, field in enumerate((*m.algebra.fixed, *m.algebra.entries))
            if field.coded
        )

    def pack(self, rows: Rows, bounds: Array) -> list[bytes]:
        """The records of consecutive spans of rows.

        Args:
            rows: Sorted rows.
            bounds: Where the spans start and end, ascending, length of the result + 1.
        """
        texts = {(i, place): _Text(rows.measures[i], place) for i, place, _ in self._texts}
        sections = [self._pack_fixed(rows, texts, bounds)]
        entry_bounds = {}
        for i, dtype in self._entries.items():
            states = rows.measures[i]
            entry_bounds[i] = _offsets(states)[bounds]
            sections.append(_cut(_filled(dtype, self._entry_columns(i, states, texts)), entry_bounds[i]))
        for i, place, _ in self._texts:
            in_entries = place >= len(self.plan.measures[i].algebra.fixed)
            sections.append(texts[i, place].cut(entry_bounds[i] if in_entries else bounds))
        return joined(sections)

    def _pack_fixed(self, rows: Rows, texts: dict[tuple[int, int], _Text], bounds: Array) -> list[bytes]:
        columns = [rows.time]
        if self.pending:
            columns.append(rows.time if rows.known is None else rows.known)
        for i, (measure, states) in enumerate(zip(self.plan.measures, rows.measures, strict=True)):
            for place, (field, column) in enumerate(zip(measure.algebra.fixed, states.fixed, strict=True)):
                columns.append(texts[i, place].lengths if field.coded else column)
            if measure.algebra.entries:
                columns.append(lengths_of(_offsets(states)))
        return _cut(_filled(self._fixed, columns), bounds)

    def _entry_columns(self, i: int, states: States, texts: dict[tuple[int, int], _Text]) -> list[Array]:
        algebra = self.plan.measures[i].algebra
        return [
            texts[i, place].lengths if field.coded else column
            for place, (field, column) in enumerate(
                zip(algebra.entries, states.entries, strict=True), start=len(algebra.fixed)
            )
        ]

    def unpack(
        self,
        records: Sequence[bytes | memoryview],
        entity: Array,
        measures: Sequence[int] | None = None,
    ) -> Rows:
        """The rows of records, one record after another.

        Args:
            records: As `pack` made them.
            entity: The entity code of each record.
            measures: The measures to read, by their places; None for all.
        """
        parts_of = cut(records, 1 + len(self._entries) + len(self._texts))
        whole = [parts[0] if len(parts) == 1 else b"".join(parts) for parts in parts_of]
        fixed = np.frombuffer(whole[0], self._fixed)
        counts = np.array([len(part) for part in parts_of[0]], dtype=np.int64) // self._fixed.itemsize
        entries = {
            i: np.frombuffer(raw, dtype)
            for (i, dtype), raw in zip(self._entries.items(), whole[1:], strict=False)
        }
        texts = dict(zip(((i, place) for i, place, _ in self._texts), whole[1 + len(entries) :], strict=True))
        owner = np.repeat(entity, counts)
        places = range(len(self.plan.measures)) if measures is None else measures
        states = tuple(self._states(i, fixed, entries.get(i), texts, owner) for i in places)
        time = np.ascontiguousarray(fixed["time"])
        known = np.ascontiguousarray(fixed["known"]) if self.pending else None
        return Rows(owner, time, known, states)

    @cached_property
    def _layouts(self) -> tuple[_Layout, ...]:
        """How the fields of each measure are read."""
        layouts = []
        for i, measure in enumerate(self.plan.measures):
            algebra = measure.algebra
            zero = algebra.zero(1)
            fixed = [
                _Read(f"{i}.{field.name}", field, int(zero.fixed[place][0]) if field.coded else 0)
                for place, field in enumerate(algebra.fixed)
            ]
            layouts.append(
                _Layout(tuple(fixed), tuple(_Read(field.name, field, -1) for field in algebra.entries))
            )
        return tuple(layouts)

    def _states(
        self,
        i: int,
        fixed: Array,
        entries: Array | None,
        texts: dict[tuple[int, int], bytes | memoryview],
        owner: Array,
    ) -> States:
        layout = self._layouts[i]
        columns: list[Array] = []
        dictionaries: list[Dictionary | None] = []

        def read(of: _Read, raw: Array, whose: Array) -> None:
            """The next field."""
            if of.field.coded:
                data = texts[i, len(columns)]
                dictionary, codes = _decode(raw, data, of.absent, whose if of.field.order else None)
                columns.append(codes)
                dictionaries.append(dictionary)
            else:
                columns.append(np.ascontiguousarray(raw))
                dictionaries.append(None)

        for each in layout.fixed:
            read(each, fixed[each.name], owner)
        width, offsets = len(columns), None
        if entries is not None:
            offsets = offsets_of(fixed[f"{i}.n"])
            whose = np.repeat(owner, lengths_of(offsets))
            for each in layout.entries:
                read(each, entries[each.name], whose)
        return States(
            len(fixed), tuple(columns[:width]), offsets, tuple(columns[width:]), tuple(dictionaries)
        )


class _Read(NamedTuple):
    """A field as it is read: its name in the record, the field, the code where it holds no value."""

    name: str
    field: Field
    absent: int


class _Layout(NamedTuple):
    """The fields of a measure."""

    fixed: tuple[_Read, ...]
    entries: tuple[_Read, ...]


class _Text:
    """A coded field as lengths and bytes."""

    def __init__(self, states: States, place: int) -> None:
        codes = (*states.fixed, *states.entries)[place]
        dictionary = states.dictionaries[place]
        size = len(dictionary) if dictionary is not None else 0
        present = (codes >= 0) & (codes < size)
        self.lengths = np.full(len(codes), _NO_VALUE, dtype=np.uint32)
        self._offsets = np.zeros(len(codes) + 1, dtype=np.int64)
        self._data = memoryview(b"")
        if dictionary is not None and present.any():
            values = dictionary.take(codes[present])
            offsets = np.frombuffer(values.buffers()[1], dtype=np.int32)[
                values.offset : values.offset + len(values) + 1
            ]
            sizes = lengths_of(offsets)
            self.lengths[present] = sizes
            widths = np.zeros(len(codes), dtype=np.int64)
            widths[present] = sizes
            self._offsets = offsets_of(widths)
            self._data = (
                memoryview(values.buffers()[2])[offsets[0] : offsets[-1]] if offsets[-1] else memoryview(b"")
            )

    def cut(self, bounds: Array) -> list[bytes]:
        """The bytes of consecutive spans of values."""
        ends = self._offsets[bounds].tolist()
        return [bytes(self._data[a:b]) for a, b in pairwise(ends)]


def _decode(
    lengths: Array, data: bytes | memoryview, absent: int, owner: Array | None
) -> tuple[Dictionary | None, Array]:
    """The dictionary and codes of a coded field; with owners, values are compared within an owner only."""
    present = lengths != _NO_VALUE
    codes = np.full(len(lengths), absent, dtype=np.int64)
    if not present.any():
        return None, codes
    sizes = lengths[present]
    offsets = offsets_of(sizes).astype(np.int32)
    values = pa.Array.from_buffers(pa.binary(), len(sizes), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    encoded = SortedDictionary.encode(values) if owner is None else order_within(values, owner[present])
    codes[present] = encoded[1]
    return encoded[0], codes


def _offsets(states: States) -> Array:
    assert states.offsets is not None  # noqa: S101 - ragged states have offsets by construction
    return states.offsets


def _filled(dtype: np.dtype[np.void], columns: Sequence[Array]) -> Array:
    packed = np.empty(len(columns[0]), dtype)
    for name, column in zip(dtype.names or (), columns, strict=True):
        packed[name] = column
    return packed


def _cut(packed: Array, bounds: Array) -> list[bytes]:
    """The bytes of consecutive spans of a struct array."""
    data = memoryview(packed.tobytes())
    ends = (bounds * packed.dtype.itemsize).tolist()
    return [bytes(data[a:b]) for a, b in pairwise(ends)]
