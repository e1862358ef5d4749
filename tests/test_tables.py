"""Rows in every form people hand them over in become the same Arrow table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from headrace.errors import DataError
from headrace.tables import frame_of, table_of

COLUMNS = {"user": ["b", "a", "a"], "n": [1, 2, 2]}
TABLE = pa.table(COLUMNS)


@pytest.mark.parametrize(
    "rows",
    [
        TABLE,
        TABLE.to_batches()[0],
        pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches()),
        pd.DataFrame(COLUMNS),
        pd.DataFrame(COLUMNS).set_index("user"),
        pd.DataFrame(COLUMNS).set_index(["user", "n"]),
        pd.DataFrame(COLUMNS, index=[7, 8, 9]),
        pl.DataFrame(COLUMNS),
        COLUMNS,
        TABLE.to_pylist(),
        tuple(TABLE.to_pylist()),
    ],
    ids=lambda rows: type(rows).__name__,
)
def test_every_form_keeps_order_and_duplicates(rows: Any) -> None:
    table = table_of(rows)
    assert sorted(table.column_names) == ["n", "user"]
    assert table.select(["user", "n"]).to_pylist() == TABLE.to_pylist()


def test_a_duckdb_relation() -> None:
    with duckdb.connect() as connection:
        table = table_of(connection.sql("SELECT 'x' AS user, 1 AS n"))
    assert table.to_pylist() == [{"user": "x", "n": 1}]


def test_a_row_may_lack_a_key() -> None:
    assert table_of([{"a": 1}, {"b": "x"}]).to_pylist() == [{"a": 1, "b": None}, {"a": None, "b": "x"}]


def test_pandas_says_nan_where_arrow_says_null() -> None:
    table = table_of(pd.DataFrame({"n": [1.0, float("nan")], "t": [datetime(2026, 1, 1, tzinfo=UTC), None]}))
    assert [column.null_count for column in table.columns] == [1, 1]


def test_no_rows() -> None:
    assert table_of([]).num_rows == 0
    assert table_of(TABLE.slice(0, 0)).schema == TABLE.schema


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (3, "the type int, which is not a table"),
        ([1, 2], "the type list, which is not a table"),
        ("rows", "the type str, which is not a table"),
        (pl.DataFrame(COLUMNS).lazy(), r"collect\(\)"),
        (pd.Series([1]), "the type Series"),
        (pl.Series([1]), "the type Series"),
        (pa.array([1]), "which is not a table"),
        ([{"a": 1}, {"a": "x"}], "cannot be read as a table"),
        ({"a": [1], "b": [1, 2]}, "cannot be read as a table"),
        (pd.DataFrame({"a": [1, "x"]}, dtype=object), "column a"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "a"),
        (pa.table([[1], [2]], names=["a", "a"]), "two columns named 'a'"),
    ],
)
def test_what_is_no_table_is_one_clear_error(rows: Any, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        table_of(rows, "spine")
    assert caught.value.message.startswith("The spine ")
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_a_frame_without_rows_says_nothing_of_floats() -> None:
    frame = pd.DataFrame({"u": pd.Series(dtype="float64"), "n": pd.Series(dtype="int64"), "o": []})
    table = table_of(frame)
    assert (table.num_rows, table.column_names) == (0, ["u", "n", "o"])
    assert [table.schema.field(name).type for name in ("u", "n")] == [pa.null(), pa.int64()]
    assert table_of(pd.DataFrame({"u": [1.5]})).schema.field("u").type == pa.float64()


LARGE = 2**60 + 1
"""An integer that no double is."""


def test_a_frame_says_what_the_table_says() -> None:
    columns: dict[str, Any] = {
        "large": [LARGE, None],
        "least": [None, -LARGE],
        "small": [2**53, None],
        "whole": [LARGE, 1],
        "nothing": pa.nulls(2, pa.int64()),
        "text": ["a", None],
        "counts": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
    }
    frame = frame_of(pa.table(columns))
    assert list(frame.columns) == list(columns)
    assert (frame["large"].tolist(), frame["least"].tolist()) == ([LARGE, pd.NA], [pd.NA, -LARGE])
    assert frame["whole"].tolist() == [LARGE, 1]
    assert frame["counts"].tolist() == [{"a": 1}, None]
    kinds = [str(frame[name].dtype) for name in ("large", "least", "small", "whole", "nothing")]
    assert kinds == ["Int64", "Int64", "float64", "int64", "float64"]


@pytest.mark.parametrize("rows", [0, 2])
def test_a_frame_has_as_many_rows(rows: int) -> None:
    assert len(frame_of(pa.table({"n": pa.array([None] * rows, pa.int64())}))) == rows
