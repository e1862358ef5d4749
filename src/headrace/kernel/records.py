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
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from headrace.aggregations.dictionary import Dictionary, OrderedWithin, SortedDictionary, order_within
from headrace.aggregations.states import Array, Field, States, lengths_of, offsets_of
from headrace.kernel.rows import Rows
from headrace.kernel.sections import cut, joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.kernel.plan import ViewPlan

__all__ = ["RecordFormat"]

_KINDS = {8: "i8", 4: "u4", 1: "u1"}
"""What fields of a width are read as."""
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
        """The fixed-width fields of a row, the widest first: those of one width are read as one matrix."""
        columns: list[tuple[str, str]] = [("time", "<i8")]
        if self.pending:
            columns.append(("known", "<i8"))
        for i, measure in enumerate(self.plan.measures):
            columns.extend((f"{i}.{f.name}", "<u4" if f.coded else f.dtype) for f in measure.algebra.fixed)
            if measure.algebra.entries:
                columns.append((f"{i}.n", "<u4"))
        return np.dtype(sorted(columns, key=lambda column: -np.dtype(column[1]).itemsize))

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
        columns = {"time": rows.time}
        if self.pending:
            columns["known"] = rows.time if rows.known is None else rows.known
        for i, (measure, states) in enumerate(zip(self.plan.measures, rows.measures, strict=True)):
            for place, (field, column) in enumerate(zip(measure.algebra.fixed, states.fixed, strict=True)):
                columns[f"{i}.{field.name}"] = texts[i, place].lengths if field.coded else column
            if measure.algebra.entries:
                columns[f"{i}.n"] = lengths_of(_offsets(states))
        return _cut(_filled(self._fixed, columns), bounds)

    def _entry_columns(self, i: int, states: States, texts: dict[tuple[int, int], _Text]) -> dict[str, Array]:
        algebra = self.plan.measures[i].algebra
        return {
            field.name: texts[i, place].lengths if field.coded else column
            for place, (field, column) in enumerate(
                zip(algebra.entries, states.entries, strict=True), start=len(algebra.fixed)
            )
        }

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
        counts = np.array([len(part) for part in parts_of[0]], dtype=np.int64) // self._fixed.itemsize
        owner = np.repeat(entity, counts)
        columns = self._columns(whole[0], len(owner))
        entries = {
            i: np.frombuffer(raw, dtype)
            for (i, dtype), raw in zip(self._entries.items(), whole[1:], strict=False)
        }
        texts = whole[1 + len(entries) :]
        # The tiles of one record follow each other in time, and so do the events they keep.
        ascending = not self.pending and len(set(entity.tolist())) == len(entity)
        places = range(len(self.plan.measures)) if measures is None else measures
        states = tuple(
            [
                _read(self._layouts[i], columns, entries.get(i), texts, owner, ascending=ascending)
                for i in places
            ]
        )
        return Rows(owner, columns[0], columns[1] if self.pending else None, states)

    def _columns(self, raw: bytes | memoryview, n: int) -> list[Array]:
        """The fixed-width fields of n rows, each a column of its own, in the order of `_fixed`."""
        columns: list[Array] = []
        step = self._fixed.itemsize
        for dtype, first, count in self._matrices:
            rows = np.empty((count, n), dtype)
            if n:
                rows[:] = np.ndarray((n, count), dtype, raw, first, (step, dtype.itemsize)).T
            columns.extend(rows)
        for place, dtype in self._views:
            columns[place] = columns[place].view(dtype)
        return columns

    @cached_property
    def _matrices(self) -> tuple[tuple[np.dtype[Any], int, int], ...]:
        """The fixed-width fields by width: what they are read as, where in a row they begin, how many."""
        found, first = [], 0
        widths = [self._fixed[name].itemsize for name in self._fixed.names or ()]
        for width, fields in groupby(widths):
            count = len(list(fields))
            found.append((np.dtype(f"<{_KINDS[width]}"), first, count))
            first += width * count
        return tuple(found)

    @cached_property
    def _views(self) -> tuple[tuple[int, np.dtype[Any]], ...]:
        """The fields that are of another type than they are read as: their places, their types."""
        read = [dtype for dtype, _, count in self._matrices for _ in range(count)]
        return tuple(
            (place, self._fixed[name])
            for place, name in enumerate(self._fixed.names or ())
            if self._fixed[name] != read[place]
        )

    @cached_property
    def _layouts(self) -> tuple[_Layout, ...]:
        """How the fields of each measure are read."""
        place = {name: at for at, name in enumerate(self._fixed.names or ())}
        text = {(i, at): section for section, (i, at, _) in enumerate(self._texts)}
        layouts = []
        for i, measure in enumerate(self.plan.measures):
            algebra = measure.algebra
            zero = algebra.zero(1)
            fixed = tuple(
                _Read(
                    field,
                    place[f"{i}.{field.name}"],
                    text.get((i, at), -1),
                    int(zero.fixed[at][0]) if field.coded else 0,
                )
                for at, field in enumerate(algebra.fixed)
            )
            entries = tuple(
                _Read(field, at, text.get((i, len(fixed) + at), -1), -1)
                for at, field in enumerate(algebra.entries)
            )
            layouts.append(_Layout(fixed, entries, place.get(f"{i}.n", -1)))
        return tuple(layouts)


def _read(
    layout: _Layout,
    columns: Sequence[Array],
    entries: Array | None,
    texts: Sequence[bytes | memoryview],
    owner: Array,
    *,
    ascending: bool,
) -> States:
    """The states of one measure.

    Args:
        layout: Its fields.
        columns: The fixed-width fields of all measures.
        entries: Its entries, a struct array; None where it has none.
        texts: The bytes of the coded fields of all measures.
        owner: The entity of each row.
        ascending: Whether places in the order of events ascend with the rows.
    """
    fixed, dictionaries = [], []
    for field, place, text, absent in layout.fixed:
        column, dictionary = columns[place], None
        if field.coded:
            whose = owner if field.order else None
            dictionary, column = _decode(column, texts[text], absent, whose, ascending=ascending)
        fixed.append(column)
        dictionaries.append(dictionary)
    if entries is None:
        return States(len(owner), tuple(fixed), None, (), tuple(dictionaries))
    offsets = offsets_of(columns[layout.lengths])
    listed = []
    for field, _, text, absent in layout.entries:
        column, dictionary = np.ascontiguousarray(entries[field.name]), None
        if field.coded:
            whose = owner.repeat(lengths_of(offsets)) if field.order else None
            dictionary, column = _decode(column, texts[text], absent, whose, ascending=False)
        listed.append(column)
        dictionaries.append(dictionary)
    return States(len(owner), tuple(fixed), offsets, tuple(listed), tuple(dictionaries))


class _Read(NamedTuple):
    """A field as it is read: where it lies, where its bytes lie if it is coded, the code of no value."""

    field: Field
    place: int
    text: int
    absent: int


class _Layout(NamedTuple):
    """The fields of a measure; where the numbers of entries lie."""

    fixed: tuple[_Read, ...]
    entries: tuple[_Read, ...]
    lengths: int


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
        ends, data = self._offsets[bounds].tolist(), bytes(self._data)
        return [data[a:b] for a, b in pairwise(ends)]


def _decode(
    lengths: Array, data: bytes | memoryview, absent: int, owner: Array | None, *, ascending: bool
) -> tuple[Dictionary | None, Array]:
    """The dictionary and codes of a coded field; with owners, values are compared within an owner only.

    Args:
        lengths: The length of each value, uint32.
        data: Their bytes.
        absent: The code of no value.
        owner: Whose each is; None where values are more than places in an order.
        ascending: Whether the values of an owner are known to ascend.
    """
    present = lengths != _NO_VALUE
    whole = np.count_nonzero(present) == len(present)
    sizes = lengths if whole else lengths[present]
    if not len(sizes):
        return None, np.full(len(lengths), absent, dtype=np.int64)

    def values() -> pa.Array:
        buffers = [None, pa.py_buffer(offsets_of(sizes).astype(np.int32)), pa.py_buffer(data)]
        return pa.Array.from_buffers(pa.binary(), len(sizes), buffers)

    dictionary: Dictionary
    if owner is None:
        dictionary, codes = SortedDictionary.encode(values())
    elif ascending:
        dictionary, codes = OrderedWithin(len(sizes), values), np.arange(len(sizes), dtype=np.int64)
    else:
        dictionary, codes = order_within(values(), owner if whole else owner[present])
    if whole:
        return dictionary, codes
    spread = np.full(len(lengths), absent, dtype=np.int64)
    spread[present] = codes
    return dictionary, spread


def _offsets(states: States) -> Array:
    assert states.offsets is not None  # noqa: S101 - ragged states have offsets by construction
    return states.offsets


def _filled(dtype: np.dtype[np.void], columns: Mapping[str, Array]) -> Array:
    packed = np.empty(len(next(iter(columns.values()))), dtype)
    for name, column in columns.items():
        packed[name] = column
    return packed


def _cut(packed: Array, bounds: Array) -> list[bytes]:
    """The bytes of consecutive spans of a struct array."""
    data = packed.tobytes()
    ends = (bounds * packed.dtype.itemsize).tolist()
    return [data[a:b] for a, b in pairwise(ends)]
