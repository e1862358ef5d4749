"""The total order of events, by data only: (event_time, event_id if declared, known, bytes of all columns).

In a table sorted by it the order of an event is its position. Where states leave the table (for a store, for
another part) the position is replaced by the order key: bytes that compare as the order does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.aggregations.dictionary import hash_bytes
from headrace.kernel.row_bytes import row_bytes
from headrace.kernel.sorting import by_two
from headrace.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.aggregations.states import Array

__all__ = ["EventOrder", "instant_bytes", "order_keys", "sort_events"]


class EventOrder:
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
        return order_keys(rows, self._time[codes], self._known[codes], self._schema, self._event_id)

    def hashes(self) -> Array:
        """The hash of every key; asked by nobody, kept for the port's sake."""
        return hash_bytes(self.take(np.arange(len(self))).to_pylist())


def order_keys(rows: pa.Table, time: Array, known: Array, schema: Schema, event_id: str | None) -> pa.Array:
    """The order key of each row, Arrow binary."""
    parts = [instant_bytes(time)]
    if event_id is not None:
        parts.append(row_bytes(rows, Schema({event_id: schema[event_id]})))
    parts += [instant_bytes(known), row_bytes(rows, schema)]
    return pc.binary_join_element_wise(*parts, pa.scalar(b"", type=pa.binary()))


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

    Ties on (entity, event_time) are few, and only they are compared any further: by event id, then by known,
    then by the bytes of all columns, each only where all before it were equal.

    Args:
        entity: Entity codes.
        time: Event times.
        known: Known instants.
        table: The events' columns where the order beyond the event time matters, else None.
        schema: The source's schema.
        event_id: The column that identifies an event, if any.
    """
    by = by_two(entity, time)
    if table is None:
        return by

    def bytes_of(columns: Schema) -> Callable[[Array], Array]:
        def rank(rows: Array) -> Array:
            keys = row_bytes(table.select(list(columns)).take(pa.array(rows)), columns)
            ranks: Array = pc.rank(keys, tiebreaker="dense").to_numpy().astype(np.int64)
            return ranks

        return rank

    stages = [lambda rows: known[rows], bytes_of(schema)]
    if event_id is not None:
        stages.insert(0, bytes_of(Schema({event_id: schema[event_id]})))
    tied = (entity[by[1:]] == entity[by[:-1]]) & (time[by[1:]] == time[by[:-1]])
    for key in stages:
        if not tied.any():
            break
        tied = _settle(by, tied, key)
    return by


def _settle(by: Array, tied: Array, key: Callable[[Array], Array]) -> Array:
    """Sort tied neighbours by one more key, in place.

    Args:
        by: n rows, sorted but for ties.
        tied: Whether each but the first is tied with the one before it, n - 1.
        key: The key of some rows, int64.

    Returns:
        Which of them are tied still.
    """
    some = np.zeros(len(by), dtype=bool)
    some[1:] |= tied
    some[:-1] |= tied
    places = np.flatnonzero(some)
    group = np.cumsum(np.concatenate([[True], ~tied]))[places]
    values = key(by[places])
    order = by_two(group, values)
    by[places] = by[places][order]
    values = values[order]
    left = np.zeros(len(tied), dtype=bool)
    left[places[1:] - 1] = (group[1:] == group[:-1]) & (values[1:] == values[:-1])
    return left
