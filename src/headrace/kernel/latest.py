"""Latest values: the as-of join of the newest row known before t.

Rows are ordered by (event_time, created_at, event_id, known, bytes), of which a source may have no created_at
and no event_id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.aggregations.extreme import Extreme
from headrace.aggregations.states import Array, States
from headrace.kernel.clean import KNOWN, TIME
from headrace.kernel.order import instant_bytes
from headrace.kernel.place import Places, entity_chunks
from headrace.kernel.row_bytes import row_bytes
from headrace.kernel.sorting import by_two, sorted_places
from headrace.kernel.visible import Knowledge, Zones
from headrace.schema import INT64, Schema
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["created_instants", "latest_keys", "latest_rows", "sort_latest"]

_NEWEST = Extreme(INT64, greatest=True)
_NOTHING = pa.scalar(b"", type=pa.binary())


def sort_latest(
    entity: Array,
    time: Array,
    created: Array | None,
    known: Array,
    table: pa.Table,
    schema: Schema,
    event_id: str | None = None,
) -> Array:
    """The rows by entity and the order of latest values.

    Args:
        entity: Entity codes; rows of nobody (-1) are left out.
        time: Event times.
        created: Creation instants, where the source has them.
        known: Known instants.
        table: The rows, with all columns of the schema; only ties read it.
        schema: The source's schema.
        event_id: The column that identifies a row, if any.

    Returns:
        Places of rows, int64.
    """
    keys = (time, entity) if created is None else (created, time, entity)
    by = sorted_places(keys[0])
    for key in keys[1:]:
        by = by[sorted_places(key[by])]
    by = by[np.count_nonzero(entity < 0) :]
    if len(by) < 2:
        return by
    equal = np.ones(len(by) - 1, dtype=bool)
    for key in keys:
        equal &= key[by[1:]] == key[by[:-1]]
    if equal.any():
        tied = np.zeros(len(by), dtype=bool)
        tied[1:] |= equal
        tied[:-1] |= equal
        places = np.flatnonzero(tied)
        group = np.cumsum(np.concatenate([[True], ~equal]))[places]
        rows = by[places]
        among = _tie_keys(table.take(pa.array(rows)), known[rows], schema, event_id)
        rank = pc.rank(pc.binary_join_element_wise(*among, _NOTHING), tiebreaker="dense").to_numpy()
        by[places] = rows[np.lexsort((rank, group))]
    return by


def _tie_keys(rows: pa.Table, known: Array, schema: Schema, event_id: str | None) -> list[pa.Array]:
    """What orders rows of one event time and creation instant, as bytes to join row by row."""
    named = [] if event_id is None else [row_bytes(rows, Schema({event_id: schema[event_id]}))]
    return [*named, instant_bytes(known), row_bytes(rows, schema)]


def latest_rows(entity: Array, time: Array, known: Array | None, asked: Array, t: Array) -> Array:
    """The newest row known before each instant.

    Args:
        entity: Entity codes of rows sorted by `sort_latest`.
        time: Their event times.
        known: Their known instants; None where they are the event times.
        asked: Entity codes of the queries.
        t: Instants of the queries.

    Returns:
        Positions of rows, int64; -1 where there is none.
    """
    by = by_two(asked, t)
    result = np.empty(len(asked), dtype=np.int64)
    chunks = entity_chunks(entity, time if known is None else np.concatenate([time, known]))
    cuts: Iterable[int] = (
        np.searchsorted(asked[by], [entity[start] for start, _ in chunks[1:]]) if len(entity) else ()
    )
    bounds = [0, *(int(cut) for cut in cuts), len(asked)]
    for (start, stop), low, high in zip(chunks, bounds, bounds[1:], strict=False):
        mine = by[low:high]
        own = None if known is None else known[start:stop]
        found = _chunk(entity[start:stop], time[start:stop], own, asked[mine], t[mine])
        result[mine] = np.where(found < 0, -1, found + start)
    return result


def _chunk(entity: Array, time: Array, known: Array | None, asked: Array, t: Array) -> Array:
    places = Places(entity, time)
    rank, here = places.rank(asked)
    lo = places.start(rank)
    hi = np.where(here, places.first(rank, t), lo)
    if known is None:
        return np.where(hi > lo, hi - 1, -1)
    sure = np.minimum(hi, Places(entity, known, running=True).first(rank, t))
    sure = np.maximum(lo, sure)
    certain = np.where(sure > lo, sure - 1, -1)
    zones = Zones(Knowledge(known), sure, hi, t)
    position = np.arange(len(entity), dtype=np.int64)
    newest = zones.merged(_NEWEST, States(len(entity), (np.ones(len(entity), np.uint8), position)))
    return np.maximum(certain, newest.fixed[1])


def latest_keys(
    rows: pa.Table, schema: Schema, created_at: str | None, event_id: str | None = None
) -> pa.Array:
    """The place of each row in the order of latest values, as bytes that compare as it does.

    Args:
        rows: Clean rows: `__time`, `__known` and all columns of the schema.
        schema: The source's schema.
        created_at: The column that holds when a row was made, if any; null is the smallest.
        event_id: The column that identifies a row, if any.
    """
    time, known = (
        rows.column(name).combine_chunks().to_numpy(zero_copy_only=False) for name in (TIME, KNOWN)
    )
    parts = [instant_bytes(time)]
    if created_at is not None:
        parts.append(instant_bytes(created_instants(rows, created_at)))
    parts += _tie_keys(rows, known, schema, event_id)
    return pc.binary_join_element_wise(*parts, _NOTHING)


def created_instants(rows: pa.Table, created_at: str) -> Array:
    """The creation instants of rows; null is before all others."""
    column = rows.column(created_at).combine_chunks().cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    at: Array = pc.fill_null(column, FOREVER_AGO).to_numpy(zero_copy_only=False)
    return at
