"""The schema of what is there."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pytest

from headrace.definitions.source import TableSource
from headrace.errors import DataError
from headrace.reading.schema import infer_schema
from headrace.reading.source import read
from headrace.schema import Schema
from tests.reading.batches import SCHEMA, parquet, source, table

if TYPE_CHECKING:
    from pathlib import Path


def test_the_schema_of_parquet_and_tables(tmp_path: Path) -> None:
    rows = table(3, small=pa.array([1, 2, 3], pa.int16()), many=pa.array(["a"] * 3).dictionary_encode())
    rows = rows.append_column("deep", pa.array([{"a": 1}] * 3)).append_column(
        "wide", pa.array([Decimal(10**20)] * 3)
    )
    want = {**SCHEMA, **Schema({"small": "int64", "many": "string"})}
    assert infer_schema(source(parquet(tmp_path / "a.parquet", rows))) == Schema(want)
    assert infer_schema(source(rows)) == Schema(want)
    assert infer_schema(source(pl.from_arrow(rows.drop(["wide"])))) == Schema(want)


def test_the_schema_of_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "user,ts,zip,n,x,day,ok,moment,none,mixed\n"
        "1,2024-01-01,007,1,1,2024-02-29,true,2024-01-01 10:00:00.5,,1\n"
        "2,bad,123,,1.5,2024-03-01,FALSE,2024-01-01T10:00Z,,x\n2,too,many,fields,in,this,line,,,,,,x\n"
    )
    assert dict(infer_schema(source(str(path)))) == Schema(
        {"user": "int64", "ts": "timestamp", "zip": "string", "n": "int64", "x": "double", "day": "date"}
        | {"ok": "bool", "moment": "timestamp", "none": "string", "mixed": "string"}
    )


def test_the_schema_of_json_lines(tmp_path: Path) -> None:
    lines = [
        {"user": "1", "ts": "2024-01-01T10:00:00Z", "n": 1, "x": 1, "ok": True, "tags": ["a"],
         "deep": {"a": 1}, "none": None},
        {"user": "2", "ts": "soon", "n": 2, "x": 1.5, "tags": [None], "day": "2024-01-01", "mixed": 1,
         "pairs": [[1], [2.5]]},
        {"mixed": "x", "ids": "1"},
    ]  # fmt: skip
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\nno json\n\n[1]\n")
    (tmp_path / "b.jsonl").write_text('{"n": 1.5, "new": "x"}\n')
    assert dict(infer_schema(source("*.jsonl"), directory=tmp_path)) == Schema(
        {
            "user": "string",
            "ts": "timestamp",
            "n": "double",
            "x": "double",
            "ok": "bool",
            "tags": "list<string>",
        }
        | {
            "none": "string",
            "day": "date",
            "mixed": "string",
            "pairs": "list<list<double>>",
            "ids": "string",
            "new": "string",
        }
    )


def test_the_times_of_a_source_are_timestamps(tmp_path: Path) -> None:
    days = pa.table(
        {
            "since": pa.array([dt.date(2024, 1, 1)]),
            "made": ["2024-01-01"],
            "day": pa.array([dt.date(2024, 1, 1)]),
        }
    )
    profiles = TableSource(
        "p", batch=parquet(tmp_path / "a.parquet", days), timestamp="since", created_at="made"
    )
    assert dict(infer_schema(profiles)) == Schema({"since": "timestamp", "made": "timestamp", "day": "date"})


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            pa.table({"user": ["a"], "n": ["x"]}),
            r"Column 'n' is int64 in file '.*1\.parquet' and string in file '.*2\.parquet'",
        ),
        (
            pa.table({"user": ["a"]}),
            r"The file '.*2\.parquet' has no column 'n', which other files of the batch have",
        ),
        (
            pa.table({"user": ["a"], "n": [1], "m": [1]}),
            r"The file '.*1\.parquet' has no column 'm', which other",
        ),
        (pa.table({"user": ["a"], "n": [1], "N": [1]}), "several columns 'N', which SQL cannot tell apart"),
    ],
)
def test_files_that_disagree_have_no_schema(tmp_path: Path, other: pa.Table, message: str) -> None:
    parquet(tmp_path / "1.parquet", pa.table({"user": ["a"], "n": [1]}))
    parquet(tmp_path / "2.parquet", other)
    with pytest.raises(DataError, match=message):
        infer_schema(source(str(tmp_path / "*.parquet")))


@pytest.mark.parametrize("of", [pa.uint64(), pa.list_(pa.uint64()), pa.dictionary(pa.int8(), pa.uint64())])
@pytest.mark.parametrize("in_memory", [True, False])
def test_unsigned_integers_have_to_be_declared(tmp_path: Path, of: pa.DataType, *, in_memory: bool) -> None:
    rows = table(1).append_column("hash", pa.nulls(1, of))
    batch = rows if in_memory else parquet(tmp_path / "a.parquet", rows)
    with pytest.raises(DataError, match=r"'hash' .*uint64.* schema= with 'hash'") as refused:
        infer_schema(source(batch))
    assert refused.value.asked == "hash"
    assert list(refused.value.available or ()) == ["string", "int64"]
    assert infer_schema(source(rows.drop(["hash"]))) == infer_schema(source(table(1)))


def test_an_unsigned_integer_declared_as_text_keeps_its_digits() -> None:
    rows = table(2).append_column("hash", pa.array([2**64 - 1, 0], pa.uint64()))
    read_back = read(source(rows), Schema({"user": "string", "ts": "timestamp", "hash": "string"})).whole()
    assert read_back.column("hash").to_pylist() == [str(2**64 - 1), "0"]


def test_nothing_usable_has_no_schema() -> None:
    with pytest.raises(DataError, match="no column that can be used"):
        infer_schema(source(pa.table({"ts": [{"a": 1}]})))


def test_whole_numbers_and_doubles_of_several_files_are_doubles(tmp_path: Path) -> None:
    parquet(tmp_path / "1.parquet", pa.table({"user": ["a"], "x": [1]}))
    parquet(tmp_path / "2.parquet", pa.table({"user": ["a"], "x": [1.5]}))
    assert infer_schema(source(str(tmp_path / "*.parquet")))["x"] == Schema({"x": "double"})["x"]
