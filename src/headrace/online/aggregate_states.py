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
from headrace.online.record import NO_OFFSET, Records, Stamp, decode_record, encode_loaded, loaded_tiles
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
        before = Records.decode(existing)
        refuse_newer(before, stamp.writer)
        events, group = apply_to(before, events, group, stamp.offset)
        schema, event_id = self._binding.order_schema, self._binding.event_id
        rows = rows_of_events(self._plan, events, group, schema, event_id, deduplicated=True)
        n = len(existing)
        groups = np.arange(n, dtype=np.int64)
        known = rows.time if rows.known is None else rows.known
        parts, pending = [rows], []
        if (known > stamp.now).any():
            due, later = _parted(rows, known, stamp.now)
            parts, pending = [due], [later]
        if before.pending is not None:
            waiting = self._rows(self._waiting, before.pending, groups)
            assert waiting.known is not None  # noqa: S101 - those that wait are packed with it
            ripe, green = _parted(waiting, waiting.known, stamp.now)
            parts.append(ripe)
            pending.append(green)
        frontier = before.frontier
        for part in parts:
            frontier = np.maximum(frontier, _newest_known(part, n))
        # Tiles of their own first: most orders of events are settled before any has to be written out.
        fresh = [tile(self._plan, part) for part in parts]
        merged = Rows.merged([self._rows(self._tiles, before.tiles, groups), *fresh])
        # A record is never asked at F or before: its tiles are those that do for F + 1 and later.
        tiles = tile(self._plan, merged, frontier[merged.entity] + 1)
        after = Records(
            frontier,
            np.maximum(before.offset, stamp.offset),
            np.full(n, stamp.writer, dtype=np.uint32),
            _by_entity(self._tiles, tiles, n),
            _by_entity(self._waiting, Rows.merged(pending), n) if pending else None,
        )
        # The frontier and the offset stay where no window reaches any tile: they say what was merged.
        empty = (frontier == FOREVER_AGO) & (np.bincount(tiles.entity, minlength=n) == 0)
        encoded: list[bytes | None] = list(after.encode())
        for place in np.flatnonzero(empty).tolist():
            if after.pending is None or not after.pending[place]:
                encoded[place] = None
        return encoded

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


def _parted(rows: Rows, known: Array, now: int) -> tuple[Rows, Rows]:
    """The rows known by now, and those known later."""
    return rows.take(np.flatnonzero(known <= now)), rows.take(np.flatnonzero(known > now))


def _by_entity(form: RecordFormat, rows: Rows, n: int) -> list[bytes]:
    """The packed rows of entities 0 to n - 1; nothing for those without any."""
    bounds = np.searchsorted(rows.entity, np.arange(n + 1))
    packed = form.pack(rows, bounds)
    for place in np.flatnonzero(lengths_of(bounds) == 0).tolist():
        packed[place] = b""
    return packed


def refuse_newer(records: Records, writer: int) -> None:
    """Fencing: a writer that was replaced may not write any more."""
    newest = int(records.writer.max(initial=0))
    if newest > writer:
        raise ConflictError(
            f"Writer {newest} has taken over from writer {writer}; nothing was written.",
            asked=writer,
            remedy="Stop this writer; the new one goes on from the last flushed offset.",
        )


def apply_to(records: Records, events: pa.Table, group: Array, offset: int) -> tuple[pa.Table, Array]:
    """The events whose record has not applied their offset yet."""
    stale = records.offset >= offset
    if offset == NO_OFFSET or not stale.any():
        return events, group
    kept = ~stale[group]
    return events.filter(pa.array(kept)), group[kept]
