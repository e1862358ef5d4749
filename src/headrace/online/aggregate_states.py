"""Records of a view of aggregations: tiles, and events that wait for their known instant."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from headrace.aggregations.states import lengths_of
from headrace.errors import ConflictError
from headrace.kernel.duplicates import without_copies
from headrace.kernel.events import rows_of_events
from headrace.kernel.history import PART
from headrace.kernel.point_in_time import features_at
from headrace.kernel.records import RecordFormat
from headrace.kernel.rows import Rows
from headrace.kernel.sorting import by_keys
from headrace.kernel.tiles import tile
from headrace.online.record import (
    NO_OFFSET,
    Record,
    Stamp,
    decode_record,
    encode_loaded,
    encode_record,
    loaded_tiles,
)
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.aggregations.states import Array
    from headrace.kernel.binding import AggregateBinding
    from headrace.kernel.columns import Columns

__all__ = ["AggregateStates", "apply_to", "refuse_newer"]

_PIECE = PART
"""How many events are lifted at once, where one entity has many more."""


class AggregateStates:
    """The states of one view of aggregations; see `ViewStates`."""

    def __init__(self, binding: AggregateBinding, names: Sequence[str] | None = None) -> None:
        """Compile what reads and writes need."""
        self._binding = binding
        self._plan = binding.plan
        wanted = binding.plan if names is None else binding.plan.only(names)
        self._used, self._wanted = wanted.used, wanted.trimmed()
        self._tiles = RecordFormat(self._plan)
        self._waiting = RecordFormat(self._plan, pending=True)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the measures and spans: what is kept, and how finely."""
        text = repr((self._plan.measures, sorted(map(repr, self._plan.spans)), self._plan.zone))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def load(self, events: pa.Table, group: Array, groups: int, known: int) -> list[bytes | None]:
        """The records of a segment."""
        return self._loaded(self._rows_of(events, group, known), groups, known)

    def _rows_of(self, events: pa.Table, group: Array, known: int) -> Rows:
        """Events as rows; very many events piece by piece, as tiles: one entity may have them all."""
        schema, event_id = self._binding.order_schema, self._binding.event_id
        if len(group) <= 2 * _PIECE:
            return rows_of_events(self._plan, events, group, schema, event_id)
        events, group = without_copies(events, group, schema, event_id)
        pieces = []
        for start in range(0, len(group), _PIECE):
            some, whose = events.slice(start, _PIECE), group[start : start + _PIECE]
            rows = rows_of_events(self._plan, some, whose, schema, event_id, deduplicated=True)
            pieces.append(tile(self._plan, rows, known))
        return Rows.merged(pieces)

    def merge(self, records: Sequence[bytes], entity: Array, n: int, known: int) -> list[bytes | None]:
        """The records of several segments as one for each entity."""
        rows = self._tiles.unpack(loaded_tiles(records), entity)
        return self._loaded(rows.take(by_keys(rows.entity, rows.time)), n, known)

    def _loaded(self, rows: Rows, n: int, known: int) -> list[bytes | None]:
        """Rows as the records of entities 0 to n - 1, tiled for all instants from K on."""
        tiles = tile(self._plan, rows, known)
        bounds = np.searchsorted(tiles.entity, np.arange(n + 1))
        held = np.flatnonzero(bounds[1:] > bounds[:-1])
        packed = map(encode_loaded, self._tiles.pack(tiles, np.append(bounds[held], len(tiles))))
        if len(held) == n:
            return list(packed)
        found: list[bytes | None] = [None] * n
        for place, data in zip(held.tolist(), packed, strict=True):
            found[place] = data
        return found

    def fold(
        self, events: pa.Table, group: Array, existing: Sequence[bytes | None], stamp: Stamp
    ) -> list[bytes | None]:
        """The records of the stream after some more events."""
        before = [Record() if data is None else decode_record(data) for data in existing]
        refuse_newer(before, stamp.writer)
        events, group = apply_to(before, events, group, stamp.offset)
        schema, event_id = self._binding.order_schema, self._binding.event_id
        rows = rows_of_events(self._plan, events, group, schema, event_id, deduplicated=True)
        groups = np.arange(len(before), dtype=np.int64)
        waiting = self._rows(self._waiting, [record.pending for record in before], groups)
        known = rows.time if rows.known is None else rows.known
        due, later = np.flatnonzero(known <= stamp.now), np.flatnonzero(known > stamp.now)
        ripe, green = np.flatnonzero(waiting.known <= stamp.now), np.flatnonzero(waiting.known > stamp.now)  # type: ignore[operator]
        fresh = Rows.merged([rows.take(due), waiting.take(ripe)])
        old = self._rows(self._tiles, [record.tiles for record in before], groups)
        frontier = np.maximum([record.frontier for record in before], _newest_known(fresh, len(before)))
        merged = Rows.merged([old, fresh])
        # A record is never asked at F or before: its tiles are those that do for F + 1 and later.
        tiles = tile(self._plan, merged, frontier[merged.entity] + 1)
        pending = Rows.merged([rows.take(later), waiting.take(green)])
        after = [
            record._replace(frontier=f, offset=max(record.offset, stamp.offset), writer=stamp.writer)
            for record, f in zip(before, frontier.tolist(), strict=True)
        ]
        return self._packed(after, tiles, pending)

    def _rows(
        self,
        form: RecordFormat,
        parts: Sequence[bytes | memoryview],
        entity: Array,
        measures: Sequence[int] | None = None,
    ) -> Rows:
        """The rows of one part (tiles, or what waits) of some records."""
        held = [i for i, part in enumerate(parts) if part]
        return form.unpack([parts[i] for i in held], entity[held], measures)

    def _packed(self, records: Sequence[Record], tiles: Rows, pending: Rows) -> list[bytes | None]:
        numbers = np.arange(len(records) + 1)
        bounds = np.searchsorted(tiles.entity, numbers)
        packed = self._tiles.pack(tiles, bounds)
        held = lengths_of(bounds) > 0
        waiting = [b""] * len(records)
        if len(pending):
            ends = np.searchsorted(pending.entity, numbers)
            some = lengths_of(ends) > 0
            waiting = [
                data if any_ else b""
                for data, any_ in zip(self._waiting.pack(pending, ends), some.tolist(), strict=True)
            ]
        # The frontier and the offset stay where no window reaches any tile: they say what was merged.
        return [
            encode_record(record._replace(tiles=data if any_ else b"", pending=rest))
            if any_ or rest or record.frontier > FOREVER_AGO
            else None
            for record, data, any_, rest in zip(records, packed, held.tolist(), waiting, strict=True)
        ]

    def read(self, records: Sequence[bytes], entity: Sequence[int], n: int, t: int) -> Columns:
        """The view's features at one instant."""
        decoded = [decode_record(data) for data in records]
        owner = np.array(entity, dtype=np.int64)
        rows = self._rows(self._tiles, [record.tiles for record in decoded], owner, self._used)
        if any(record.pending for record in decoded):
            waiting = [record.pending for record in decoded]
            rows = Rows.merged([rows, self._rows(self._waiting, waiting, owner, self._used)])
        elif len(set(entity)) < len(entity):
            rows = rows.in_order()
        asked = np.arange(n, dtype=np.int64)
        return features_at(self._wanted, rows, asked, np.full(n, t, dtype=np.int64))


def _newest_known(rows: Rows, groups: int) -> Array:
    newest = np.full(groups, FOREVER_AGO, dtype=np.int64)
    if len(rows):
        np.maximum.at(newest, rows.entity, rows.time if rows.known is None else rows.known)
    return newest


def refuse_newer(records: Sequence[Record], writer: int) -> None:
    """Fencing: a writer that was replaced may not write any more."""
    newest = max((record.writer for record in records), default=writer)
    if newest > writer:
        raise ConflictError(
            f"Writer {newest} has taken over from writer {writer}; nothing was written.",
            asked=writer,
            remedy="Stop this writer; the new one goes on from the last flushed offset.",
        )


def apply_to(
    records: Sequence[Record], events: pa.Table, group: Array, offset: int
) -> tuple[pa.Table, Array]:
    """The events whose record has not applied their offset yet."""
    if offset == NO_OFFSET or all(record.offset < offset for record in records):
        return events, group
    stale = np.array([record.offset >= offset for record in records])
    kept = ~stale[group]
    return events.filter(pa.array(kept)), group[kept]
