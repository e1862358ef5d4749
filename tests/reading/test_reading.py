"""Reading: the same rows come out of Parquet, CSV, JSON Lines and a table; what is no row is told apart."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import math
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.definitions.source import EventSource, InMemory, TableSource
from headrace.errors import DataError, DefinitionError
from headrace.intake.cleaning import clean
from headrace.intake.evaluator import Evaluator
from headrace.reading.database import open_database
from headrace.reading.parquet import parquet_pieces
from headrace.reading.source import infer_schema, read
from headrace.schema import Schema
from tests.effort import cases

SCHEMA = Schema(
    {
        "user": "string",
        "ts": "timestamp",
        "at": "timestamp",
        "price": "decimal(12,4)",
        "x": "double",
        "n": "int64",
    }
    | {"ok": "bool", "day": "date", "tags": "list<string>"}
)
NOON = 1_711_886_400_000_000
DERIVED = {"hour": "date_part('hour', local(ts))", "dear": "price > 2", "inverse": "10 % n"}


def source(batch: Any, **options: Any) -> EventSource:
    return EventSource("events", batch=batch, timestamp="ts", **options)


def table(size: int = 5, **columns: Any) -> pa.Table:
    rows = range(size)
    whole = {
        "user": [f"u{i % 3}" for i in rows],
        "ts": pa.array([NOON + i * 1_000_000 for i in rows], pa.timestamp("us", "UTC")),
        "at": pa.array([None if i % 2 else NOON + i * 1_000_000 for i in rows], pa.timestamp("us", "UTC")),
        "price": pa.array([Decimal(i).scaleb(-1) for i in rows], pa.decimal128(12, 4)),
        "x": [i / 4 for i in rows],
        "n": list(rows),
        "ok": [i % 2 == 0 for i in rows],
        "day": pa.array([dt.date(2024, 2, 29)] * size),
        "tags": pa.array([["a", "b,c"], [], None][i % 3] for i in rows),
    }
    return pa.table(whole | columns)


def write(rows: pa.Table, path: Path) -> Path:
    """Write a table as its suffix says."""
    if path.suffix == ".parquet":
        pq.write_table(rows, path, row_group_size=3)
        return path
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as file:
        file.writelines(json.dumps(row, default=text) + "\n" for row in rows.to_pylist())
    return path


def text(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def as_csv(rows: pa.Table, path: Path) -> Path:
    lines = [",".join(rows.column_names)]
    lines += [",".join(field(value) for value in row.values()) for row in rows.to_pylist()]
    path.write_text("\n".join(lines) + "\n")
    return path


def field(value: Any) -> str:
    if value is None:
        return ""
    shown = json.dumps(value) if isinstance(value, list) else "true" if value is True else text(value)
    return '"' + shown.replace('"', '""') + '"' if any(sign in shown for sign in ',"\n') else shown


WRITERS = {
    "parquet": lambda rows, path: write(rows, path / "e.parquet"),
    "csv": lambda rows, path: as_csv(rows, path / "e.csv"),
    "jsonl": lambda rows, path: write(rows, path / "e.jsonl"),
    "jsonl.gz": lambda rows, path: write(rows, path / "e.jsonl.gz"),
    "memory": lambda rows, path: rows,  # noqa: ARG005
    "pandas": lambda rows, path: rows.to_pandas(types_mapper=pd.ArrowDtype),  # noqa: ARG005
    "polars": lambda rows, path: pl.from_arrow(rows),  # noqa: ARG005
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_form_gives_the_same_rows(kind: str, tmp_path: Path) -> None:
    rows = table(20)
    batch = WRITERS[kind](rows, tmp_path)
    rejects: list[pa.Table] = []
    reading = read(
        source(batch, available_at="at"), SCHEMA, keys=["user"], expressions=DERIVED, zone="Europe/Paris",
        on_rejected=rejects.append,
    )  # fmt: skip
    got = reading.whole()
    want = clean(rows, source(rows, available_at="at"), SCHEMA, ["user"]).rows
    assert got.column_names == [*SCHEMA, *DERIVED, "__time", "__known"]
    assert got.select(want.column_names).combine_chunks() == want.combine_chunks()
    assert set(got.column("hour").to_pylist()) == {14}
    assert got.column("dear").to_pylist() == [i > 20 for i in range(20)]
    assert got.column("inverse").to_pylist() == [None if i == 0 else 10 % i for i in range(20)]
    assert reading.counts["rows"] == reading.counts["good"] == 20
    assert reading.counts["failed"] == 1
    (failed,) = pa.concat_tables(rejects).to_pylist()
    assert failed["rule"] == "expression"
    assert failed["ordinal"] == 0
    assert failed["origin"] == ("" if reading and not isinstance(batch, Path) else str(batch))
    assert failed["reason"].startswith("inverse cannot be evaluated: Division by zero")
    assert json.loads(failed["row"])["user"] == "u0"


WRONG = {
    "user": st.none(),
    "ts": st.sampled_from([None, "soon", "2024-03-31T12:06:00"]),
    "price": st.sampled_from(["free", "1.23456", "123456789012"]),
    "x": st.sampled_from(["inf", "-inf", "nan", "x"]),
    "n": st.sampled_from(["1.5", "9223372036854775808"]),
    "ok": st.just("maybe"),
    "tags": st.just("no list"),
}


@settings(max_examples=cases(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.fixed_dictionaries({}, optional=WRONG), max_size=7),
    st.sets(st.sampled_from(sorted(SCHEMA))),
    st.sampled_from(["parquet", "csv", "jsonl", "memory"]),
)
def test_dirty_files_are_judged_as_cleaning_judges_their_rows(
    tmp_path: Path, wrong: list[dict[str, Any]], columns: set[str], kind: str
) -> None:
    right = {
        "user": "u",
        "ts": "2024-03-31 12:00:00",
        "at": "2024-03-31T12:00:00Z",
        "price": "1.5",
        "x": "0.5",
    }
    right |= {"n": "3", "ok": "true", "day": "2024-02-29", "tags": '["a"]'}
    records = [{**right, **broken} for broken in wrong] + [right]
    rows = pa.table({name: pa.array([row[name] for row in records], pa.string()) for name in SCHEMA})
    batch = WRITERS[kind](rows, tmp_path)
    rejects: list[pa.Table] = []
    reading = read(
        source(batch, available_at="at"), SCHEMA, columns=sorted(columns), keys=["user"],
        expressions={"w": "n > 1"}, on_rejected=rejects.append,
    )  # fmt: skip
    got = reading.whole()
    want = clean(rows, source(rows, available_at="at"), SCHEMA, ["user"])
    assert got.column_names == [name for name in SCHEMA if name in columns] + ["w", "__time", "__known"]
    kept = [name for name in want.rows.column_names if name in columns or name[:2] == "__"]
    assert got.select(kept).combine_chunks() == want.rows.select(kept).combine_chunks()
    assert {name: count for name, count in reading.counts.items() if count} == {
        name: count for name, count in want.counts.items() if count
    }
    told = pa.concat_tables(rejects).drop(["origin"]).combine_chunks() if rejects else want.rejected
    assert (
        told.select(["rule", "reason", "ordinal"]).to_pylist()
        == want.rejected.select(["rule", "reason", "ordinal"]).to_pylist()
    )
    assert [json.loads(row) for row in told.column("row").to_pylist()] == [
        json.loads(row) for row in want.rejected.column("row").to_pylist()
    ]


# --- Parquet ----------------------------------------------------------------------------------------------


def parquet(path: Path, rows: pa.Table, **options: Any) -> str:
    pq.write_table(rows, path, **options)
    return str(path)


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


def test_memory_and_threads_are_settings(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", table(4))
    assert read(source(path), SCHEMA, memory="200MB", threads=1).whole().num_rows == 4
    assert read(source(path), SCHEMA, memory=200_000_000).whole().num_rows == 4
    with pytest.raises(DataError, match="memory 'plenty'"):
        next(read(source(path), SCHEMA, memory="plenty"))


# --- CSV --------------------------------------------------------------------------------------------------

SMALL = Schema({"user": "string", "ts": "timestamp", "n": "int64"})


def rejects_of(path: Path, schema: Schema = SMALL) -> tuple[pa.Table, list[dict[str, Any]], Counter[str]]:
    told: list[pa.Table] = []
    reading = read(source(str(path)), schema, keys=["user"], on_rejected=told.append)
    return reading.whole(), [row for part in told for row in part.to_pylist()], reading.counts


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_header_tells_the_delimiter(tmp_path: Path, delimiter: str) -> None:
    lines = [
        ["ts", "user", "n", "beside"],
        ["2024-01-01", "a,b;c|d\te", "1", 'say "no"'],
        ["2024-01-01", "é", "2", ""],
    ]
    quoted = [delimiter.join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines[1:]]
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([delimiter.join(lines[0]), *quoted, ""]).encode())
    got, told, _ = rejects_of(path)
    assert got.column("user").to_pylist() == ["a,b;c|d\te", "é"]
    assert got.column("n").to_pylist() == [1, 2]
    assert told == []


def test_a_quoted_empty_field_is_an_empty_text_and_an_empty_one_null(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('user,ts,n\n"",2024-01-01,\nü,2024-01-01,1\n,2024-01-01,2\nu,2024-01-01,""\n')
    rows, rejects, counts = rejects_of(path)
    assert rows.column("user").to_pylist() == ["", "ü"]
    assert rows.column("n").to_pylist() == [None, 1]
    assert [reject["rule"] for reject in rejects] == ["no_key", "uncastable"]
    assert counts["good"] == 2


def test_lines_that_are_no_rows_are_quarantined(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b"user,ts,n\nu1,2024-01-01,1\nu2,2024-01-01\nu3,2024-01-01,3,4,5\nu4,\xff,1\n\n"
        b"u5,2024-01-01,five\nu6,2024-01-01,6\n"
    )
    got, told, counts = rejects_of(path)
    assert got.column("user").to_pylist() == ["u1", "u6"]
    assert [row["rule"] for row in told] == ["uncastable", "malformed", "malformed", "malformed"]
    assert [json.loads(row["row"]) for row in told[1:3]] == ["u2,2024-01-01", "u3,2024-01-01,3,4,5"]
    assert told[1]["reason"] == "line 3: Expected Number of Columns: 3 Found: 2"
    assert all(row["ordinal"] is None and row["origin"] == str(path) for row in told[1:])
    assert counts["rows"] == 6 == counts["good"] + counts["rejected"]
    assert counts["malformed"] == 3


def test_an_unclosed_quote_spoils_what_follows_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('user,ts,n\nu1,2024-01-01,1\n"u2,2024-01-01,2\nu3,2024-01-01,3\n')
    got, told, counts = rejects_of(path)
    assert got.column("user").to_pylist() == ["u1"]
    assert {row["rule"] for row in told} == {"malformed"}
    assert counts["rows"] == counts["good"] + counts["rejected"]


def test_a_gzipped_csv_and_a_header_alone(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.csv.gz", "wt") as file:
        file.write("user,ts,n\nu1,2024-01-01,1\n")
    (tmp_path / "b.csv").write_text("user,ts,n\n")
    assert rejects_of(tmp_path / "a.csv.gz")[0].num_rows == 1
    assert rejects_of(tmp_path / "b.csv")[0].num_rows == 0


@pytest.mark.parametrize(
    ("header", "message"), [("user,ts,user", "names 'user' twice"), ("user,,ts", "has no name for a column")]
)
def test_a_header_must_name_its_columns(tmp_path: Path, header: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(header + "\n1,2,3\n")
    with pytest.raises(DataError, match=f"The header of file '.*a.csv' {message}"):
        rejects_of(tmp_path / "a.csv")


def test_a_csv_without_a_column_of_the_schema(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,time,n\n1,2024-01-01,3\n")
    with pytest.raises(DataError, match=r"The file '.*a\.csv' has no column 'ts'\. Available: user, time, n"):
        rejects_of(tmp_path / "a.csv")


# --- JSON Lines -------------------------------------------------------------------------------------------


def test_lines_that_are_no_objects_are_quarantined(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [
        '{"user": 1, "ts": "2024-01-01", "n": 1.0, "beside": {"deep": [1]}}',
        "no json", "", "[1, 2]", "5", "{}",
        '{"n": 9007199254740993, "ts": "2024-01-01T10:00:00+02:00", "user": "é\\ud83d\\ude00"}',
        '{"user": null, "ts": null}',
        '{"ts": "2024-01-01", "user": "u", "n": 1.5}', '{"ts": "2024-01-01", "user": "u"}', '{"user": "cut',
    ]  # fmt: skip
    path.write_text("\n".join(lines))
    got, told, counts = rejects_of(path)
    assert got.column("user").to_pylist() == ["1", "é😀", "u"]
    assert got.column("n").to_pylist() == [1, 2**53 + 1, None]
    assert [row["rule"] for row in told] == [
        "uncastable",
        *["malformed"] * 3,
        "no_time",
        "no_time",
        "malformed",
    ]
    assert [row["reason"].split(":")[0] for row in told[1:]] == [f"line {n}" for n in (2, 4, 5, 6, 8, 11)]
    assert [json.loads(row["row"]) for row in told[1:]] == [
        "no json",
        "[1, 2]",
        "5",
        {},
        {"user": None, "ts": None},
        '{"user": "cut',
    ]
    assert counts["rows"] == 10 == counts["good"] + counts["rejected"]


def test_bytes_that_are_no_utf8_spoil_their_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"user": "\xff", "ts": "2024-01-01"}\n{"user": "u", "ts": "2024-01-01"}\n')
    got, told, counts = rejects_of(path)
    assert got.column("user").to_pylist() == ["u"]
    assert [row["rule"] for row in told] == ["malformed"]
    assert counts["rows"] == 2


def test_a_json_document_is_not_json_lines(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"user": 1,\n"ts": "2024-01-01"}]')
    with pytest.raises(DataError, match=r"a\.json' is one JSON document, not JSON Lines"):
        rejects_of(tmp_path / "a.json")
    with pytest.raises(DataError, match="one JSON document"):
        infer_schema(source(str(tmp_path / "a.json")))


# --- what cannot be read ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (
            "nothing.parquet",
            r"There is no file '.*nothing\.parquet', the batch of source 'events'\. Available: a\.csv, ",
        ),
        ("nothing/*.parquet", r"No file matches 'nothing/\*\.parquet', the batch of source 'events'\."),
        ("*.pq", r"No file matches '\*\.pq'.*Available: a\.csv, "),
        (".", "is a directory"),
        ("empty.parquet", r"empty\.parquet' of source 'events' is empty"),
        ("empty.csv", r"empty\.csv' of source 'events' is empty"),
        ("empty.jsonl", r"empty\.jsonl' of source 'events' is empty"),
        ("a.xlsx", r"a\.xlsx' of source 'events' is of no known kind.*Available: \.parquet"),
        ("a.gz", "is of no known kind"),
        ("a.*", r"mixes '.*a\.csv' and '.*a\.jsonl'"),
        ("garbage.parquet", r"The file '.*garbage\.parquet' cannot be read: No magic bytes"),
        ("cut.parquet", r"The file '.*cut\.parquet' cannot be read: "),
        ("garbage.csv.gz", r"The file '.*garbage\.csv\.gz' cannot be read: "),
        ("latin.csv", r"latin\.csv' is not written in UTF-8"),
        ("s3://bucket/a.parquet", "Only local files are read"),
        (None, "Source 'events' has no batch"),
        (InMemory(), "was a table in memory, which the registry does not keep"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(tmp_path: Path, batch: Any, message: str) -> None:
    for name in ("empty.parquet", "empty.csv", "empty.jsonl"):
        (tmp_path / name).touch()
    for name in ("a.csv", "a.jsonl", "a.xlsx", "a.gz"):
        (tmp_path / name).write_text("user,ts\n1,2024-01-01\n")
    (tmp_path / "garbage.parquet").write_bytes(b"garbage" * 100)
    (tmp_path / "garbage.csv.gz").write_bytes(b"garbage" * 100)
    (tmp_path / "latin.csv").write_bytes("größe,ts\n1,2\n".encode("latin-1"))
    whole = Path(parquet(tmp_path / "cut.parquet", table(5))).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-20])
    (tmp_path / "a.jsonl").write_text('{"user": 1}\n')
    given_source = source(batch, schema=SCHEMA)
    for ask in (
        lambda: next(read(given_source, SCHEMA, directory=tmp_path)),
        lambda: infer_schema(given_source, directory=tmp_path),
    ):
        if batch == "a.*":
            (tmp_path / "a.xlsx").unlink(missing_ok=True)
            (tmp_path / "a.gz").unlink(missing_ok=True)
        with pytest.raises(DataError, match=message) as caught:
            ask()
        assert caught.value.remedy


def test_a_damaged_page_is_one_clear_error(tmp_path: Path) -> None:
    path = Path(parquet(tmp_path / "a.parquet", table(5_000), compression="gzip"))
    whole = bytearray(path.read_bytes())
    whole[100:2_000] = bytes(1_900)
    path.write_bytes(whole)
    with pytest.raises(DataError, match=r"The file '.*a\.parquet' cannot be read"):
        read(source(str(path)), SCHEMA).whole()


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(parquet(tmp_path / "a.parquet", table(1)))
    monkeypatch.setattr("os.access", lambda *_: False)  # root may read everything
    with pytest.raises(DataError, match=r"a\.parquet' of source 'events' may not be read"):
        next(read(source(str(path)), SCHEMA))


def test_an_expression_that_does_not_fit_is_refused_before_anything_is_read() -> None:
    with pytest.raises(DefinitionError, match="there is no column 'm'"):
        read(source("nothing.parquet"), SCHEMA, expressions={"w": "m > 1"})


def test_names_with_quotes_and_brackets(tmp_path: Path) -> None:
    odd = tmp_path / "it's [1].parquet"
    parquet(odd, table(2).append_column('a "b"', pa.array([1, 2])))
    schema = Schema({**SCHEMA, 'a "b"': "int64"})
    assert read(source(str(odd)), schema).whole().column('a "b"').to_pylist() == [1, 2]
    (tmp_path / "it's.csv").write_text("user,ts,it's\nu,2024-01-01,1\n")
    got = read(
        source(str(tmp_path / "it's.csv")), Schema({"user": "string", "ts": "timestamp", "it's": "int64"})
    ).whole()
    assert got.column("it's").to_pylist() == [1]


# --- the schema of what is there --------------------------------------------------------------------------


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


def test_a_reading_may_be_left_before_its_end(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", table(400_000 // 100), row_group_size=100)
    reading = read(source(path), SCHEMA)
    next(reading)
    del reading
    assert Evaluator(SCHEMA, {"w": "n > 1"}).evaluate(table(3)).columns.num_rows == 3
