from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import DataError
from headrace.keys import decode_key, encode_key, encode_key_column, encode_keys
from tests.effort import cases

INT64 = st.integers(-(2**63), 2**63 - 1)
# Few letters, the zero byte among them, so that drawn parts share prefixes and meet the escape.
TEXT = st.text(st.sampled_from("\x00\x01ab\xff\u20ac\U0001f600")) | st.text()
BINARY = st.binary() | st.lists(st.sampled_from([0, 1, 2, 97, 255])).map(bytes)
PARTS = [st.none(), st.booleans(), INT64 | st.integers(-3, 3), TEXT, BINARY]
KEY = st.lists(st.one_of(PARTS), max_size=4).map(tuple)


def kind(part: Any) -> int:
    return [type(None), bool, int, str, bytes].index(type(part))


def rank(key: tuple[Any, ...]) -> list[tuple[int, Any]]:
    """What the order of keys means: by kind, then by value, part by part."""
    return [(kind(part), 0 if part is None else part) for part in key]


@settings(max_examples=cases(300))
@given(KEY)
def test_a_key_decodes_to_itself_types_included(key: tuple[Any, ...]) -> None:
    decoded = decode_key(encode_key(key))
    assert decoded == key
    assert [type(part) for part in decoded] == [type(part) for part in key]


@settings(max_examples=cases(500))
@given(KEY, KEY)
def test_bytes_order_as_the_keys_do(left: tuple[Any, ...], right: tuple[Any, ...]) -> None:
    a, b = encode_key(left), encode_key(right)
    assert (a < b, a == b) == (rank(left) < rank(right), rank(left) == rank(right))


@settings(max_examples=cases(300))
@given(KEY, KEY)
def test_an_encoded_prefix_is_a_prefix_of_parts(short: tuple[Any, ...], long: tuple[Any, ...]) -> None:
    starts = encode_key(long).startswith(encode_key(short))
    assert starts == (rank(long)[: len(short)] == rank(short))


@settings(max_examples=cases(200))
@given(KEY, KEY)
def test_encoding_adds_up(left: tuple[Any, ...], right: tuple[Any, ...]) -> None:
    assert encode_key(left + right) == encode_key(left) + encode_key(right)


def test_every_key_of_short_hostile_parts_is_distinct() -> None:
    pieces = ["".join(letters) for n in range(4) for letters in itertools.product("\x00\x01\xff", repeat=n)]
    keys = [(a, b) for a in pieces for b in pieces] + [(a,) for a in pieces]
    keys += [(a.encode("latin-1"), b) for a in pieces for b in pieces]
    encoded = {encode_key(key) for key in keys}
    assert len(encoded) == len(keys)


def test_the_layout_is_what_the_module_says() -> None:
    assert encode_key([None, False, True, -1, "a\x00", b"\x00"]).hex(" ") == (
        "01 02 03 04 7f ff ff ff ff ff ff ff 05 61 00 ff 00 01 06 00 ff 00 01"
    )
    assert encode_key([]) == b""
    assert decode_key(b"") == ()


def test_two_spellings_of_a_letter_are_two_keys() -> None:
    assert encode_key(["\u00e9"]) != encode_key(["e\u0301"])


@pytest.mark.parametrize("part", [1.5, 2**63, -(2**63) - 1, "\ud800", object(), ("a",)])
def test_what_is_no_key_part_is_refused(part: Any) -> None:
    with pytest.raises(DataError) as caught:
        encode_key([part])
    assert caught.value.remedy


@settings(max_examples=cases(500))
@given(st.binary(max_size=24) | st.lists(st.sampled_from([0, 1, 4, 5, 6, 97, 255])).map(bytes))
def test_bytes_decode_to_the_one_key_that_writes_them_or_not_at_all(data: bytes) -> None:
    try:
        parts = decode_key(data)
    except DataError:
        return
    assert encode_key(parts) == data


@pytest.mark.parametrize(
    "data", ["00", "07", "05", "0561", "056100", "05610002", "0400", "05ff0001", "06ff00ff"]
)
def test_damaged_keys_are_refused(data: str) -> None:
    with pytest.raises(DataError, match="not an encoded key"):
        decode_key(bytes.fromhex(data))


COLUMNS = {
    "string": (pa.string(), TEXT),
    "large_string": (pa.large_string(), TEXT),
    "string_view": (pa.string_view(), TEXT),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), TEXT),
    "binary": (pa.binary(), BINARY),
    "large_binary": (pa.large_binary(), BINARY),
    "fixed_binary": (pa.binary(3), st.binary(min_size=3, max_size=3)),
    "int64": (pa.int64(), INT64),
    "int8": (pa.int8(), st.integers(-128, 127)),
    "uint32": (pa.uint32(), st.integers(0, 2**32 - 1)),
    "bool": (pa.bool_(), st.booleans()),
    "null": (pa.null(), st.none()),
}


@st.composite
def tables(draw: st.DrawFn) -> list[Any]:
    rows = draw(st.integers(0, 6))
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=3))
    columns = []
    for name in names:
        dtype, values = COLUMNS[name]
        drawn = draw(st.lists(values | st.none(), min_size=rows, max_size=rows))
        column = pa.array([*drawn, *drawn], dtype).slice(rows)  # a view with an offset
        columns.append(pa.chunked_array([column.slice(0, rows // 2), column.slice(rows // 2)], dtype))
        if draw(st.booleans()):
            columns[-1] = column
    return columns


@settings(max_examples=cases(400))
@given(tables(), st.sampled_from([b"", encode_key(["view", 1])]))
def test_many_keys_at_once_are_the_keys_one_by_one(columns: list[Any], prefix: bytes) -> None:
    rows = zip(*(column.to_pylist() for column in columns), strict=True)
    expected = [prefix + encode_key(row) for row in rows]
    assert encode_keys(columns, prefix=prefix) == expected
    assert encode_key_column(columns, prefix=prefix).null_count == 0


@pytest.mark.parametrize(
    "columns",
    [
        [],
        [pa.array([1]), pa.array([1, 2])],
        [pa.array([1.5])],
        [pa.array([2**63], pa.uint64())],
        [pa.array([0], pa.timestamp("us"))],
    ],
)
def test_columns_that_cannot_be_keys_are_refused(columns: list[Any]) -> None:
    with pytest.raises(DataError) as caught:
        encode_keys(columns)
    assert caught.value.remedy
