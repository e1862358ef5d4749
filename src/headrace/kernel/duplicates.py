"""De-duplication by event id: of an event's copies, the one of smallest (known, event_time, bytes) counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.aggregations.dictionary import hash_words
from headrace.kernel.clean import instants
from headrace.kernel.row_bytes import row_bytes, row_ranks
from headrace.kernel.sorting import begins, repeated
from headrace.kernel.text_hash import hash_texts
from headrace.schema import Schema

if TYPE_CHECKING:
    from headrace.aggregations.states import Array

__all__ = ["first_copies", "id_hashes", "without_copies"]


def without_copies(
    events: pa.Table, entity: Array, schema: Schema, event_id: str | None
) -> tuple[pa.Table, Array]:
    """The events that count, and their entities.

    Args:
        events: Clean events: `__time`, `__known` and all columns of the schema.
        entity: Their entity codes.
        schema: The source's schema.
        event_id: The column that identifies an event; without one all count.
    """
    if event_id is None:
        return events, entity
    time, known = instants(events)
    counts = first_copies(entity, time, known, events, schema, event_id)
    return (events, entity) if counts is None else (events.filter(pa.array(counts)), entity[counts])


def first_copies(
    entity: Array, time: Array, known: Array, table: pa.Table, schema: Schema, event_id: str
) -> Array | None:
    """Which events count: one copy for each (entity, event_id); events without an id all count.

    Args:
        entity: Entity codes.
        time: Event times.
        known: Known instants.
        table: The events, with all columns of the source's schema.
        schema: The source's schema.
        event_id: The column that identifies an event.

    Returns:
        bool, n rows; None where nothing is a copy.
    """
    ids = table.column(event_id).combine_chunks()
    if isinstance(ids, pa.ChunkedArray):  # too long for one array of 32-bit offsets
        ids = ids.cast(pa.large_binary()).combine_chunks()
    # Equal pairs have equal hashes, so only rows that share a hash need be compared; they are few.
    mixed = hash_words(id_hashes(ids, schema, event_id).view(np.int64) ^ entity)
    suspects = repeated(mixed)
    codes = _codes(ids.take(pa.array(suspects)))
    suspects, codes = suspects[codes >= 0], codes[codes >= 0]
    if not len(suspects):
        return None
    rows = table.take(pa.array(suspects))
    rank = row_ranks(rows, schema)
    by = np.lexsort((rank, time[suspects], known[suspects], codes, entity[suspects]))
    suspects, codes = suspects[by], codes[by]
    copy = ~begins(entity[suspects], codes)
    if not copy.any():
        return None
    counts = np.ones(len(entity), dtype=bool)
    counts[suspects[copy]] = False
    return counts


def id_hashes(ids: pa.Array, schema: Schema, event_id: str) -> Array:
    """The hash of each id, anything for null."""
    if schema[event_id].is_text:
        return hash_texts(ids)
    return hash_texts(row_bytes(pa.table({event_id: ids}), Schema({event_id: schema[event_id]})))


def _codes(ids: pa.Array) -> Array:
    """A number for each id, equal for equal ids; -1 for null."""
    codes: Array = pc.fill_null(pc.dictionary_encode(ids).indices.cast(pa.int64()), -1).to_numpy()
    return codes
