"""The spine: every form gives the same rows, keys and instants; what cannot be used is one clear error."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from headrace.clock import instant
from headrace.errors import DataError
from headrace.offline.spine import Spine
from headrace.schema import parse_type

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [
    {"user_id": "007", "ts": "2026-01-02T00:00:00Z", "label": 1},
    {"user_id": "2026-01-01", "ts": "2026-01-01T00:00:00Z", "label": 0},
    {"user_id": "007", "ts": "2026-01-02T00:00:00Z", "label": 1},
    {"user_id": None, "ts": "2026-01-01T00:00:00Z", "label": 0},
]
TABLE = pa.Table.from_pylist(ROWS)
KEYS = {"user_id": parse_type("string")}
T = [instant(str(row["ts"])) for row in ROWS]


def read(spine: Any, keys: dict[str, str] | None = None, timestamp: str = "ts") -> Spine:
    types = KEYS if keys is None else {name: parse_type(of) for name, of in keys.items()}
    return Spine.read(spine, timestamp, types)


def written(directory: Path, name: str) -> Path:
    path = directory / name
    text = (
        "user_id,ts,label\n" + "\n".join(f"{r['user_id'] or ''},{r['ts']},{r['label']}" for r in ROWS) + "\n"
    )
    if name.endswith((".parquet", ".pq")):
        parquet.write_table(TABLE, path)
    elif ".csv" in name:
        content = text.encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    elif ".tsv" in name:
        path.write_text(text.replace(",", "\t"))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


FORMS = {
    "arrow": TABLE,
    "pandas": pd.DataFrame(ROWS),
    "polars": pl.DataFrame(ROWS),
    "dicts": ROWS,
    "columns": TABLE.to_pydict(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_table_gives_the_same_spine(form: str) -> None:
    spine = read(FORMS[form])
    assert len(spine) == 4
    assert spine.t.tolist() == T
    assert spine.keys(["user_id"]).to_pydict() == {"user_id": [row["user_id"] for row in ROWS]}
    assert spine.keys(["user_id"]).schema == pa.schema({"user_id": pa.string()})
    assert [row["label"] for row in spine.table.to_pylist()] == [1, 0, 1, 0]
    assert spine.table.column_names == ["user_id", "ts", "label"]


@pytest.mark.parametrize(
    "name",
    [
        "spine.parquet",
        "spine.pq",
        "spine.csv",
        "spine.CSV",
        "spine.csv.gz",
        "spine.tsv",
        "s.jsonl",
        "s.ndjson",
        "s.json",
    ],
)
@pytest.mark.parametrize("as_text", [True, False])
def test_every_file_gives_the_same_spine(tmp_path: Path, name: str, as_text: bool) -> None:  # noqa: FBT001
    path = written(tmp_path, name.lower()).rename(tmp_path / name)
    spine = read(str(path) if as_text else path)
    assert spine.t.tolist() == T
    assert spine.keys(["user_id"]).to_pydict() == {"user_id": [row["user_id"] for row in ROWS]}
    assert spine.table.column_names == ["user_id", "ts", "label"]
    assert spine.table["user_id"].type == pa.string()
    assert pa.types.is_timestamp(spine.table["ts"].type)
    assert spine.table["label"].to_pylist() == [1, 0, 1, 0]


def test_a_file_in_a_directory_that_looks_like_a_partition_gains_no_column(tmp_path: Path) -> None:
    (tmp_path / "day=1").mkdir()
    assert read(written(tmp_path / "day=1", "spine.parquet")).table.column_names == TABLE.column_names


def test_numbers_in_a_file_are_keys_of_a_text_type(tmp_path: Path) -> None:
    path = tmp_path / "spine.jsonl"
    path.write_text('{"user_id": 7, "ts": "2026-01-01"}\n')
    assert read(path).keys(["user_id"]).to_pylist() == [{"user_id": "7"}]


def test_keys_have_their_declared_types_and_the_order_asked() -> None:
    spine = read({"a": ["1"], "b": [2], "ts": [T[0]]}, {"a": "int64", "b": "string"})
    assert spine.keys(["b", "a"]).to_pydict() == {"b": ["2"], "a": [1]}
    assert spine.table["a"].to_pylist() == ["1"]


def test_a_global_row_needs_no_keys_but_keeps_the_rows() -> None:
    keys = read(TABLE, {}).keys([])
    assert (keys.num_rows, keys.num_columns) == (4, 0)


def test_no_rows_are_no_error(tmp_path: Path) -> None:
    assert len(read(TABLE.slice(0, 0))) == 0
    path = tmp_path / "spine.csv"
    path.write_text("user_id,ts\n")
    assert len(read(path)) == 0


def refused(spine: Any, keys: dict[str, str] | None = None, timestamp: str = "ts") -> DataError:
    with pytest.raises(DataError) as caught:
        read(spine, keys, timestamp)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_missing_key_names_what_is_there_nearest_first() -> None:
    error = refused(TABLE.rename_columns(["usr_id", "ts", "label"]))
    assert "no column 'user_id'" in error.message
    assert error.available == ("usr_id", "ts", "label")


def test_a_missing_time_column() -> None:
    error = refused(TABLE, timestamp="event_timestamp")
    assert "no time column 'event_timestamp'" in error.message
    assert "timestamp=" in error.remedy
    assert "ts" in error.available


def test_all_missing_columns_are_named_at_once() -> None:
    error = refused({"x": [1]}, {"user_id": "string", "ad_id": "string"})
    assert error.message == "The spine has no time column 'ts' and no column 'user_id' and no column 'ad_id'."


def test_no_columns_at_all() -> None:
    assert "no columns" in refused([]).message


def test_rows_without_an_instant_are_counted_and_the_first_named() -> None:
    rows = [*ROWS, {**ROWS[0], "ts": None}, {**ROWS[0], "ts": None}]
    assert "'ts' has 2 null(s), the first in row 4" in refused(rows).message


def test_a_key_that_cannot_be_cast_names_the_row() -> None:
    error = refused(TABLE, {"user_id": "int64"})
    assert "'user_id' is int64, but row 1 holds '2026-01-01'" in error.message


def test_pandas_floats_are_no_texts() -> None:
    frame = pd.DataFrame({"user_id": [1, None], "ts": ["2026-01-01"] * 2})
    assert "cannot be made from double without doubt" in refused(frame).message
    assert read(frame, {"user_id": "int64"}).keys(["user_id"]).to_pydict() == {"user_id": [1, None]}


@pytest.mark.parametrize("name", ["spine.parquet", "spine.csv", "spine.jsonl"])
def test_an_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert "is empty" in refused(tmp_path / name).message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("spine.parquet", b"PAR1 but not really"),
        ("spine.csv", b"a,b\n1,2,3\n"),
        ("spine.csv.gz", b"not gzip"),
        ("spine.jsonl", b'{"a": 1}\n{"a": \n'),
        ("spine.jsonl", b'{"a": 1}\n{"a": "x"}\n'),
    ],
)
def test_an_unreadable_file(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    error = refused(tmp_path / name)
    assert "cannot be read" in error.message
    assert str(tmp_path / name) in error.message


def test_a_missing_file_offers_those_beside_it(tmp_path: Path) -> None:
    there = written(tmp_path, "spine.csv")
    error = refused(tmp_path / "spin.csv")
    assert "There is no spine" in error.message
    assert error.available == (str(there),)
    assert refused(tmp_path / "nowhere" / "spine.csv").available == ()


def test_a_form_that_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "spine.xlsx").write_bytes(b"x")
    assert ".parquet" in refused(tmp_path / "spine.xlsx").available
    assert refused(tmp_path).remedy.startswith("Write it as")


def test_the_digest_is_of_the_rows_not_of_their_memory() -> None:
    chunked = pa.concat_tables([TABLE.slice(0, 3), TABLE.slice(3)])
    assert read(chunked).digest() == read(TABLE).digest()
    clean = TABLE.set_column(2, "label", pa.array([1, 0, 1, None]))
    under_null = pa.array(np.array([1, 0, 1, 99]), mask=np.array([False, False, False, True]))
    assert read(TABLE.set_column(2, "label", under_null)).digest() == read(clean).digest()


@pytest.mark.parametrize(
    "other",
    [
        TABLE.slice(1),
        TABLE.take([1, 0, 2, 3]),
        TABLE.rename_columns(["user_id", "ts", "lab"]),
        TABLE.set_column(2, "label", pa.array([1, 0, 1, 1])),
        TABLE.set_column(2, "label", pa.array([1, 0, 1, None])),
        TABLE.set_column(0, "user_id", pa.array(["007", "2026-01-01", "007", ""])),
        TABLE.set_column(0, "user_id", pa.array(["00", "72026-01-01", "007", None])),
    ],
)
def test_the_digest_sees_every_change(other: pa.Table) -> None:
    assert read(other).digest() != read(TABLE).digest()
