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
from headrace.kernel.clean import instants
from headrace.kernel.order import order_keys, settle_ties
from headrace.kernel.place import Places, entity_chunks
from headrace.kernel.sorting import by_keys
from headrace.kernel.visible import Knowledge, Zones
from headrace.schema import INT64
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.schema import Schema

__all__ = ["created_instants", "latest_keys", "latest_rows", "sort_latest"]

_NEWEST = Extreme(INT64, greatest=True)


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
    keys = (entity, time) if created is None else (entity, time, created)
    by = by_keys(*keys)[np.count_nonzero(entity < 0) :]
    settle_ties(by, keys, known, table, schema, event_id)
    return by


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
    by = by_keys(asked, t)
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
    time, known = instants(rows)
    made = [] if created_at is None else [created_instants(rows, created_at)]
    return order_keys(rows, [time, *made], known, schema, event_id)


def created_instants(rows: pa.Table, created_at: str) -> Array:
    """The creation instants of rows; null is before all others."""
    column = rows.column(created_at).combine_chunks().cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    at: Array = pc.fill_null(column, FOREVER_AGO).to_numpy(zero_copy_only=False)
    return at
