"""Parquet: the order of rows, what is read of a file, and files that differ."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from headrace.errors import DataError
from headrace.reading.database import open_database
from headrace.reading.parquet import parquet_pieces
from headrace.reading.source import read
from headrace.schema import Schema
from tests.reading.batches import NOON, SCHEMA, WRITERS, parquet, source, table


def test_rows_come_in_the_order_of_files_and_rows(tmp_path: Path) -> None:
    sizes = [1, 70_000, 0, 5, 131_072, 3, 40_000]
    start = 0
    for place, size in enumerate(sizes):
        times, numbers = (
            pa.array([NOON] * size, pa.timestamp("us")),
            pa.array(range(start, start + size), pa.int64()),
        )
        rows = pa.table({"user": pa.array(["u"] * size, pa.string()), "ts": times, "n": numbers})
        parquet(tmp_path / f"{place:02}.parquet", rows, row_group_size=9_999)
        start += size
    schema = Schema({"user": "string", "ts": "timestamp", "n": "int64"})
    reading = read(source(str(tmp_path / "*.parquet")), schema, threads=4, expressions={"odd": "n % 2 = 1"})
    batches = list(reading)
    assert max(batch.num_rows for batch in batches) <= 140_000
    got = pa.concat_tables(batches)
    assert got.column("n").to_pylist() == list(range(start))
    assert got.column("odd").to_pylist() == [bool(i % 2) for i in range(start)]


def test_rejected_rows_are_whole_and_say_where_they_lie(tmp_path: Path) -> None:
    n = 30_000
    price: list[Any] = ["1.5"] * n
    price[7] = price[29_999] = "free"
    x = [1.0] * n
    x[12_345] = math.inf
    rows = table(n, price=price, x=x).append_column("beside", pa.array(range(n)))
    parquet(tmp_path / "a.parquet", rows.slice(0, 10_000), row_group_size=700)
    parquet(tmp_path / "b.parquet", rows.slice(10_000), row_group_size=700)
    rejects: list[pa.Table] = []
    reading = read(
        source("*.parquet"),
        SCHEMA,
        columns=["user"],
        keys=["user"],
        directory=tmp_path,
        on_rejected=rejects.append,
    )
    assert reading.whole().num_rows == n - 3
    told = pa.concat_tables(rejects).to_pylist()
    assert [(Path(row["origin"]).name, row["ordinal"], row["rule"]) for row in told] == [
        ("a.parquet", 7, "uncastable"),
        ("b.parquet", 2_345, "infinite"),
        ("b.parquet", 19_999, "uncastable"),
    ]
    assert [json.loads(row["row"])["beside"] for row in told] == [7, 12_345, 29_999]
    assert reading.counts == Counter(rows=n, good=n - 3, rejected=3, uncastable=2, infinite=1)


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "memory"])
def test_a_failing_expression_names_its_row_among_rejected_ones(tmp_path: Path, kind: str) -> None:
    rows = table(6, n=[None, 0, 3, 0, 5, 0], user=["a", None, "c", "d", None, "f"])
    rejects: list[pa.Table] = []
    batch = WRITERS[kind](rows, tmp_path)
    reading = read(
        source(batch), SCHEMA, keys=["user"], expressions={"m": "1 % n"}, on_rejected=rejects.append
    )
    assert reading.whole().column("m").to_pylist() == [None, 1, None, None]
    told = [row for part in rejects for row in part.to_pylist()]
    assert sorted((row["ordinal"], row["rule"], json.loads(row["row"])["user"]) for row in told) == [
        (1, "no_key", None),
        (3, "expression", "d"),
        (4, "no_key", None),
        (5, "expression", "f"),
    ]


def test_the_first_and_last_rows_of_files_are_told_apart(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        parquet(tmp_path / f"{name}.parquet", table(3, user=[None, "u", None], n=[1, 0, 1]))
    rejects: list[pa.Table] = []
    reading = read(
        source(str(tmp_path / "*.parquet")), SCHEMA, columns=[], keys=["user"], expressions={"m": "1 % n"},
        on_rejected=rejects.append,
    )  # fmt: skip
    assert reading.whole().num_rows == 3
    told = [
        (Path(row["origin"]).stem, row["ordinal"], row["rule"])
        for part in rejects
        for row in part.to_pylist()
    ]
    assert sorted(told) == [
        (name, place, "expression" if place == 1 else "no_key")
        for name in ("a", "b", "c")
        for place in range(3)
    ]


@pytest.mark.parametrize("value", [math.inf, -math.inf])
@pytest.mark.parametrize("statistics", [True, False])
def test_a_column_that_is_not_asked_for_still_spoils_its_row(
    tmp_path: Path, value: float, *, statistics: bool
) -> None:
    rows = table(4, x=[1.0, value, math.nan, None])
    path = parquet(tmp_path / "a.parquet", rows, write_statistics=statistics)
    assert read(source(path), SCHEMA, columns=["user"]).whole().num_rows == 3
    assert read(source(path, allow_infinite=True), SCHEMA, columns=["user"]).whole().num_rows == 4


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize(
    ("column", "of", "value"),
    [
        ("at", pa.timestamp("us", "UTC"), 253_402_300_800_000_000),
        ("at", pa.timestamp("us"), -62_135_596_800_000_001),
        ("at", pa.int64(), 253_402_300_800_000_000),
        ("day", pa.date32(), 2_932_897),
        ("day", pa.date32(), -719_163),
    ],
)
def test_a_far_year_that_is_not_asked_for_still_spoils_its_row(
    tmp_path: Path, column: str, of: pa.DataType, value: int, *, statistics: bool
) -> None:
    rows = table(
        3, **{column: pa.array([0, value, None], pa.int32() if of == pa.date32() else pa.int64()).cast(of)}
    )
    path = parquet(tmp_path / "a.parquet", rows, write_statistics=statistics)
    reading = read(source(path), SCHEMA, columns=["user"])
    assert reading.whole().num_rows == 2
    assert reading.counts["uncastable"] == 1


def test_columns_of_known_bounds_are_not_read(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", table(3))
    (piece,) = parquet_pieces(open_database(), [Path(path)])
    assert piece.checked(SCHEMA, allow_infinite=False) == []


def test_nobody_asking_for_rejected_rows_changes_nothing_else(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", table(4, x=[1.0, math.inf, 2.0, 3.0], n=[0, 1, 2, 0]))
    silent = read(source(path), SCHEMA, columns=["user"], expressions={"m": "1 % n"})
    heard = read(source(path), SCHEMA, columns=["user"], expressions={"m": "1 % n"}, on_rejected=[].append)
    assert silent.whole() == heard.whole()
    assert silent.counts == heard.counts
    assert silent.counts["failed"] == 2


def test_files_of_other_castable_types_are_one_source(tmp_path: Path) -> None:
    small = pa.table(
        {"user": [1], "ts": pa.array([1_999], pa.timestamp("ns")), "n": pa.array([1], pa.int8())}
    )
    wide = pa.table(
        {"n": pa.array(["2"]), "ts": ["1970-01-01"], "user": pa.array(["a"]).dictionary_encode(), "z": [1]}
    )
    parquet(tmp_path / "1.parquet", small)
    parquet(tmp_path / "2.parquet", wide)
    schema = Schema({"user": "string", "ts": "timestamp", "n": "int64"})
    got = read(source(str(tmp_path / "?.parquet")), schema).whole()
    assert got.column("user").to_pylist() == ["1", "a"]
    assert got.column("n").to_pylist() == [1, 2]
    assert got.column("__time").to_pylist() == [1, 0]


def test_a_change_of_schema_between_files_is_named_before_a_row_is_read(tmp_path: Path) -> None:
    parquet(tmp_path / "1.parquet", table(2))
    parquet(tmp_path / "2.parquet", table(2).drop(["price"]))
    with pytest.raises(
        DataError, match=r"The file '.*2\.parquet' has no column 'price'\. Available: "
    ) as caught:
        next(read(source(str(tmp_path / "*.parquet")), SCHEMA))
    assert caught.value.asked == "price"
    parquet(tmp_path / "2.parquet", table(2, price=pa.array([{"a": 1}] * 2)))
    with pytest.raises(
        DataError, match=r"Column 'price' of the file '.*2\.parquet' is struct<a: int64>, which cannot"
    ):
        next(read(source(str(tmp_path / "*.parquet")), SCHEMA))
