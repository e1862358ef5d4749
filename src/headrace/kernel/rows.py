"""Rows: lifted states with an entity and a time, sorted; what every form of the kernel works on.

A raw event lifted by itself is a row; so is a tile, whose time is its start, and an event that waits for its
known instant. History, the stream's state and a request are the same thing to the kernel: rows, and instants
to ask at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.aggregations.dictionary import Dictionary, SortedDictionary
from headrace.aggregations.states import Array, Events, States, Values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.kernel.plan import ViewPlan
    from headrace.schema import Type

__all__ = ["Rows", "column_values", "lift", "mask"]


@dataclass(frozen=True)
class Rows:
    """States at (entity, time), ascending by both.

    Attributes:
        entity: Codes, int64, ascending.
        time: Event time of an event, start of a tile; int64 microseconds, ascending within an entity.
        known: The instant from which a row counts, int64; None where it is the row's time.
        measures: One `States` for each measure of the plan.
    """

    entity: Array
    time: Array
    known: Array | None
    measures: tuple[States, ...]

    def __len__(self) -> int:
        """How many rows."""
        return len(self.entity)

    def take(self, at: Array) -> Rows:
        """Some rows, in the order given (which must keep them sorted)."""
        known = None if self.known is None else self.known[at]
        return Rows(self.entity[at], self.time[at], known, tuple(each.take(at) for each in self.measures))

    def slice(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`, without a copy."""
        of = slice(start, stop)
        known = None if self.known is None else self.known[of]
        measures = tuple(each.slice(start, stop) for each in self.measures)
        return Rows(self.entity[of], self.time[of], known, measures)

    def in_order(self) -> Rows:
        """The rows sorted by entity and time."""
        return self.take(np.lexsort((self.time, self.entity)))

    @staticmethod
    def merged(parts: Sequence[Rows]) -> Rows:
        """The rows of several parts, sorted again."""
        entity = np.concatenate([part.entity for part in parts])
        time = np.concatenate([part.time for part in parts])
        known = None
        if any(part.known is not None for part in parts):
            known = np.concatenate([part.time if part.known is None else part.known for part in parts])
        columns = zip(*(part.measures for part in parts), strict=True)
        return Rows(entity, time, known, tuple(States.concat(column) for column in columns)).in_order()


def lift(
    plan: ViewPlan,
    columns: Mapping[str, pa.Array],
    conditions: Mapping[str, pa.Array],
    entity: Array,
    time: Array,
    known: Array | None,
    order: tuple[Array, Dictionary] | None,
) -> Rows:
    """Events, each lifted by itself.

    Args:
        plan: The view's plan.
        columns: The plan's input columns, n values each, in the events' order.
        conditions: For each of the plan's filters, whether it is TRUE, FALSE or null; n each.
        entity: Entity codes, ascending.
        time: Event times, ascending within an entity.
        known: Known instants, or None where they are the event times.
        order: Places in the total order and their dictionary, where the plan needs them.
    """
    n = len(entity)
    values: dict[str, Values] = {}
    present: dict[str, Array | None] = {}
    for name in plan.inputs:
        values[name], present[name] = column_values(columns[name], plan.columns[name])
    true = {where: mask(conditions[where]) for where in plan.conditions}
    places, orders = order if order is not None else (None, None)
    measures = []
    for measure in plan.measures:
        masks = [present[name] for name in measure.columns]
        if measure.where is not None:
            masks.append(true[measure.where])
        counts: Array | None = None
        for each in masks:
            if each is not None:
                counts = each if counts is None else counts & each
        own = tuple(values[name] for name in measure.columns)
        measures.append(measure.algebra.lift(Events(n, counts, own, time, places, orders)))
    return Rows(entity, time, known, tuple(measures))


def mask(condition: pa.Array) -> Array | None:
    """Where a condition is TRUE, bool; None where it is everywhere."""
    if condition.null_count:
        condition = pc.fill_null(condition, fill_value=False)
    true = condition.to_numpy(zero_copy_only=False)
    return None if true.all() else true


def column_values(column: pa.Array, of: Type) -> tuple[Values, Array | None]:
    """A column as the algebras read it, and where it is not null (None for everywhere)."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    valid = column.is_valid().to_numpy(zero_copy_only=False) if column.null_count else None
    if of.is_text:
        dictionary, codes = SortedDictionary.encode(column)
        return Values(codes, of, dictionary), valid
    return Values(_numbers(column, of), of), valid


def _numbers(column: pa.Array, of: Type) -> Array:
    if of.name == "decimal":
        # The low word of the 128-bit unscaled value: source decimals fit 64 bits.
        whole = column.cast(pa.decimal128(38, of.scale))
        words = np.frombuffer(whole.buffers()[1], dtype=np.int64)[
            whole.offset * 2 : (whole.offset + len(whole)) * 2
        ]
        return np.ascontiguousarray(words[0::2])
    if of.name == "bool":
        column = column.cast(pa.int64())
    elif of.name == "timestamp":
        column = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    elif of.name == "date":
        column = column.cast(pa.int32()).cast(pa.int64())
    elif of.name == "double":
        column = column.cast(pa.float64())
    if column.null_count:
        column = pc.fill_null(column, 0)
    numbers: Array = column.to_numpy(zero_copy_only=False)
    return numbers if of.name == "double" else numbers.astype(np.int64, copy=False)
