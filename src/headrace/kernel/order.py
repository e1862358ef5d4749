"""The total order of events, by data only: (event_time, event_id if declared, known, bytes of all columns).

In a table sorted by it the order of an event is its position. Where states leave the table (for a store, for
another part) the position is replaced by the order key: bytes that compare as the order does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.aggregations.dictionary import Dictionary
from headrace.kernel.row_bytes import row_bytes, row_ranks
from headrace.kernel.sorting import begins, by_keys
from headrace.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.aggregations.states import Array

__all__ = ["EventOrder", "instant_bytes", "order_keys", "settle_ties", "sort_events"]


class EventOrder(Dictionary):
    """The dictionary of a sorted table's order keys: an event's code is its row; keys are made on demand."""

    def __init__(
        self, table: pa.Table, time: Array, known: Array, schema: Schema, event_id: str | None
    ) -> None:
        """Over a table sorted by the total order within each entity.

        Args:
            table: The events, with all columns of the source's schema.
            time: Their event times.
            known: Their known instants.
            schema: The source's schema.
            event_id: The column that identifies an event, if any.
        """
        self._table = table
        self._time = time
        self._known = known
        self._schema = schema
        self._event_id = event_id

    def __len__(self) -> int:
        """How many events there are."""
        return len(self._time)

    def take(self, codes: Array) -> pa.Array:
        """The order keys of some events."""
        rows = self._table.take(pa.array(codes, type=pa.int64()))
        return order_keys(rows, [self._time[codes]], self._known[codes], self._schema, self._event_id)


def _settling(schema: Schema, event_id: str | None) -> list[Schema | None]:
    """What settles a tie, the first that differs: columns, by their bytes; None stands for the known instant.

    This is the one place where the order of ties is written.
    """
    named = [] if event_id is None else [Schema({event_id: schema[event_id]})]
    rest = Schema({name: of for name, of in schema.items() if name != event_id})  # the id is equal by then
    return [*named, None, *([rest] if rest else [])]


def order_keys(
    rows: pa.Table, instants: Sequence[Array], known: Array, schema: Schema, event_id: str | None
) -> pa.Array:
    """The order key of each row, Arrow binary.

    Args:
        rows: n rows, with all columns of the schema.
        instants: What comes before all ties, n each: event times; for latest values, creation instants too.
        known: Known instants.
        schema: The source's schema.
        event_id: The column that identifies a row, if any.
    """
    ties = (
        instant_bytes(known) if columns is None else row_bytes(rows, columns)
        for columns in _settling(schema, event_id)
    )
    return pc.binary_join_element_wise(*map(instant_bytes, instants), *ties, pa.scalar(b"", type=pa.binary()))


def instant_bytes(at: Array) -> pa.Array:
    """Instants as eight bytes that compare as they do: big-endian, sign flipped."""
    raw = (at ^ np.int64(-(1 << 63))).astype(">i8").tobytes()
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(8), len(at), [None, pa.py_buffer(raw)]).cast(
        pa.binary()
    )


def sort_events(
    entity: Array, time: Array, known: Array, table: pa.Table | None, schema: Schema, event_id: str | None
) -> Array:
    """The permutation that sorts events by entity and event time; with a table, by the whole total order.

    Args:
        entity: Entity codes.
        time: Event times.
        known: Known instants.
        table: The events' columns where the order beyond the event time matters, else None.
        schema: The source's schema.
        event_id: The column that identifies an event, if any.
    """
    by = by_keys(entity, time)
    if table is not None:
        settle_ties(by, (entity, time), known, table, schema, event_id)
    return by


def settle_ties(
    by: Array, keys: Sequence[Array], known: Array, table: pa.Table, schema: Schema, event_id: str | None
) -> None:
    """Bring rows that are equal in their first keys into the total order, in place.

    Ties are few, and only they are compared any further, each time only those that are left.

    Args:
        by: Places of rows, sorted by the keys.
        keys: Those of all rows, int64.
        known: Known instants of all rows.
        table: All rows, with all columns of the schema.
        schema: The source's schema.
        event_id: The column that identifies a row, if any.
    """
    fresh = begins(*[key[by] for key in keys])
    for columns in _settling(schema, event_id):
        if fresh.all():
            return
        tied = ~fresh
        tied[:-1] |= ~fresh[1:]
        places = np.flatnonzero(tied)
        rows, group = by[places], np.cumsum(fresh[places])
        if columns is None:
            values = known[rows]
        else:
            values = row_ranks(table.select(list(columns)).take(pa.array(rows)), columns)
        order = by_keys(group, values)
        by[places] = rows[order]
        fresh[places] = begins(group, values[order])
