"""Keys as bytes: encoded, never concatenated.

A key is a tuple of typed parts. Its encoding is

* injective: different tuples have different bytes, whatever the parts contain;
* order-preserving: byte order is the order of the tuples, part by part, by kind first (null, bool, int64,
  string, bytes), then by value; strings by code point, bytes by byte;
* additive: `encode_key(a + b) == encode_key(a) + encode_key(b)`, so a key may be put together from pieces;
* prefix-free by part: the bytes that start with `encode_key(a)` are exactly the keys whose leading parts are
  `a`, so a prefix scan is a scan by leading parts.

Each part is one tag byte and a body::

    null    01
    false   02        true   03
    int64   04        8 bytes, big-endian, sign bit flipped
    string  05        UTF-8, each 00 written as 00 FF, closed by 00 01
    bytes   06        the same escape and closing

Strings are taken as given: two spellings of one accented letter are two keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from headrace.errors import DataError
from headrace.lazy import compute, numpy, pyarrow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Column: TypeAlias = pyarrow.Array | pyarrow.ChunkedArray

__all__ = ["KeyPart", "decode_key", "encode_key", "encode_key_column", "encode_keys"]

KeyPart: TypeAlias = str | int | bool | bytes | None

_NULL, _FALSE, _TRUE, _INT, _STRING, _BYTES = (bytes([tag]) for tag in range(1, 7))
_ZERO = b"\x00"
_ESCAPED_ZERO = b"\x00\xff"
_END = b"\x00\x01"
_SIGN = 1 << 63
_INT_WIDTH = 9
_KINDS = "str, int64, bool, bytes or None"


def encode_key(parts: Iterable[KeyPart]) -> bytes:
    """The bytes of one key.

    Args:
        parts: The key's parts, first to last. The empty key is the empty bytes.

    Raises:
        DataError: A part has another type, is an integer outside int64, or is text that UTF-8 cannot hold.

    Examples:
        >>> encode_key(["user", 7]).hex(" ")
        '05 75 73 65 72 00 01 04 80 00 00 00 00 00 00 07'
        >>> encode_key(["ab", "c"]) == encode_key(["a", "bc"])
        False
        >>> encode_key([-1]) < encode_key([0]) < encode_key(["0"])
        True
    """
    return b"".join(map(_encode_part, parts))


def _encode_part(part: KeyPart) -> bytes:
    if isinstance(part, str):
        body = _utf8(part)
        if _ZERO in body:
            body = body.replace(_ZERO, _ESCAPED_ZERO)
        return _STRING + body + _END
    if part is True:
        return _TRUE
    if part is False:
        return _FALSE
    if isinstance(part, int):
        if not -_SIGN <= part < _SIGN:
            raise DataError(
                "A key's integer does not fit into int64.", asked=part, remedy="Make it a string key."
            )
        return _INT + (part + _SIGN).to_bytes(8)
    if isinstance(part, bytes):
        return _BYTES + part.replace(_ZERO, _ESCAPED_ZERO) + _END
    if part is None:
        return _NULL
    raise DataError(
        f"A key part is {_KINDS}, not {type(part).__name__}.", asked=part, remedy="Cast it first."
    )


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"A key's text holds half a surrogate pair, which UTF-8 cannot write: {text!r}.",
            asked=repr(text),
            remedy="Decode the text with its real encoding.",
        ) from error


def decode_key(data: bytes) -> tuple[KeyPart, ...]:
    """The parts of an encoded key; the inverse of `encode_key`.

    Raises:
        DataError: The bytes are not what `encode_key` writes.
    """
    parts: list[KeyPart] = []
    at = 0
    try:
        while at < len(data):
            part, at = _decode_part(data, at)
            parts.append(part)
    except ValueError as error:
        raise DataError(
            f"These bytes are not an encoded key: {error} at byte {at}.",
            asked=data.hex(),
            remedy="Encode keys with headrace.keys.encode_key.",
        ) from error
    return tuple(parts)


def _decode_part(data: bytes, at: int) -> tuple[KeyPart, int]:
    """One part and where the next begins; ValueError on anything that `_encode_part` cannot write."""
    tag = data[at : at + 1]
    if tag == _STRING:
        body, end = _unescape(data, at + 1)
        return body.decode(), end  # UnicodeDecodeError is a ValueError
    if tag == _INT:
        end = at + _INT_WIDTH
        if end > len(data):
            raise ValueError("an integer is cut short")
        return int.from_bytes(data[at + 1 : end]) - _SIGN, end
    if tag == _BYTES:
        return _unescape(data, at + 1)
    if tag == _NULL:
        return None, at + 1
    if tag in {_FALSE, _TRUE}:
        return tag == _TRUE, at + 1
    raise ValueError(f"no part has the tag {tag.hex()}")


def _unescape(data: bytes, start: int) -> tuple[bytes, int]:
    """The body that starts there, and where the next part begins."""
    pieces = []
    at = start
    while True:
        zero = data.find(_ZERO, at)
        mark = data[zero : zero + 2]
        if zero >= 0 and mark == _END:
            pieces.append(data[at:zero])
            return _ZERO.join(pieces), zero + 2
        if zero < 0 or mark != _ESCAPED_ZERO:
            raise ValueError("a text or bytes part is not closed")
        pieces.append(data[at:zero])
        at = zero + 2


def encode_keys(columns: Sequence[Column], *, prefix: bytes = b"") -> list[bytes]:
    """The bytes of many keys at once: `prefix + encode_key(row)` of each row.

    Args:
        columns: The key's parts, one Arrow column of n rows each: strings, binaries, integers, booleans or
            nulls, dictionary-encoded or not.
        prefix: What each key starts with, encoded already.

    Returns:
        n keys, in row order.

    Raises:
        DataError: No column, columns of different lengths, another type, or an integer outside int64.
    """
    keys: list[bytes] = encode_key_column(columns, prefix=prefix).to_pylist()
    return keys


def encode_key_column(columns: Sequence[Column], *, prefix: bytes = b"") -> pyarrow.LargeBinaryArray:
    """`encode_keys` as an Arrow column, for hashing, sorting or joining without a Python object per row.

    Args:
        columns: As in `encode_keys`.
        prefix: As in `encode_keys`.

    Returns:
        n keys without a null.

    Raises:
        DataError: As in `encode_keys`.
    """
    if len({len(column) for column in columns}) != 1:
        raise DataError(
            "A key needs at least one column, and its columns are equally long.",
            asked=", ".join(str(len(column)) for column in columns) or "no column",
            remedy="Pass one column for each part of the key.",
        )
    pieces = [_literal(prefix)]
    for column in columns:
        pieces += _encode_column(_one_chunk(column))
    return compute.binary_join_element_wise(*_fused(pieces), _literal(b""))


def _encode_column(column: pyarrow.Array) -> list[pyarrow.Array | pyarrow.Scalar]:
    """The column's parts as binary pieces to join row by row."""
    kinds = pyarrow.types
    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if kinds.is_null(kind):
        return [pyarrow.repeat(_literal(_NULL), len(column))]
    if kinds.is_integer(kind):
        return [_or_null(_encode_integers(column), column)]
    if kinds.is_boolean(kind):
        return [_or_null(compute.if_else(column, _literal(_TRUE), _literal(_FALSE)), column)]
    return _encode_text(column, _text_tag(kind))


def _text_tag(kind: pyarrow.DataType) -> bytes:
    kinds = pyarrow.types
    if kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind):
        return _STRING
    if kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_binary_view(kind):
        return _BYTES
    if kinds.is_fixed_size_binary(kind):
        return _BYTES
    raise DataError(f"A key part is {_KINDS}, not {kind}.", asked=kind, remedy="Cast the column first.")


def _encode_text(column: pyarrow.Array, tag: bytes) -> list[pyarrow.Array | pyarrow.Scalar]:
    body = column.cast(pyarrow.large_binary())
    if _holds_zero(body):
        body = compute.replace_substring(body, pattern=_ZERO, replacement=_ESCAPED_ZERO)
    if column.null_count == 0:
        return [_literal(tag), body, _literal(_END)]
    whole = compute.binary_join_element_wise(_literal(tag), body, _literal(_END), _literal(b""))
    return [_or_null(whole, column)]


def _holds_zero(body: pyarrow.LargeBinaryArray) -> bool:
    """Whether the column holds a zero byte: one pass over its bytes, far cheaper than a look at each row."""
    _, offsets, data = body.buffers()
    if data is None or len(body) == 0:
        return False
    offsets = numpy.frombuffer(offsets, numpy.int64)
    start, end = offsets[body.offset], offsets[body.offset + len(body)]
    return not numpy.frombuffer(data, numpy.uint8)[start:end].all()


def _encode_integers(column: pyarrow.Array) -> pyarrow.LargeBinaryArray:
    try:
        values = column.cast(pyarrow.int64()).fill_null(0).to_numpy()
    except pyarrow.ArrowInvalid as error:
        raise DataError(
            "A key's integer does not fit into int64.", asked=column.type, remedy="Make it a string key."
        ) from error
    encoded = numpy.empty((len(values), _INT_WIDTH), numpy.uint8)
    encoded[:, 0] = _INT[0]
    flipped = values.view(numpy.uint64) ^ numpy.uint64(_SIGN)
    encoded[:, 1:] = flipped.astype(">u8").view(numpy.uint8).reshape(-1, 8)
    fixed = pyarrow.FixedSizeBinaryArray.from_buffers(
        pyarrow.binary(_INT_WIDTH), len(values), [None, pyarrow.py_buffer(encoded)]
    )
    return fixed.cast(pyarrow.large_binary())


def _or_null(encoded: pyarrow.Array, column: pyarrow.Array) -> pyarrow.Array:
    """The encoded parts, with the null part where the column is null."""
    if column.null_count == 0:
        return encoded
    return compute.if_else(column.is_valid(), encoded, _literal(_NULL))


def _fused(pieces: list[pyarrow.Array | pyarrow.Scalar]) -> list[pyarrow.Array | pyarrow.Scalar]:
    """Neighbouring literals made one: the join then copies fewer pieces a row."""
    fused = pieces[:1]
    for piece in pieces[1:]:
        if isinstance(piece, pyarrow.Scalar) and isinstance(fused[-1], pyarrow.Scalar):
            fused[-1] = _literal(fused[-1].as_py() + piece.as_py())
        else:
            fused.append(piece)
    return fused


def _literal(value: bytes) -> pyarrow.LargeBinaryScalar:
    return pyarrow.scalar(value, pyarrow.large_binary())


def _one_chunk(column: Column) -> pyarrow.Array:
    if isinstance(column, pyarrow.ChunkedArray):
        # Arrow's 32-bit offsets end at 2 GiB; the wide types hold a column of any size in one piece.
        wide = {pyarrow.string(): pyarrow.large_string(), pyarrow.binary(): pyarrow.large_binary()}
        return column.cast(wide.get(column.type, column.type)).combine_chunks()
    return column
