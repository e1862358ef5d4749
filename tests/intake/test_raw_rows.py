"""Rows handed over as Python objects: a value's fate is its own, whatever its neighbours are."""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import DataError
from headrace.intake.casts import cast_all, castable
from headrace.intake.cleaning import clean
from headrace.intake.doubles import settle_array
from headrace.intake.raw_rows import raw_table
from headrace.schema import Schema, Type, parse_type
from tests.effort import cases
from tests.intake.plain import UTC, same
from tests.intake.test_casts import python
from tests.intake.test_cleaning import SCHEMA, Source

PARIS = dt.timezone(dt.timedelta(hours=2))
SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 3)
    | st.sampled_from([2**53 + 1, 2**63 - 1, 2**63, -(2**70), 10**15])
    | st.floats() | st.sampled_from([1.0, -0.0, 1.005, 1e20])
    | st.sampled_from(["", "1", "1.5", "true", "x", "é", "\ud800", "[1]", "nan"])
    | st.sampled_from(["2024-02-29", "2024-02-29T10:00:00+02:00"])
    | st.sampled_from([b"", b"1", b"\xff"])
    | st.sampled_from(["1.50", "1E+3", "1E-7", "NaN", "Infinity", 10**39]).map(Decimal)
    | st.sampled_from([dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 1, tzinfo=PARIS)])
    | st.sampled_from([dt.datetime(1969, 12, 31, 23, 59, 59, 999_999)])  # noqa: DTZ001 - naive is UTC
    | st.sampled_from([np.int32(7), np.float32(1.5), np.str_("x"), np.True_])
    | st.sampled_from([np.datetime64("2024-02-29T01:02:03", "ns"), pd.NaT, pd.NA])
    | st.sampled_from([pd.Timestamp("2024-02-29T01:02:03.123456789"), uuid.UUID(int=7), {"a": 1}, object()])
)  # fmt: skip
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.just(np.array([1.5, 2.5])) | st.just((1, 2))
TYPES = ["string", "binary", "int64", "double", "decimal(12,2)", "bool", "timestamp", "date"]
TYPES += ["list<int64>", "list<string>", "list<decimal(6,2)>", "list<double>"]


def fates(values: list[Any], of: Type) -> tuple[list[Any], list[bool]]:
    column = raw_table([{"v": value} for value in values], Schema({"v": of})).column("v").combine_chunks()
    assert castable(column.type, of)
    cast = cast_all({"v": (column, of)})["v"]
    settled = settle_array(cast.values, of, allow_infinite=True)
    return python(settled.values, of), [False] * len(values) if cast.bad is None else cast.bad.tolist()


@pytest.mark.parametrize("to", TYPES)
@settings(max_examples=cases(30))
@given(values=st.lists(VALUES, min_size=2, max_size=6))
def test_a_value_is_cast_among_others_as_it_is_alone(to: str, values: list[Any]) -> None:
    of = parse_type(to)
    together, bad = fates(values, of)
    for value, got, refused in zip(values, together, bad, strict=True):
        (alone,), (alone_refused,) = fates([value], of)
        assert refused == alone_refused, value
        assert same(got, alone), value


@pytest.mark.parametrize(
    ("to", "value", "want"),
    [
        ("int64", True, 1), ("int64", 5.0, 5), ("int64", Decimal("5.00"), 5), ("int64", "5", 5),
        ("int64", math.nan, None), ("int64", np.int8(3), 3), ("int64", pd.NA, None),
        ("double", 2**70, 2.0**70), ("double", Decimal("0.1"), 0.1),
        ("decimal(12,2)", 1.005, Decimal("1.00")), ("decimal(12,2)", 3, Decimal("3.00")),
        ("decimal(12,2)", "1.50", Decimal("1.50")), ("bool", 1, True), ("bool", 0.0, False),
        ("bool", "yes", True), ("string", 7, "7"), ("string", 1.5, "1.5"), ("string", b"\xc3\xa9", "é"),
        ("string", True, "true"), ("string", dt.date(2024, 2, 29), "2024-02-29"),
        ("string", uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"), ("binary", "é", b"\xc3\xa9"),
        ("timestamp", 1_500_000, 1_500_000), ("timestamp", dt.datetime(1970, 1, 1, 2, tzinfo=PARIS), 0),
        ("timestamp", dt.date(1970, 1, 2), 86_400_000_000), ("timestamp", "1970-01-01T02:00:00+02:00", 0),
        ("timestamp", pd.Timestamp("1970-01-01T00:00:00.000001999"), 1), ("timestamp", pd.NaT, None),
        ("timestamp", np.datetime64(1_999, "ns"), 1), ("date", dt.datetime(1970, 1, 1, 1, tzinfo=PARIS), -1),
        ("list<int64>", [1, None, "2"], [1, None, 2]),
        ("list<double>", np.array([1.5, math.nan]), [1.5, None]), ("list<string>", '["a", "b"]', ["a", "b"]),
        ("list<string>", [], []), ("list<string>", ["a", math.nan], ["a", None]),
        *((of, math.nan, None) for of in TYPES), *((of, Decimal("NaN"), None) for of in TYPES),
    ],
)  # fmt: skip
def test_values_keep_their_meaning(to: str, value: Any, want: Any) -> None:
    for beside in (None, value, "x", object()):
        values, bad = fates([value, beside], parse_type(to))
        assert not bad[0]
        assert same(values[0], want)


@pytest.mark.parametrize(
    ("to", "value"),
    [
        ("int64", 1.5), ("int64", 2**63), ("int64", "five"), ("int64", b"5"), ("double", "x"),
        ("double", b"1"), ("double", True), ("decimal(12,2)", "1.005"), ("decimal(12,2)", Decimal("1.005")),
        ("decimal(12,2)", math.inf), ("decimal(12,2)", True), ("bool", 2), ("bool", "maybe"),
        ("string", b"\xff"), ("string", "\ud800"), ("timestamp", 1.5), ("timestamp", "soon"),
        ("timestamp", True), ("date", 5), ("list<int64>", [1, "x"]), ("list<int64>", 5),
        ("list<string>", ["\ud800"]), ("double", {"a": 1}), ("timestamp", [1]),
    ],
)  # fmt: skip
def test_values_without_that_meaning_are_refused_alone(to: str, value: Any) -> None:
    for beside in (None, value, "x", object()):
        _, bad = fates([value, beside, None], parse_type(to))
        assert bad[0]
        assert not bad[2]


def test_one_wrong_row_spoils_itself_only() -> None:
    rows = [
        {"user": "u", "ts": "2024-01-01", "price": 1.5, "x": 1, "beside": {"a": b"\xff"}},
        {"user": "u", "ts": dt.datetime(2024, 1, 1, tzinfo=UTC), "price": "dear", "x": 1.5},
        {"user": 7, "ts": 0, "price": Decimal("2.50")},
        {"ts": 0},
    ]
    cleaned = clean(raw_table(rows, SCHEMA, "pushed rows"), Source(), SCHEMA, ["user"])
    assert cleaned.rows.column("user").to_pylist() == ["u", "7"]
    assert cleaned.rows.column("price").to_pylist() == [Decimal("1.50"), Decimal("2.50")]
    assert cleaned.rejected.column("rule").to_pylist() == ["uncastable", "no_key"]
    assert json.loads(cleaned.rejected.column("row")[0].as_py())["price"] == "dear"


def test_a_list_of_dicts_has_all_columns_of_the_schema() -> None:
    assert raw_table([{"user": "u"}], SCHEMA).column_names == list(SCHEMA)
    assert raw_table([], SCHEMA).num_rows == 0
    assert clean(raw_table([], SCHEMA), Source(), SCHEMA, ["user"]).counts["rows"] == 0


def test_tables_are_taken_as_they_are() -> None:
    schema = Schema({"a": "int64"})
    table = pa.table({"a": [1, 2]})
    assert raw_table(table, schema) is table
    assert raw_table(pl.DataFrame({"a": [1, 2]}), schema).to_pydict() == {"a": [1, 2]}
    assert raw_table(pd.DataFrame({"a": [1, 2]}), schema).to_pydict() == {"a": [1, 2]}
    assert raw_table({"a": [1, 2]}, schema).to_pydict() == {"a": [1, 2]}


def test_a_pandas_column_of_mixed_values_is_taken_value_by_value() -> None:
    frame = pd.DataFrame({"a": pd.Series([1, "x", None, 2.0], dtype=object)})
    column = raw_table(frame, Schema({"a": "int64"})).column("a").combine_chunks()
    cast = cast_all({"a": (column, parse_type("int64"))})["a"]
    assert cast.values.to_pylist() == [1, None, None, 2]
    assert cast.bad is not None
    assert cast.bad.tolist() == [False, True, False, False]


def test_a_pandas_frame_with_two_columns_of_one_name_is_refused() -> None:
    with pytest.raises(DataError, match="two columns named 'a'"):
        raw_table(pd.DataFrame([[1, 2]], columns=["a", "a"]), Schema({"a": "int64"}))


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(DataError, match="pushed rows"):
        raw_table(7, SCHEMA, "pushed rows")
    with pytest.raises(DataError, match="pushed rows"):
        raw_table("rows.csv", SCHEMA, "pushed rows")


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(columns=["ts"]),
        pd.DataFrame({name: pd.Series(dtype="float64") for name in SCHEMA}),
        pd.DataFrame({"ts": pd.Categorical([])}),
    ],
    ids=["bare", "one column", "floats", "categories"],
)
def test_a_frame_without_rows_is_no_rows_of_any_type(frame: pd.DataFrame) -> None:
    raw = raw_table(frame, SCHEMA)
    assert raw.num_rows == 0
    assert set(raw.column_names) == set(SCHEMA)
    assert all(castable(raw.schema.field(name).type, of) for name, of in SCHEMA.items())
