"""The record of an entity: what a generation's segment, or a partition in an epoch, knows of it.

A record of a segment is one byte and the tiles: what was merged into it is known before K, as the manifest
says, and nothing waits in it. A record of the stream says who has written it (frontier, applied offset,
writer); then come the tiles and the events that still wait for their known instant. The length of the tiles
is there only if some wait.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headrace.errors import StoreError
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.aggregations.states import Array

__all__ = [
    "NO_OFFSET",
    "Record",
    "Records",
    "Stamp",
    "decode_record",
    "encode_loaded",
    "encode_record",
    "frontier_of",
    "loaded_tiles",
    "offset_of",
]

_LOADED, _STREAMED, _WAITING = 2, 3, 4
"""The first byte of a record: who wrote it and how it goes on. 1 was the first byte of all up to layout 2."""
_LOADED_HEAD = bytes([_LOADED])
_STREAM = struct.Struct("<BqqI")
_LENGTH = struct.Struct("<I")
_SIZE = _STREAM.size
_HEAD = np.dtype([("kind", "u1"), ("frontier", "<i8"), ("offset", "<i8"), ("writer", "<u4")])
NO_OFFSET = -1
_NOTHING = _STREAM.pack(_STREAMED, FOREVER_AGO, NO_OFFSET, 0)


class Record(NamedTuple):
    """A decoded record.

    Attributes:
        frontier: F: the newest known instant merged into the tiles; `FOREVER_AGO` for a segment, of which K
            says enough.
        offset: The last offset of its partition applied; -1 where no stream wrote it.
        writer: The fencing epoch of the writer.
        tiles: Packed tiles.
        pending: Packed events that wait; empty without any. Both lie in the stored bytes: nothing is copied.
    """

    frontier: int = FOREVER_AGO
    offset: int = NO_OFFSET
    writer: int = 0
    tiles: bytes | memoryview = b""
    pending: bytes | memoryview = b""


class Records:
    """Records of the stream, many at once: a column of each part.

    Attributes:
        frontier: int64.
        offset: int64.
        writer: uint32.
        tiles: Packed tiles of each.
        pending: Packed events that wait; None where nothing waits in any.
    """

    def __init__(
        self,
        frontier: Array,
        offset: Array,
        writer: Array,
        tiles: Sequence[bytes],
        pending: Sequence[bytes] | None,
    ) -> None:
        """From their columns."""
        self.frontier = frontier
        self.offset = offset
        self.writer = writer
        self.tiles = tiles
        self.pending = pending

    @classmethod
    def decode(cls, stored: Sequence[bytes | None]) -> Records:
        """Records from what is stored; of None, one that holds nothing.

        Raises:
            StoreError: Another version of Headrace wrote one, or it is damaged.
        """
        heads = np.frombuffer(
            b"".join([_NOTHING if data is None else data[:_SIZE] for data in stored]), _HEAD
        )
        if len(heads) == len(stored) and (heads["kind"] == _STREAMED).all():
            tiles = [b"" if data is None else data[_SIZE:] for data in stored]
            return cls(heads["frontier"], heads["offset"], heads["writer"], tiles, None)
        each = [Record() if data is None else decode_record(data) for data in stored]
        return cls(
            np.array([record.frontier for record in each], dtype=np.int64),
            np.array([record.offset for record in each], dtype=np.int64),
            np.array([record.writer for record in each], dtype=np.uint32),
            [bytes(record.tiles) for record in each],
            [bytes(record.pending) for record in each],
        )

    def encode(self) -> list[bytes]:
        """The records as stored."""
        heads = np.empty(len(self.tiles), _HEAD)
        heads["kind"] = _STREAMED
        heads["frontier"], heads["offset"], heads["writer"] = self.frontier, self.offset, self.writer
        if self.pending is not None:
            heads["kind"] = np.where([bool(each) for each in self.pending], _WAITING, _STREAMED)
        packed = heads.tobytes()
        led = [packed[at : at + _SIZE] for at in range(0, len(packed), _SIZE)]
        if self.pending is None:
            return [head + tiles for head, tiles in zip(led, self.tiles, strict=True)]
        return [
            b"".join((head, _LENGTH.pack(len(tiles)), tiles, rest)) if rest else head + tiles
            for head, tiles, rest in zip(led, self.tiles, self.pending, strict=True)
        ]


class Stamp(NamedTuple):
    """Where a batch of events comes from, and who writes it.

    Attributes:
        now: The clock; events known later wait in their record.
        offset: The batch's offset in its partition; records that have applied it already stay as they are.
        writer: The fencing epoch of the writer.
        partition: The partition the batch came through.
    """

    now: int
    offset: int
    writer: int = 0
    partition: int = 0


def encode_record(record: Record) -> bytes:
    """The record of the stream as stored."""
    if not record.pending:
        return _STREAM.pack(_STREAMED, record.frontier, record.offset, record.writer) + record.tiles
    head = _STREAM.pack(_WAITING, record.frontier, record.offset, record.writer)
    return b"".join((head, _LENGTH.pack(len(record.tiles)), record.tiles, record.pending))


def decode_record(data: bytes) -> Record:
    """The record from what is stored.

    Raises:
        StoreError: Another version of Headrace wrote it, or it is damaged.
    """
    kind = data[0] if data else 0
    if kind == _LOADED:
        return Record(tiles=memoryview(data)[1:])
    if kind not in {_STREAMED, _WAITING}:
        raise StoreError(
            f"A record begins with {kind}, which says nothing to this Headrace: it is damaged, or newer.",
            asked=kind,
            remedy="Run: headrace materialize --full, which writes all records anew.",
        )
    try:
        _, frontier, offset, writer = _STREAM.unpack_from(data)
        rest = memoryview(data)[_STREAM.size :]
        if kind == _STREAMED:
            return Record(frontier, offset, writer, rest)
        end = _LENGTH.size + _LENGTH.unpack_from(rest)[0]
    except struct.error:
        raise StoreError(
            "A record in the online store is damaged.",
            remedy="Run: headrace materialize --full, which writes all records anew.",
        ) from None
    return Record(frontier, offset, writer, rest[_LENGTH.size : end], rest[end:])


def encode_loaded(tiles: bytes) -> bytes:
    """The record of a segment as stored."""
    return _LOADED_HEAD + tiles


def loaded_tiles(records: Sequence[bytes]) -> Sequence[bytes | memoryview]:
    """The tiles of a segment's records.

    Raises:
        StoreError: Another version of Headrace wrote one, or it is damaged.
    """
    if {data[:1] for data in records} <= {_LOADED_HEAD}:
        return [data[1:] for data in records]
    return [decode_record(data).tiles for data in records]


def frontier_of(data: bytes) -> int:
    """The frontier of a stored record, without decoding the rest."""
    return FOREVER_AGO if data[:1] == _LOADED_HEAD else int.from_bytes(data[1:9], "little", signed=True)


def offset_of(data: bytes) -> int:
    """The last offset of its partition that a stored record of the stream has applied, without the rest."""
    return NO_OFFSET if data[:1] == _LOADED_HEAD else int.from_bytes(data[9:17], "little", signed=True)
