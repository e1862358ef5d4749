"""The record of an entity: what a generation's segment, or a partition in an epoch, knows of it.

A record of a segment is one byte and the tiles: what was merged into it is known before K, as the manifest
says, and nothing waits in it. A record of the stream says who has written it (frontier, applied offset,
writer); then come the tiles and the events that still wait for their known instant. The length of the tiles
is there only if some wait.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from headrace.errors import StoreError
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "NO_OFFSET",
    "Record",
    "Stamp",
    "decode_record",
    "encode_loaded",
    "encode_record",
    "frontier_of",
    "loaded_tiles",
]

_LOADED, _STREAMED, _WAITING = 2, 3, 4
"""The first byte of a record: who wrote it and how it goes on. 1 was the first byte of all up to layout 2."""
_LOADED_HEAD = bytes([_LOADED])
_STREAM = struct.Struct("<BqqI")
_LENGTH = struct.Struct("<I")
NO_OFFSET = -1


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
