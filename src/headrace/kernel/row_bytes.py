"""Rows as bytes: the canonical encoding that settles every tie in the total order of events.

The columns of the frozen schema, in name order, one after another. Comparing the bytes of two rows compares
their values as tuples, nulls first; equal bytes are equal rows::

    bool                 00 null, 01 false, 02 true
    int64, timestamp,    00 and zeros for null, else 01 and the value: big-endian, sign flipped (a decimal
    decimal, date        unscaled, a timestamp in microseconds, a date in days in four bytes, others in eight)
    double               the same over the IEEE bits, those of negative values inverted
    string, binary       00 for null, else 01; the UTF-8 or raw bytes, each 00 as 00 FF; closed by 00 01
    list                 00 for null, else 01; 01 and the encoding of each item; closed by 00

Values are clean: no NaN, and -0.0 is taken for 0.0. Derived columns are no part of a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.aggregations.states import offsets_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeAlias

    from headrace.aggregations.states import Array
    from headrace.schema import Type

    Block: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.uint8]]

__all__ = ["row_bytes", "row_ranks"]

_SIGN = np.int64(-(1 << 63))
_PRESENT = b"\x01"
_TEXT_END = b"\x00\x01"
_LIST_END = b"\x00"
_LARGEST = (1 << 31) - 1


def row_bytes(rows: pa.Table, schema: Mapping[str, Type]) -> pa.BinaryArray:
    """The canonical bytes of each row.

    Args:
        rows: n clean rows with at least the schema's columns, in its types.
        schema: The columns that make up the row, in any order.

    Returns:
        n values without a null; `large_binary` beyond 2 GiB in all, else `binary`.
    """
    parts = _Parts(rows.num_rows)
    for name in sorted(schema):
        parts.add(_one_chunk(rows.column(name), schema[name]), schema[name])
    return parts.joined()


def row_ranks(rows: pa.Table, schema: Mapping[str, Type]) -> Array:
    """Numbers that compare as the canonical bytes of the rows do, int64; see `row_bytes`."""
    ranks: Array = pc.rank(row_bytes(rows, schema), tiebreaker="dense").to_numpy().astype(np.int64)
    return ranks


class _Parts:
    """The parts of n encodings: blocks of equal width, and texts between them."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._bytes = 0
        self._pieces: list[pa.Array] = []
        self._block: list[Block] = []

    def add(self, column: pa.Array, of: Type) -> None:
        """Append each row's value, n of them."""
        if of.name == "list":
            self._fixed(_tags(column))
            self._variable(_items(column, of))
            self._constant(_LIST_END)
        elif of.is_text:
            self._fixed(_tags(column))
            self._variable(_escaped(column))
            self._constant(_TEXT_END)
        else:
            self._fixed(_encoded(column, of))

    def prefix(self, constant: bytes) -> None:
        """Append the same bytes to every row."""
        self._constant(constant)

    def joined(self) -> pa.Array:
        """Each row's bytes."""
        self._flush()
        if not self._pieces:
            return pa.array([b""] * self.n, type=pa.binary())
        wide = self._bytes > _LARGEST
        pieces = [piece.cast(pa.large_binary() if wide else pa.binary()) for piece in self._pieces]
        if len(pieces) == 1:
            return pieces[0]
        return pc.binary_join_element_wise(*pieces, pa.scalar(b"", type=pieces[0].type))

    def _fixed(self, block: Block) -> None:
        self._block.append(block)

    def _constant(self, value: bytes) -> None:
        self._block.append(np.broadcast_to(np.frombuffer(value, dtype=np.uint8), (self.n, len(value))))

    def _variable(self, body: pa.Array) -> None:
        self._flush()
        self._bytes += body.nbytes
        self._pieces.append(body)

    def _flush(self) -> None:
        """Neighbouring blocks made one: the join then copies fewer pieces a row."""
        if not self._block:
            return
        block = np.empty((self.n, sum(each.shape[1] for each in self._block)), dtype=np.uint8)
        at = 0
        for each in self._block:
            block[:, at : at + each.shape[1]] = each
            at += each.shape[1]
        self._block = []
        self._bytes += block.nbytes
        self._pieces.append(
            pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(block.shape[1]), self.n, [None, pa.py_buffer(block)]
            )
        )


def _tags(column: pa.Array) -> Block:
    """One byte a row: whether there is a value."""
    return _valid(column).view(np.uint8).reshape(-1, 1)


def _valid(column: pa.Array) -> Array:
    if column.null_count == 0:
        return np.ones(len(column), dtype=bool)
    valid: Array = column.is_valid().to_numpy(zero_copy_only=False)
    return valid


def _encoded(column: pa.Array, of: Type) -> Block:
    """Values of a fixed width, (n, width) bytes; nulls are zeros."""
    valid = _valid(column)
    if of.name == "bool":
        true: Array = pc.fill_null(column, fill_value=False).to_numpy(zero_copy_only=False)
        return ((true.view(np.uint8) + np.uint8(1)) * valid.view(np.uint8)).reshape(-1, 1)
    words = _words(column, of)
    width = 4 if of.name == "date" else 8
    block = np.empty((len(column), 1 + width), dtype=np.uint8)
    block[:, 0] = valid
    block[:, 1:] = words.astype(f">i{width}").view(np.uint8).reshape(-1, width)
    if column.null_count:
        block[~valid] = 0
    return block


def _words(column: pa.Array, of: Type) -> Array:
    """Values as integers whose unsigned order is theirs; anything where null."""
    match of.name:
        case "double":
            bits = (_data(column, np.dtype(np.float64)) + 0.0).view(np.int64)
            # Below zero a greater magnitude is a smaller value: there all bits are inverted, else the sign.
            words: Array = bits ^ ((bits >> 63) | _SIGN)
        case "date":
            words = _data(column, np.dtype(np.int32)) ^ np.int32(-(1 << 31))
        case "decimal":
            # Source decimals have at most 18 digits: the low word of the 128 bits is the unscaled value.
            words = _data(column, np.dtype("<i8,<i8"))["f0"] ^ _SIGN
        case _:
            words = _data(column, np.dtype(np.int64)) ^ _SIGN
    return words


def _data(column: pa.Array, dtype: np.dtype[Any]) -> Array:
    """The column's values where they lie, with anything under the nulls."""
    data = column.buffers()[1]
    if data is None:
        return np.zeros(len(column), dtype=dtype)
    return np.frombuffer(data, dtype=dtype)[column.offset : column.offset + len(column)]


def _escaped(column: pa.Array) -> pa.Array:
    """The bytes of texts, nulls empty, each zero byte written as 00 FF."""
    if column.null_count:
        column = pc.fill_null(column, b"")
    data = column.buffers()[2]
    if data is not None and not np.frombuffer(data, dtype=np.uint8).all():
        column = pc.replace_substring(column, pattern=b"\x00", replacement=b"\x00\xff")
    return column


def _items(column: pa.Array, of: Type) -> pa.Array:
    """Each list's items, encoded and joined; null lists are empty."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    items = _one_chunk(column.flatten(), of.items[0])
    parts = _Parts(len(items))
    parts.prefix(_PRESENT)
    parts.add(items, of.items[0])
    encoded = parts.joined()
    lists = pa.LargeListArray.from_arrays(pa.array(offsets_of(lengths)), encoded)
    return pc.binary_join(lists, pa.scalar(b"", type=encoded.type))


def _one_chunk(column: pa.Array | pa.ChunkedArray, of: Type) -> pa.Array:
    if of.is_text:  # 32-bit offsets end at 2 GiB
        wide = column.nbytes > _LARGEST
        column = column.cast(pa.large_binary() if wide else pa.binary())
    elif column.type != of.arrow():
        column = column.cast(of.arrow())
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
