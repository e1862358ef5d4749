"""Copies of events that an earlier load holds: an event is its entity and its id, wherever it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.aggregations.dictionary import distinct, hash_words
from headrace.kernel.duplicates import id_hashes
from headrace.kernel.entities import key_column
from headrace.kernel.sorting import found_in
from headrace.kernel.text_hash import hash_texts
from headrace.keys import encode_key_column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.aggregations.states import Array
    from headrace.schema import Schema

__all__ = ["Copies", "event_key_column"]


def event_key_column(events: pa.Table, keys: Schema, event_id: str) -> pa.LargeBinaryArray:
    """What tells each event from all others: the entity's key and the id, encoded; null without an id."""
    ids = events.column(event_id)
    encoded = encode_key_column([*(events.column(name) for name in keys), _plain(ids)])
    if not ids.null_count:
        return encoded
    return pc.if_else(ids.combine_chunks().is_valid(), encoded, None)


def _plain(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids of any type as key parts: what is no text, integer or boolean is taken as text."""
    kinds = pa.types
    if (
        kinds.is_integer(ids.type)
        or kinds.is_boolean(ids.type)
        or kinds.is_string(ids.type)
        or kinds.is_binary(ids.type)
    ):
        return ids
    return ids.cast(pa.string())


class Copies:
    """Which of some new events are copies of old ones.

    Most old events are no copies of anything: they are told by a hash at once, and only those that share one
    with a new event are remembered.
    """

    def __init__(self, keys: Schema, schema: Schema, event_id: str, new: Iterable[pa.Table]) -> None:
        """Look for copies among the new events.

        Args:
            keys: The entity's join keys.
            schema: The source's schema.
            event_id: The column that identifies an event.
            new: The new events, with these columns.
        """
        self._keys, self._schema, self._event_id = keys, schema, event_id
        hashes = [self._hashes(events) for events in new]
        self._wanted = distinct(np.concatenate([np.zeros(0, np.uint64), *hashes]))
        self._old: set[bytes] = set()
        self._old_hashes: list[Array] = []

    def remember(self, old: pa.Table) -> None:
        """Old events, with the columns of entity and id."""
        if not len(self._wanted) or not old.num_rows:
            return
        hashes = self._hashes(old)
        known = found_in(hashes, self._wanted)
        self._old_hashes.append(hashes[known])
        suspects = old.filter(pa.array(known))
        self._old.update(key for key in self._event_keys(suspects) if key is not None)

    def among(self, new: pa.Table) -> Array:
        """Which of the new events are copies of remembered ones, bool."""
        copies = np.zeros(new.num_rows, dtype=bool)
        if not self._old:
            return copies
        suspects = np.flatnonzero(found_in(self._hashes(new), distinct(np.concatenate(self._old_hashes))))
        keys = self._event_keys(new.take(pa.array(suspects)))
        copies[suspects] = [key in self._old for key in keys]
        return copies

    def _event_keys(self, events: pa.Table) -> list[bytes | None]:
        keys: list[bytes | None] = event_key_column(events, self._keys, self._event_id).to_pylist()
        return keys

    def _hashes(self, events: pa.Table) -> Array:
        """A hash of each event's entity and id."""
        columns = events.combine_chunks()
        ids = columns.column(self._event_id)
        whole = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
        mixed = id_hashes(whole, self._schema, self._event_id)
        if len(self._keys):
            mixed = mixed ^ hash_texts(key_column(columns, self._keys))
        hashes: Array = hash_words(mixed.view(np.int64))
        return hashes
