"""Row bytes: equal to a plain encoder, and ordered as the tuples of values are."""

from __future__ import annotations

import datetime as dt
import struct
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.kernel.row_bytes import row_bytes
from headrace.schema import Schema, Type, parse_type
from tests.effort import cases

UTC = dt.UTC
TEXT = st.text(st.sampled_from("\x00\x01a\xffé\U0001f600"), max_size=4)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXT | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    "binary": st.binary(max_size=4) | st.lists(st.sampled_from([0, 1, 255]), max_size=4).map(bytes),
    "int64": st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2),
    "double": st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0, -1.0, 5e-324, float("-inf")]),
    "bool": st.booleans(),
    "timestamp": st.datetimes(
        dt.datetime(1900, 1, 1),  # noqa: DTZ001 - the strategy wants bounds without a zone
        dt.datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    "date": st.dates(),
    "decimal(18,4)": st.integers(-(10**18) + 1, 10**18 - 1).map(lambda whole: Decimal(whole).scaleb(-4)),
}
VALUES |= {f"list<{name}>": st.lists(st.none() | VALUES[name], max_size=3) for name in [*VALUES]}
VALUES["list<list<string>>"] = st.lists(st.none() | VALUES["list<string>"], max_size=3)


def plain(value: Any, of: Type) -> bytes:  # noqa: PLR0911 - one return for each type, as documented
    """The documented encoding of one value, without any array."""
    if value is None:
        return (
            b"\x00"
            + bytes({"bool": 0, "date": 4}.get(of.name, 0 if of.is_text or of.items else 8))
            + closing(of)
        )
    match of.name:
        case "bool":
            return b"\x02" if value else b"\x01"
        case "string" | "binary":
            raw = value.encode() if isinstance(value, str) else value
            return b"\x01" + raw.replace(b"\x00", b"\x00\xff") + closing(of)
        case "list":
            return b"\x01" + b"".join(b"\x01" + plain(item, of.items[0]) for item in value) + closing(of)
        case "double":
            (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))
            return b"\x01" + (bits ^ (2**64 - 1 if bits >> 63 else 2**63)).to_bytes(8)
        case "date":
            return b"\x01" + ((value - dt.date(1970, 1, 1)).days + 2**31).to_bytes(4)
        case "timestamp":
            micros = (value - dt.datetime(1970, 1, 1, tzinfo=UTC)) // dt.timedelta(microseconds=1)
            return b"\x01" + (micros + 2**63).to_bytes(8)
        case "decimal":
            return b"\x01" + (int(value.scaleb(of.scale)) + 2**63).to_bytes(8)
        case _:
            return b"\x01" + (value + 2**63).to_bytes(8)


def closing(of: Type) -> bytes:
    return b"\x00\x01" if of.is_text else b"\x00" if of.items else b""


def comparable(value: Any) -> Any:
    """The value so that Python compares it as documented: nulls first, text by its UTF-8."""
    if value is None:
        return (0,)
    if isinstance(value, list):
        return (1, [comparable(item) for item in value])
    return (1, value.encode() if isinstance(value, str) else value)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Schema, list[dict[str, Any]], pa.Table]:
    spelled = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    names = draw(
        st.lists(st.sampled_from("abcdeé"), min_size=len(spelled), max_size=len(spelled), unique=True)
    )
    types = dict(zip(names, spelled, strict=True))
    # Few values for each column, so that rows share their beginnings and ties reach the last column.
    pools = {
        name: draw(st.lists(st.none() | VALUES[of], min_size=1, max_size=3)) for name, of in types.items()
    }
    rows = draw(
        st.lists(st.fixed_dictionaries({n: st.sampled_from(pool) for n, pool in pools.items()}), max_size=8)
    )
    schema = Schema(types)
    columns = {name: pa.array([row[name] for row in rows], type=of.arrow()) for name, of in schema.items()}
    return schema, rows, pa.table(columns)


@settings(max_examples=cases(400))
@given(tables())
def test_bytes_are_the_documented_ones_and_order_as_values(
    drawn: tuple[Schema, list[dict[str, Any]], pa.Table],
) -> None:
    schema, rows, table = drawn
    encoded = row_bytes(table, schema)
    assert encoded.type == pa.binary()
    assert encoded.null_count == 0
    assert encoded.to_pylist() == [
        b"".join(plain(row[name], schema[name]) for name in sorted(schema)) for row in rows
    ]
    values = [[comparable(row[name]) for name in sorted(schema)] for row in rows]
    for left, left_bytes in zip(values, encoded.to_pylist(), strict=True):
        for right, right_bytes in zip(values, encoded.to_pylist(), strict=True):
            assert (left < right) == (left_bytes < right_bytes)
            assert (left == right) == (left_bytes == right_bytes)


@settings(max_examples=cases(60))
@given(tables(), st.integers(0, 8), st.integers(0, 8))
def test_slices_and_chunks_do_not_matter(
    drawn: tuple[Schema, list[dict[str, Any]], pa.Table], start: int, length: int
) -> None:
    schema, _, table = drawn
    whole = row_bytes(table, schema).to_pylist()
    cut = table.slice(start, length)
    assert row_bytes(cut, schema).to_pylist() == whole[start : start + length]
    if table.num_rows:
        chunked = pa.concat_tables([table.slice(0, 1), table.slice(1)])
        assert row_bytes(chunked, schema).to_pylist() == whole


def test_other_columns_and_the_order_of_the_schema_do_not_matter() -> None:
    table = pa.table({"b": ["x"], "derived": [1.5], "a": [3]})
    first = row_bytes(table, Schema({"a": "int64", "b": "string"}))
    assert first.equals(row_bytes(table, Schema({"b": "string", "a": "int64"})))
    assert first.to_pylist() == [b"\x01\x80" + bytes(6) + b"\x03\x01x\x00\x01"]


@pytest.mark.parametrize(
    ("column", "of"),
    [
        (pa.array(["x", None], pa.large_string()), "string"),
        (pa.array([b"x", None], pa.large_binary()), "binary"),
        (pa.array([1, None], pa.timestamp("us")), "timestamp"),
        (pa.array([[1], None], pa.large_list(pa.int64())), "list<int64>"),
    ],
)
def test_wider_forms_of_a_type_have_the_same_bytes(column: pa.Array, of: str) -> None:
    plain_column = column.cast(parse_type(of).arrow())
    schema = Schema({"a": of})
    assert row_bytes(pa.table({"a": column}), schema).equals(row_bytes(pa.table({"a": plain_column}), schema))


def test_no_columns_is_no_bytes() -> None:
    assert row_bytes(pa.table({"a": [1, 2]}), Schema({})).to_pylist() == [b"", b""]
