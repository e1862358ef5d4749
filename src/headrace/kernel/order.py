"""The total order of events, by data only: (event_time, known, event_id if declared, bytes of all columns).

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
from headrace.schema import Schema

if TYPE_CHECKING:
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
    parts = [instant_bytes(time), instant_bytes(known)]
    if event_id is not None:
        parts.append(row_bytes(rows, Schema({event_id: schema[event_id]})))
    parts.append(row_bytes(rows, schema))
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

    Ties on (entity, event_time) are few, and only they are compared any further.

    Args:
        entity: Entity codes.
        time: Event times.
        known: Known instants.
        table: The events' columns where the order beyond the event time matters, else None.
        schema: The source's schema.
        event_id: The column that identifies an event, if any.
    """
    by = _by_two(entity, time)
    if table is None or len(by) < 2:
        return by
    equal = (entity[by[1:]] == entity[by[:-1]]) & (time[by[1:]] == time[by[:-1]])
    if not equal.any():
        return by
    tied = np.zeros(len(by), dtype=bool)
    tied[1:] |= equal
    tied[:-1] |= equal
    places = np.flatnonzero(tied)
    group = np.cumsum(np.concatenate([[True], ~equal]))[places]
    rows = by[places]
    keys = order_keys(table.take(pa.array(rows)), time[rows], known[rows], schema, event_id)
    rank = pc.rank(keys, tiebreaker="dense").to_numpy()
    by[places] = rows[np.lexsort((rank, group))]
    return by


def _by_two(entity: Array, time: Array) -> Array:
    """A stable sort by (entity, time); packed into one key where both fit."""
    if not len(entity):
        return np.zeros(0, dtype=np.int64)
    low, span = int(time.min()), int(time.max()) - int(time.min()) + 1
    first, count = int(entity.min()), int(entity.max()) - int(entity.min()) + 1
    if span * count < 1 << 62:
        return np.argsort((entity - first) * span + (time - low), kind="stable")
    return np.lexsort((time, entity))
