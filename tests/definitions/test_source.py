from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

import headrace as hr
from headrace.clock import HOUR, SECOND, instant
from headrace.schema import Schema
from tests.definitions.refusals import refused
from tests.definitions.samples import SCHEMA, events, table


def test_durations_are_kept_as_microseconds() -> None:
    source = events(serving_delay="2s", lateness="3h", dedup_horizon=dt.timedelta(minutes=1))
    assert (source.serving_delay, source.lateness, source.dedup_horizon) == (
        2 * SECOND,
        3 * HOUR,
        60 * SECOND,
    )


def test_the_defaults_are_those_of_the_contract() -> None:
    source = events()
    assert (source.serving_delay, source.lateness, source.dedup_horizon) == (0, HOUR, HOUR)
    assert source.complete_until is None
    assert (source.on_invalid, source.allow_infinite) == ("quarantine", False)


def test_a_copy_with_a_change_keeps_the_rest() -> None:
    source = events(lateness="3h", complete_until="2026-01-31")
    assert dataclasses.replace(source, lateness="1h", complete_until=None) == events()
    assert dataclasses.replace(source) == source


def test_complete_until_is_an_instant() -> None:
    assert events(complete_until="2026-01-31").complete_until == instant("2026-01-31T00:00:00Z")


def test_a_schema_may_be_left_to_the_batch() -> None:
    source = hr.EventSource("ads", batch="ads/*.parquet", timestamp="ts", event_id="anything")
    assert source.schema is None


def test_a_path_is_kept_as_text() -> None:
    assert events(batch=Path("data") / "ads.parquet").batch == str(Path("data") / "ads.parquet")
    assert not events(batch="ads.parquet").in_memory


@pytest.mark.parametrize("make", [pa.table, pl.DataFrame])
def test_tables_in_memory_are_kept_as_they_are(make: type) -> None:
    rows = make({"ts": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC)]})
    source = hr.TableSource("t", rows, timestamp="ts")
    assert source.batch is rows
    assert source.in_memory
    assert isinstance(hash(source), int)


def test_the_schema_is_frozen() -> None:
    assert events().schema == Schema(SCHEMA)
    assert hash(events()) == hash(events())


@pytest.mark.parametrize(
    "stream",
    [
        hr.KafkaStream("ads", brokers="localhost:9092"),
        hr.RedisStream("ads"),
        hr.JsonLinesStream(Path("ads.jsonl")),
        hr.Push(),
    ],
)
def test_streams(stream: object) -> None:
    assert events(stream=stream).stream == stream


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: events(timestamp="when"), "the timestamp column 'when' is not in the schema"),
        (
            lambda: events(timestamp="age"),
            "only if it counts microseconds since 1970; else write a timestamp column",
        ),
        (
            lambda: events(timestamp="age", schema={"age": "double"}),
            "not a timestamp. Write a timestamp column",
        ),
        (lambda: events(timestamp="age", schema={"age": "date"}), "Declare 'age' as \"timestamp\""),
        (lambda: events(timestamp=None), "timestamp names a column"),
        (
            lambda: events(available_at="age"),
            "the available_at column 'age' is of type int64, not a timestamp",
        ),
        (lambda: events(available_at="known"), "the available_at column 'known' is not in the schema"),
        (lambda: events(event_id="id"), "the event_id column 'id' is not in the schema"),
        (lambda: events(event_id="interests"), "the event_id column 'interests' is of type list<string>"),
        (lambda: table(created_at="age"), "the created_at column 'age' is of type int64"),
        (lambda: events(columns={"age": "1"}), "the derived column 'age' shadows a column of the schema"),
        (lambda: events(columns={"hour": " "}), "'hour' has no expression"),
        (lambda: events(columns={"__time": "1"}), "'__time' cannot be a derived column's name"),
        (lambda: events(columns={"t": "ts"}, timestamp="t"), "the timestamp column 't' is derived"),
        (lambda: events(columns=["hour"]), "columns maps names to expressions"),
        (lambda: events(schema={"ts": "timestmp"}), "schema: 'timestmp' is not a column type"),
        (lambda: events(schema={"ts": "timestamp", "__known": "int"}), "'__known' cannot be a column's name"),
        (lambda: events(schema={"ts": "timestamp", "p": "decimal(20,2)"}), "decimal(20,2) is out of range"),
        (lambda: events(schema={}), "schema maps column names to types"),
        (lambda: events(schema=["ts"]), "schema maps column names to types"),
        (lambda: events(schema=None), "neither a schema nor a batch"),
        (lambda: events(batch=""), "batch is an empty path"),
        (lambda: events(batch=7), "not of type int"),
        (lambda: events(lateness="soon"), "lateness: 'soon' is not a duration"),
        (lambda: events(lateness=3600), "lateness: 3600 is not a duration"),
        (lambda: events(serving_delay=dt.timedelta(seconds=-1)), "is negative"),
        (lambda: events(lateness="36526d"), "lateness: '36526d' is longer than 100 years"),
        (lambda: events(lateness="9999999999999999us"), "longer than 100 years"),
        (lambda: events(complete_until="soon"), "complete_until: 'soon' is not an instant"),
        (lambda: events(stream="kafka://ads"), "'kafka://ads' is not a stream"),
        (lambda: events(on_invalid="drop"), "'drop' is not an on_invalid"),
        (lambda: events(allow_infinite="yes"), "allow_infinite is True or False"),
        (lambda: events(rules=[hr.rules.not_null()]), "names no column"),
        (lambda: events(rules=[hr.rules.not_null("hour")]), "speaks of a column that is not there"),
        (lambda: events(rules=["not_null"]), "'not_null' is not a rule"),
        (lambda: events(rules=hr.rules.not_null("age")), "rules is a list"),
        (lambda: hr.KafkaStream(""), "topic is a text"),
        (lambda: hr.RedisStream("ads", url=""), "url is a text"),
        (lambda: hr.JsonLinesStream(7), "path is a text"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_source_is_refused_where_it_is_written(make: object, says: str) -> None:
    refused_anywhere(make, says)


def refused_anywhere(make: object, says: str) -> None:
    """`events` and `table` are written in another file than the mistakes, which is named all the same."""
    with pytest.raises(hr.errors.DefinitionError, match=r"\.py:\d+: ") as caught:
        make()  # type: ignore[operator]
    assert says in str(caught.value)


def test_the_line_is_that_of_the_source() -> None:
    error = refused(
        lambda: hr.EventSource("ads", schema={"ts": "timestamp"}, timestamp="t"), "not in the schema"
    )
    assert error.available == ("ts",)
    assert error.remedy
