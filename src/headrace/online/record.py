"""The record of an entity: what a generation's segment, or a partition in an epoch, knows of it.

A header (frontier, applied offset, writer, lengths), then the tiles, then the events that still wait for
their known instant.
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
    "Stamp",
    "decode_loaded",
    "decode_record",
    "encode_loaded",
    "encode_record",
    "frontier_of",
]

_HEADER = struct.Struct("<BqqqI")
_VERSION = 1
NO_OFFSET = -1


class Record(NamedTuple):
    """A decoded record.

    Attributes:
        frontier: F: the newest known instant merged into the tiles.
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
    """The record as stored."""
    head = _HEADER.pack(_VERSION, record.frontier, record.offset, record.writer, len(record.tiles))
    return b"".join((head, record.tiles, record.pending))


def decode_record(data: bytes) -> Record:
    """The record from what is stored.

    Raises:
        StoreError: Another version of Headrace wrote it, or it is damaged.
    """
    if len(data) < _HEADER.size:
        raise StoreError(
            "A record in the online store is damaged.",
            remedy="Run: headrace materialize --full, which writes all records anew.",
        )
    version, frontier, offset, writer, length = _HEADER.unpack_from(data)
    if version != _VERSION:
        raise StoreError(
            f"A record has version {version}; this Headrace reads version {_VERSION}.",
            asked=version,
            remedy="Upgrade Headrace, or materialize again into an empty store.",
        )
    rest = memoryview(data)[_HEADER.size :]
    return Record(frontier, offset, writer, rest[:length], rest[length:])


def encode_loaded(frontiers: Array, tiles: Sequence[bytes]) -> list[bytes]:
    """The records of a segment as stored: no stream has written them, and nothing waits in them.

    Args:
        frontiers: F of each, int64.
        tiles: Packed tiles of each.
    """
    pack = _HEADER.pack
    return [
        pack(_VERSION, frontier, NO_OFFSET, 0, len(data)) + data
        for frontier, data in zip(frontiers.tolist(), tiles, strict=True)
    ]


def decode_loaded(records: Sequence[bytes]) -> tuple[Array, list[bytes]]:
    """The frontiers and the packed tiles of a segment's records.

    Raises:
        StoreError: Another version of Headrace wrote one, or it is damaged.
    """
    size = _HEADER.size
    heads = b"".join([data[:size] for data in records])
    if len(heads) != size * len(records) or set(heads[::size]) - {_VERSION}:
        for data in records:
            decode_record(data)
    frontiers = np.frombuffer(heads, np.dtype([("", "u1"), ("frontier", "<i8"), ("", f"V{size - 9}")]))[
        "frontier"
    ]
    return frontiers, [data[size:] for data in records]


def frontier_of(data: bytes) -> int:
    """The frontier of a stored record, without decoding the rest."""
    return int.from_bytes(data[1:9], "little", signed=True)
