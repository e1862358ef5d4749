"""Tiles as plain columns, which the rival layouts put together in their own ways, and back to tiles."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from headrace.aggregations.dictionary import Dictionary, SortedDictionary, order_within
from headrace.aggregations.states import States, offsets_of
from headrace.kernel.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.aggregations.states import Array, Field
    from headrace.kernel.plan import ViewPlan

NONE = 0xFFFFFFFF
"""The length of a text that is not there."""


class Columns(NamedTuple):
    """Tiles without a ragged state.

    Attributes:
        numbers: Time, then each field of each measure; of a coded field the lengths, uint32.
        texts: For each coded field, the bytes of each span of tiles.
    """

    numbers: list[Array]
    texts: list[list[bytes]]


def fields_of(plan: ViewPlan) -> list[tuple[int, int, Field]]:
    """(measure, place, field) of all fields, in the order of `Columns.numbers`."""
    if any(measure.algebra.entries for measure in plan.measures):
        raise NotImplementedError("the prototypes know no ragged states")
    return [
        (i, place, field)
        for i, measure in enumerate(plan.measures)
        for place, field in enumerate(measure.algebra.fixed)
    ]


def names_of(plan: ViewPlan) -> list[tuple[str, str]]:
    """Name and dtype of each column of numbers."""
    fields = [(f"{i}.{f.name}", "<u4" if f.coded else f.dtype) for i, _, f in fields_of(plan)]
    return [("time", "<i8"), *fields]


def columns_of(plan: ViewPlan, tiles: Rows, bounds: Array) -> Columns:
    """The columns of tiles; texts are cut at the bounds."""
    numbers: list[Array] = [tiles.time]
    texts = []
    for i, place, field in fields_of(plan):
        states = tiles.measures[i]
        if not field.coded:
            numbers.append(states.fixed[place])
            continue
        lengths, data, offsets = _texts(states, place)
        numbers.append(lengths)
        texts.append([bytes(data[a:b]) for a, b in pairwise(offsets[bounds].tolist())])
    return Columns(numbers, texts)


def _texts(states: States, place: int) -> tuple[Array, memoryview, Array]:
    """The lengths of a coded field, all its bytes, and where each row's begin."""
    codes, dictionary = states.fixed[place], states.dictionaries[place]
    lengths = np.full(len(codes), NONE, dtype=np.uint32)
    widths = np.zeros(len(codes), dtype=np.int64)
    data = memoryview(b"")
    if dictionary is not None:
        present = (codes >= 0) & (codes < len(dictionary))
        values = dictionary.take(codes[present]).cast(pa.large_binary()).to_pylist()
        widths[present] = [len(value) for value in values]
        lengths[present] = widths[present]
        data = memoryview(b"".join(values))
    return lengths, data, offsets_of(widths)


def rows_of(plan: ViewPlan, numbers: Sequence[Array], texts: Sequence[bytes], owner: Array) -> Rows:
    """The tiles of columns: one after another, each with its owner."""
    columns, dictionaries = _grouped(plan), _grouped(plan)
    coded = iter(texts)
    for (i, place, field), column in zip(fields_of(plan), numbers[1:], strict=True):
        dictionary: Dictionary | None = None
        values = column
        if field.coded:
            absent = int(plan.measures[i].algebra.zero(1).fixed[place][0])
            dictionary, values = _decoded(column, next(coded), absent, owner if field.order else None)
        columns[i].append(values)
        dictionaries[i].append(dictionary)
    measures = tuple(
        States(len(owner), tuple(own), None, (), tuple(theirs))
        for own, theirs in zip(columns, dictionaries, strict=True)
    )
    return Rows(owner, numbers[0], None, measures)


def _grouped(plan: ViewPlan) -> list[list[object]]:
    return [[] for _ in plan.measures]


def _decoded(
    lengths: Array, data: bytes, absent: int, owner: Array | None
) -> tuple[Dictionary | None, Array]:
    """The dictionary and codes of a coded field."""
    present = lengths != NONE
    codes = np.full(len(lengths), absent, dtype=np.int64)
    if not present.any():
        return None, codes
    offsets = offsets_of(lengths[present]).astype(np.int32)
    values = pa.Array.from_buffers(
        pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )
    found = SortedDictionary.encode(values) if owner is None else order_within(values, owner[present])
    codes[present] = found[1]
    return found[0], codes
