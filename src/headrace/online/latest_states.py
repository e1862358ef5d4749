"""Records of a view of latest values: the newest row, and rows that wait for their known instant."""

from __future__ import annotations

import decimal
import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.kernel.clean import KNOWN, TIME
from headrace.kernel.columns import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT, Column
from headrace.kernel.duplicates import without_copies
from headrace.kernel.latest import latest_keys
from headrace.online.aggregate_states import apply_to, refuse_newer
from headrace.online.record import Record, Stamp, decode_record, encode_record
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.aggregations.states import Array
    from headrace.kernel.binding import LatestBinding
    from headrace.schema import Type

__all__ = ["LatestStates"]


class _Row(NamedTuple):
    """A row as kept: its place in the order of rows, its instants, its values as `_plain` writes them."""

    order: bytes
    time: int
    known: int
    values: list[Any]


def _order(row: _Row) -> bytes:
    return row.order


_ENCODER = msgspec.msgpack.Encoder()
_ROW = msgspec.msgpack.Decoder(tuple[bytes, int, int, list[Any]])
_ROWS = msgspec.msgpack.Decoder(list[tuple[bytes, int, int, list[Any]]])


class LatestStates:
    """The states of one view of latest values; see `ViewStates`."""

    def __init__(self, binding: LatestBinding, names: Sequence[str] | None = None) -> None:
        """Compile what reads and writes need."""
        self._binding = binding
        self._places = [i for i, name in enumerate(binding.features) if names is None or name in names]
        self._columns = list(binding.features.items())

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the columns kept."""
        text = repr([(name, str(of)) for name, of in self._columns])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def load(self, events: pa.Table, group: Array, groups: int, known: int) -> list[bytes | None]:
        """The records of a generation."""
        binding = self._binding
        events, group = without_copies(events, group, binding.schema, binding.event_id)
        newest, frontier = self._newest(events, group, groups)
        return [
            None if row is None else _encoded(Record(frontier=f), row, [])
            for row, f in zip(newest, frontier, strict=True)
        ]

    def fold(
        self, events: pa.Table, group: Array, existing: Sequence[bytes | None], stamp: Stamp
    ) -> list[bytes | None]:
        """The records of the stream after some more events."""
        before = [Record() if data is None else decode_record(data) for data in existing]
        refuse_newer(before, stamp.writer)
        events, group = apply_to(before, events, group, stamp.offset)
        known = events.column(KNOWN).to_numpy()
        due = known <= stamp.now
        newest, frontier = self._newest(events.filter(pa.array(due)), group[due], len(before))
        waiting: list[list[_Row]] = [[] for _ in before]
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

    def _newest(self, events: pa.Table, group: Array, groups: int) -> tuple[list[_Row | None], list[int]]:
        """The greatest row of each group and the newest known instant."""
        frontier = np.full(groups, FOREVER_AGO, dtype=np.int64)
        newest: list[_Row | None] = [None] * groups
        if not len(group):
            return newest, frontier.tolist()
        np.maximum.at(frontier, group, events.column(KNOWN).to_numpy())
        order = latest_keys(events, self._binding.schema, self._binding.created_at)
        rank = np.empty(len(group), dtype=np.int64)
        rank[pc.sort_indices(order).to_numpy()] = np.arange(len(group))
        by = np.lexsort((rank, group))
        last = by[np.flatnonzero(np.append(group[by][1:] != group[by][:-1], True))]
        for place, row in zip(group[last].tolist(), self._rows(events.take(pa.array(last))), strict=True):
            newest[place] = row
        return newest, frontier.tolist()

    def _rows(self, events: pa.Table) -> list[_Row]:
        if not events.num_rows:
            return []
        order = latest_keys(events, self._binding.schema, self._binding.created_at).to_pylist()
        columns = [_plain(events.column(name), of) for name, of in self._columns]
        values = [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in order]
        time, known = events.column(TIME).to_pylist(), events.column(KNOWN).to_pylist()
        return [_Row(*row) for row in zip(order, time, known, values, strict=True)]

    def read(self, records: Sequence[bytes], entity: Array, n: int, t: int) -> Mapping[str, Column]:
        """The view's features at one instant."""
        best: list[_Row | None] = [None] * n
        for data, place in zip(records, entity.tolist(), strict=True):
            record = decode_record(data)
            for row in (_decoded(record), *_decoded_pending(record)):
                if (
                    row is not None
                    and row.known < t
                    and (best[place] is None or row.order > best[place].order)
                ):
                    best[place] = row
        newest = np.array([FOREVER_AGO if row is None else row.time for row in best], dtype=np.int64)
        stale = np.zeros(n, dtype=bool)
        if self._binding.ttl is not None:
            stale = (newest > FOREVER_AGO) & (t - newest > self._binding.ttl)
        status = np.full(n, PRESENT, dtype=np.uint8)
        status[newest == FOREVER_AGO] = NOT_FOUND
        status[stale] = OUTSIDE_MAX_AGE
        rows = [
            None if row is None or old else row.values for row, old in zip(best, stale.tolist(), strict=True)
        ]
        columns = {}
        for place in self._places:
            name, of = self._columns[place]
            values = [None if row is None else row[place] for row in rows]
            columns[name] = Column(_restored(values, of), _with_nulls(status, values), newest)
        return columns


def _with_nulls(status: Array, values: list[Any]) -> Array:
    """The statuses of rows, with those that are there but null told apart."""
    if None not in values:
        return status
    null = np.array([value is None for value in values])
    return np.where(null & (status == PRESENT), np.uint8(NULL_VALUE), status)


def _encoded(record: Record, best: _Row | None, pending: list[_Row]) -> bytes:
    tiles = b"" if best is None else _ENCODER.encode(best)
    return encode_record(record._replace(tiles=tiles, pending=_ENCODER.encode(pending) if pending else b""))


def _decoded(record: Record) -> _Row | None:
    return _Row(*_ROW.decode(record.tiles)) if record.tiles else None


def _decoded_pending(record: Record) -> list[_Row]:
    return [_Row(*row) for row in _ROWS.decode(record.pending)] if record.pending else []


def _plain(column: pa.ChunkedArray, of: Type) -> list[Any]:
    """A column as values MessagePack holds: instants and dates as integers, decimals as text."""
    if of.name == "timestamp":
        column = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    elif of.name == "date":
        column = column.cast(pa.int32())
    elif of.name == "decimal":
        column = column.cast(pa.string())
    return list(column.to_pylist())


def _restored(values: list[Any], of: Type) -> pa.Array:
    """The Arrow array of values as `_plain` made them."""
    if of.name == "timestamp":
        return pa.array(values, type=pa.int64()).cast(of.arrow())
    if of.name == "date":
        return pa.array(values, type=pa.int32()).cast(of.arrow())
    if of.name == "decimal":
        return pa.array([None if v is None else decimal.Decimal(v) for v in values], type=of.arrow())
    return pa.array(values, type=of.arrow())
