"""Casts keep a value's meaning or name the row that has none; instants from everything people write."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.casting import cast_column, instants, listed
from headrace.clock import EARLIEST, LATEST, instant
from headrace.errors import DataError
from headrace.schema import parse_type

NEW_YEAR = instant("2026-01-01T00:00:00Z")
EPOCH, NAIVE = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(1970, 1, 1)  # noqa: DTZ001 - naive on purpose
MICROSECOND, ONE = dt.timedelta(microseconds=1), NAIVE + dt.timedelta(seconds=1)
EAST = dt.timezone(dt.timedelta(hours=2))


def cast(column: pa.Array, of: str) -> list[object]:
    whole = cast_column(column, parse_type(of), "the key 'k'")
    assert whole.type == parse_type(of).arrow()
    return list(whole.to_pylist())


@pytest.mark.parametrize(
    ("column", "of", "values"),
    [
        (pa.array(["a", None]), "string", ["a", None]),
        (pa.array(["a", None]).dictionary_encode(), "string", ["a", None]),
        (pa.array(["a", None], pa.large_string()), "string", ["a", None]),
        (pl.Series(["a", None]).to_arrow(), "string", ["a", None]),
        (pa.array([7, None], pa.int8()), "string", ["7", None]),
        (pa.array([7], pa.uint64()), "string", ["7"]),
        (pa.array([b"a"]), "string", ["a"]),
        (pa.array([dt.date(2026, 1, 1)]), "string", ["2026-01-01"]),
        (pa.array([None, None]), "string", [None, None]),
        (pa.array(["007", None]), "int64", [7, None]),
        (pa.array([7.0, float("nan"), None]), "int64", [7, None, None]),
        (pa.array([Decimal("7.00")]), "int64", [7]),
        (pa.array([7], pa.uint8()), "int64", [7]),
        (pa.array(["1.5", "nan", None]), "double", [1.5, None, None]),
        (pa.array([1.5, float("nan")], pa.float32()), "double", [1.5, None]),
        (pa.array([True, None]), "bool", [True, None]),
        (pa.array(["true"]), "bool", [True]),
        (pa.array(["2026-01-01"]), "date", [dt.date(2026, 1, 1)]),
        (pa.array([dt.datetime(2026, 1, 1)]), "date", [dt.date(2026, 1, 1)]),  # noqa: DTZ001
        (pa.array(["a"]), "binary", [b"a"]),
        (pa.array(["1.50", "2"]), "decimal(12,4)", [Decimal("1.5000"), Decimal("2.0000")]),
        (pa.array([2, None, -3]), "decimal(12,4)", [Decimal("2.0000"), None, Decimal("-3.0000")]),
        (pa.array([9], pa.uint64()), "decimal(1,0)", [Decimal(9)]),
        (pa.array([["a", None], None], pa.list_(pa.large_string())), "list<string>", [["a", None], None]),
        (pa.array([[-0.5, float("nan"), None], None, []]), "list<double>", [[-0.5, None, None], None, []]),
        (pa.array([["1", "2.5"], None]).slice(0, 1), "list<double>", [[1.0, 2.5]]),
        (
            pa.array([[7], None, [], [8, 9]]).slice(1),
            "list<decimal(12,4)>",
            [None, [], [Decimal(8), Decimal(9)]],
        ),
        (pa.array([[[1, None]], [None, []]]), "list<list<double>>", [[[1.0, None]], [None, []]]),
        (pa.array([[1, 2], [3, 4]], pa.list_(pa.int64(), 2)), "list<double>", [[1.0, 2.0], [3.0, 4.0]]),
        (pa.array([[None], []]), "list<string>", [[None], []]),
        (
            pa.array([["a"], None], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
            "list<string>",
            [["a"], None],
        ),
        (pa.array([[1], None, [2]], pa.list_view(pa.int64())).slice(1), "list<double>", [None, [2.0]]),
        (pa.array([[1, 2], None], pa.list_(pa.int64(), 2)), "list<double>", [[1.0, 2.0], None]),
        (
            pa.array([["2026-01-01T02:00:00+02:00", "2026-01-01"]]),
            "list<timestamp>",
            [[dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)]],
        ),
        (
            pa.array(["2026-01-01T02:00:00+02:00", None]),
            "timestamp",
            [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None],
        ),
        (
            pa.array([dt.date(2026, 1, 1), None]),
            "timestamp",
            [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None],
        ),
    ],
)
def test_values_keep_their_meaning(column: pa.Array, of: str, values: list[object]) -> None:
    assert cast(column, of) == values


def test_minus_zero_is_zero() -> None:
    zeros = cast_column(pa.array([-0.0, 0.0]), parse_type("double"), "k").to_numpy()
    assert not np.signbit(zeros).any()


@pytest.mark.parametrize(
    ("column", "of"),
    [
        (pa.array([1.0]), "string"),
        (pa.array([True]), "string"),
        (pa.array([True]), "int64"),
        (pa.array([1]), "bool"),
        (pa.array([dt.datetime(2026, 1, 1)]), "string"),  # noqa: DTZ001
        (pa.array([1]), "timestamp"),
        (pa.array([1.5]), "decimal(12,4)"),
        (pa.array([["a"]]), "string"),
        (pa.array(["a"]), "list<string>"),
        (pa.array([[1.0]]), "list<string>"),
        (pa.array([[True]]), "list<double>"),
        (pa.array([[[True]]]), "list<list<int64>>"),
        (pa.array([[1]]), "list<timestamp>"),
        (pa.array([[1.5]]), "list<decimal(12,4)>"),
        (pa.array([], pa.list_(pa.bool_())), "list<int64>"),
    ],
)
def test_a_type_that_leaves_doubt_is_refused(column: pa.Array, of: str) -> None:
    with pytest.raises(DataError, match=r"the key 'k'.* is .* and cannot be made from") as caught:
        cast(column, of)
    assert caught.value.remedy


@given(before=st.integers(0, 50), after=st.integers(0, 50), pieces=st.integers(1, 5))
def test_the_first_row_that_does_not_fit_is_named(before: int, after: int, pieces: int) -> None:
    texts = ["1"] * before + ["x"] + ["y", "2"] * after
    column = pa.chunked_array(
        [texts[i * len(texts) // pieces : (i + 1) * len(texts) // pieces] for i in range(pieces)], pa.string()
    )
    with pytest.raises(DataError, match=f"is int64, but row {before} holds 'x'"):
        cast_column(column, parse_type("int64"), "the key 'k'")


@pytest.mark.parametrize(
    ("column", "of", "row"),
    [
        (pa.array([1.0, 1.5]), "int64", 1),
        (pa.array([0, 2**63], pa.uint64()), "int64", 1),
        (pa.array([b"a", b"\xff"]), "string", 1),
        (pa.array(["1.5", "1.23456"]), "decimal(12,4)", 1),
        (pa.array([1, 10**8]), "decimal(12,4)", 1),
        (pa.array(["2026-01-01", "soon"]), "date", 1),
        (pa.array([[1.0, 2.0], None, [3.0, 1.5], [4.0]]), "list<int64>", 2),
        (pa.array([["2026-01-01"], ["2026-01-01", "soon"]]), "list<timestamp>", 1),
    ],
)
def test_a_value_that_would_be_lost_is_refused(column: pa.Array, of: str, row: int) -> None:
    with pytest.raises(DataError, match=f"row {row} holds"):
        cast(column, of)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([NEW_YEAR]),
        pa.array([NEW_YEAR // 1_000_000], pa.timestamp("s")),
        pa.array([NEW_YEAR // 1_000], pa.timestamp("ms", tz="UTC")),
        pa.array([NEW_YEAR], pa.timestamp("us", tz="America/New_York")),
        pa.array([NEW_YEAR * 1_000 + 999], pa.timestamp("ns")),
        pa.array([dt.date(2026, 1, 1)]),
        pa.array([dt.date(2026, 1, 1)], pa.date64()),
        pa.array([dt.datetime(2026, 1, 1, 2, tzinfo=EAST)]),
        pa.array([pd.Timestamp("2026-01-01")]),
        pa.array(["2026-01-01"]),
        pa.array(["2026-01-01T00:00:00Z"]),
        pa.array(["2026-01-01 02:00:00.000000+02:00"]),
        pa.array(["2026-01-01T00:00:00.000000999"]),
        pa.array(["20260101"]),
        pa.array(["2026-01-01"]).dictionary_encode(),
        pa.chunked_array([["2026-01-01"], []]),
    ],
    ids=str,
)
def test_one_instant_in_every_spelling(column: pa.Array) -> None:
    assert instants(column, "ts").tolist() == [NEW_YEAR]
    assert instants(column, "ts").dtype == np.int64


def test_texts_with_and_without_a_zone_in_one_column() -> None:
    texts = ["2026-01-01T00:00:00Z", "2026-01-01", "2026-01-01T02:00:00+02:00"]
    assert instants(pa.array(texts), "ts").tolist() == [NEW_YEAR] * 3


@given(st.integers(-(2**62), 2**62))
def test_nanoseconds_are_floored(nanos: int) -> None:
    assert instants(pa.array([nanos], pa.timestamp("ns")), "ts").tolist() == [nanos // 1_000]


@given(st.lists(st.datetimes(min_value=dt.datetime(1, 1, 2), timezones=st.sampled_from([dt.UTC, EAST]))))  # noqa: DTZ001
def test_texts_and_timestamps_agree_with_the_scalar_rule(moments: list[dt.datetime]) -> None:
    expected = [instant(each) for each in moments]
    assert instants(pa.array(moments, pa.timestamp("us", tz="UTC")), "ts").tolist() == expected
    assert instants(pa.array([each.isoformat() for each in moments], pa.string()), "ts").tolist() == expected


def test_no_rows_have_no_instants() -> None:
    assert instants(pa.array([], pa.null()), "ts").tolist() == []


def test_nulls_are_counted_and_the_first_named() -> None:
    with pytest.raises(DataError, match=r"ts has 2 null\(s\), the first in row 1\."):
        instants(pa.array(["2026-01-01", None, "2026-01-02", None]), "ts")
    with pytest.raises(DataError, match=r"ts has 2 null\(s\), the first in row 0\."):
        instants(pa.array([None, None]), "ts")


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pa.array(["2026-01-01", "yesterday"]), "ts, row 1: 'yesterday' is not an instant"),
        (pa.array([1.5]), "ts is double, which is not an instant"),
        (pa.array([True]), "ts is bool"),
        (pa.array([0, 2**62], pa.timestamp("s")), "outside int64 microseconds in row 1"),
        (pa.array([0, -(2**63)], pa.timestamp("ms")), "outside int64 microseconds in row 1"),
        (pa.array([2**63], pa.uint64()), "row 0 holds"),
    ],
)
def test_what_is_no_instant_is_one_clear_error(column: pa.Array, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        instants(column, "ts")
    assert caught.value.remedy


@pytest.mark.parametrize(
    "far", [EARLIEST - 1, LATEST + 1, 1_770_000_000_000_000_000, -(1 << 63), (1 << 63) - 1]
)
def test_an_instant_lies_in_the_years_that_can_be_written(far: int) -> None:
    near = pa.array([EARLIEST, LATEST])
    assert instants(near, "ts").tolist() == [EARLIEST, LATEST]
    for column in (pa.array([0, far]), pa.array([0, far]).view(pa.timestamp("us", tz="UTC"))):
        with pytest.raises(DataError, match=f"ts holds {far} microseconds in row 1, .* years 1 to 9999"):
            instants(column, "ts")


COLUMNS = {
    "a list": (["u", None], ["u", None]),
    "a tuple": (("u", "v"), ["u", "v"]),
    "Arrow": (pa.array(["u", None]), ["u", None]),
    "Arrow in chunks": (pa.chunked_array([["u"], ["v"]]), ["u", "v"]),
    "Arrow's dictionaries": (pa.array(["u", "v"]).dictionary_encode(), ["u", "v"]),
    "Arrow's nanoseconds": (pa.array([1_500], pa.timestamp("ns", "UTC")), [EPOCH + MICROSECOND]),
    "NumPy": (np.array([1, 2**62]), [1, 2**62]),
    "NumPy's texts": (np.array(["u", "v"]), ["u", "v"]),
    "NumPy's objects": (np.array(["u", None], dtype=object), ["u", None]),
    "NumPy's nanoseconds": (np.array([1_500, "NaT"], "datetime64[ns]"), [NAIVE + MICROSECOND, None]),
    "NumPy's lengths of time": (np.array([5], "timedelta64[us]"), [5 * MICROSECOND]),
    "a length of time in a list": ([np.timedelta64(5, "us")], [np.timedelta64(5, "us")]),
    "a matrix": (np.array([[1.0, 2.0], [3.0, 4.0]]), [[1.0, 2.0], [3.0, 4.0]]),
    "pandas": (pd.Series([1, 2], index=[5, 6]), [1, 2]),
    "pandas with nothing": (pd.Series([1, None], dtype="Int64"), [1, None]),
    "pandas by category": (pd.Series(["u", "v"]).astype("category"), ["u", "v"]),
    "polars": (pl.Series(["u", None]), ["u", None]),
    "boxes in a list": ([np.int64(7), np.str_("u"), pa.scalar(8), pd.NA, pd.NaT], [7, "u", 8, None, None]),
    "instants in a list": (
        [pd.Timestamp(1_500, tz="UTC"), np.datetime64(1, "s")],
        [EPOCH + MICROSECOND, ONE],
    ),
}


@pytest.mark.parametrize("what", COLUMNS)
def test_a_column_is_listed_as_python_s_own_values(what: str) -> None:
    column, values = COLUMNS[what]
    found = listed(column, "Column 'k'")
    assert found == values
    assert [type(each) for each in found] == [type(each) for each in values]


@pytest.mark.parametrize(
    "column",
    [
        "u",
        b"u",
        {"u": 1},
        {"u"},
        5,
        None,
        iter("u"),
        np.array("u"),
        np.array(5),
        pd.Series(["u", 5, object()]),
    ],
    ids=["text", "bytes", "dict", "set", "number", "None", "iterator", "one text", "one number", "mixed"],
)
def test_what_is_no_column_is_refused(column: object) -> None:
    with pytest.raises(DataError, match=r"Column 'k' is a .*, which is no list"):
        listed(column, "Column 'k'")
