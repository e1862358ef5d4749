"""Reading: the same rows come out of Parquet, CSV, JSON Lines and a table; what is no row is told apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.errors import DataError, DefinitionError
from headrace.intake.cleaning import clean
from headrace.intake.evaluator import Evaluator
from headrace.reading.source import read
from headrace.schema import Schema
from tests.effort import cases
from tests.reading.batches import SCHEMA, WRITERS, parquet, source, table

DERIVED = {"hour": "date_part('hour', local(ts))", "dear": "price > 2", "inverse": "10 % n"}


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


def test_a_reading_may_be_left_before_its_end(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", table(400_000 // 100), row_group_size=100)
    reading = read(source(path), SCHEMA)
    next(reading)
    del reading
    assert Evaluator(SCHEMA, {"w": "n > 1"}).evaluate(table(3)).columns.num_rows == 3


def test_memory_and_threads_are_settings(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", table(4))
    assert read(source(path), SCHEMA, memory="200MB", threads=1).whole().num_rows == 4
    assert read(source(path), SCHEMA, memory=200_000_000).whole().num_rows == 4
    with pytest.raises(DataError, match="memory 'plenty'"):
        next(read(source(path), SCHEMA, memory="plenty"))


def test_a_row_on_which_two_expressions_fail_is_one_row(tmp_path: Path) -> None:
    batch = WRITERS["csv"](table(20), tmp_path)
    failing = {"inverse": DERIVED["inverse"], "again": DERIVED["inverse"]}
    reading = read(source(batch), SCHEMA, expressions=failing)
    reading.whole()
    assert reading.left_out == {"expression": 1}
