"""Records of a view of latest values: the newest row, and rows that wait for their known instant."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.kernel.clean import KNOWN, TIME
from headrace.kernel.duplicates import without_copies
from headrace.kernel.latest import latest_keys
from headrace.online.aggregate_states import apply_to, refuse_newer
from headrace.online.latest_columns import KeptRow, LatestColumns, LatestFeatures
from headrace.online.record import Record, Records, Stamp, decode_record, encode_loaded, encode_record
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.aggregations.states import Array
    from headrace.kernel.binding import LatestBinding
    from headrace.kernel.columns import Columns
    from headrace.schema import Type

__all__ = ["LatestStates"]


def _order(row: KeptRow) -> bytes:
    return row.order


_ENCODER = msgspec.msgpack.Encoder()
_ROW = msgspec.msgpack.Decoder(tuple[bytes, int, int, list[Any]])
_ROWS = msgspec.msgpack.Decoder(list[tuple[bytes, int, int, list[Any]]])


class LatestStates:
    """The states of one view of latest values; see `ViewStates`."""

    def __init__(self, binding: LatestBinding, names: Sequence[str] | None = None) -> None:
        """Compile what reads and writes need."""
        self._binding = binding
        self._columns = list(binding.features.items())
        self._features = LatestFeatures(self._columns, names)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the columns kept."""
        text = repr([(name, str(of)) for name, of in self._columns])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def load(self, events: pa.Table, group: Array, groups: int, known: int) -> list[bytes | None]:
        """The records of a generation."""
        binding = self._binding
        events, group = without_copies(events, group, binding.schema, binding.event_id)
        newest, _ = self._newest(events, group, groups)
        return _loaded(newest)

    def merge(self, records: Sequence[bytes], entity: Array, n: int, known: int) -> list[bytes | None]:
        """The records of several segments as one for each entity."""
        best: list[KeptRow | None] = [None] * n
        for data, place in zip(records, entity.tolist(), strict=True):
            row, other = _decoded(decode_record(data)), best[place]
            if other is None or (row is not None and row.order > other.order):
                best[place] = row
        return _loaded(best)

    def fold(
        self, events: pa.Table, group: Array, existing: Sequence[bytes | None], stamp: Stamp
    ) -> list[bytes | None]:
        """The records of the stream after some more events."""
        before = [Record() if data is None else decode_record(data) for data in existing]
        heads = Records.decode(existing)
        refuse_newer(heads, stamp.writer)
        events, group = apply_to(heads, events, group, stamp.offset)
        known = events.column(KNOWN).to_numpy()
        due = known <= stamp.now
        newest, frontier = self._newest(events.filter(pa.array(due)), group[due], len(before))
        waiting: list[list[KeptRow]] = [[] for _ in before]
        for row, place in zip(self._rows(events.filter(pa.array(~due))), group[~due].tolist(), strict=True):
            waiting[place].append(row)
        records: list[bytes | None] = []
        for record, mine, f, own in zip(before, newest, frontier, waiting, strict=True):
            pending = [*_decoded_pending(record), *own]
            ripe = [row for row in pending if row.known <= stamp.now]
            candidates = [row for row in (_decoded(record), mine, *ripe) if row is not None]
            best = max(candidates, key=_order, default=None)
            newest_known = max([record.frontier, f, *(row.known for row in ripe)])
            after = record._replace(
                frontier=newest_known, offset=max(record.offset, stamp.offset), writer=stamp.writer
            )
            records.append(_encoded(after, best, [row for row in pending if row.known > stamp.now]))
        return records

    def _newest(self, events: pa.Table, group: Array, groups: int) -> tuple[list[KeptRow | None], list[int]]:
        """The greatest row of each group and the newest known instant."""
        frontier = np.full(groups, FOREVER_AGO, dtype=np.int64)
        newest: list[KeptRow | None] = [None] * groups
        if not len(group):
            return newest, frontier.tolist()
        np.maximum.at(frontier, group, events.column(KNOWN).to_numpy())
        order = self._keys(events)
        rank = np.empty(len(group), dtype=np.int64)
        rank[pc.sort_indices(order).to_numpy()] = np.arange(len(group))
        by = np.lexsort((rank, group))
        last = by[np.flatnonzero(np.append(group[by][1:] != group[by][:-1], True))]
        for place, row in zip(group[last].tolist(), self._rows(events.take(pa.array(last))), strict=True):
            newest[place] = row
        return newest, frontier.tolist()

    def _keys(self, events: pa.Table) -> pa.Array:
        binding = self._binding
        return latest_keys(events, binding.schema, binding.created_at, binding.event_id)

    def _rows(self, events: pa.Table) -> list[KeptRow]:
        if not events.num_rows:
            return []
        order = self._keys(events).to_pylist()
        columns = [_plain(events.column(name), of) for name, of in self._columns]
        values = [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in order]
        time, known = events.column(TIME).to_pylist(), events.column(KNOWN).to_pylist()
        return [KeptRow(*row) for row in zip(order, time, known, values, strict=True)]

    def read(self, records: Sequence[bytes], entity: Sequence[int], n: int, t: int) -> Columns:
        """The view's features at one instant."""
        best: list[KeptRow | None] = [None] * n
        for data, place in zip(records, entity, strict=True):
            record = decode_record(data)
            for row in (_decoded(record), *_decoded_pending(record)):
                if row is not None and row.known < t:
                    other = best[place]
                    if other is None or row.order > other.order:
                        best[place] = row
        return LatestColumns(self._features, best, t, self._binding.ttl)


def _loaded(newest: Sequence[KeptRow | None]) -> list[bytes | None]:
    """The records of a segment."""
    return [None if row is None else encode_loaded(_ENCODER.encode(row)) for row in newest]


def _encoded(record: Record, best: KeptRow | None, pending: list[KeptRow]) -> bytes:
    tiles = b"" if best is None else _ENCODER.encode(best)
    return encode_record(record._replace(tiles=tiles, pending=_ENCODER.encode(pending) if pending else b""))


def _decoded(record: Record) -> KeptRow | None:
    return KeptRow(*_ROW.decode(record.tiles)) if record.tiles else None


def _decoded_pending(record: Record) -> list[KeptRow]:
    return [KeptRow(*row) for row in _ROWS.decode(record.pending)] if record.pending else []


def _plain(column: pa.ChunkedArray, of: Type) -> list[Any]:
    """A column as values MessagePack holds: instants and dates as integers, decimals as text."""
    if of.name == "timestamp":
        column = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    elif of.name == "date":
        column = column.cast(pa.int32())
    elif of.name == "decimal":
        column = column.cast(pa.string())
    return list(column.to_pylist())
