"""The document of an answer, written by the column, says what a slow reading of its values says."""

from __future__ import annotations

import datetime as dt
import math
import time
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.clock import format_instant
from headrace.definitions.references import Reference
from headrace.kernel.columns import (
    INVALID,
    NOT_FOUND,
    NULL_VALUE,
    OUTSIDE_MAX_AGE,
    PRESENT,
    STATUS_NAMES,
    ArrowColumn,
    HeldColumns,
    reason_of,
)
from headrace.online.document import INFINITE, NO_TIME, AnswerForm, wire_value
from headrace.online.latest_columns import KeptRow, LatestColumns, LatestFeatures
from headrace.retrieval.plan import Member
from headrace.schema import Type, parse_type
from headrace.windows import FOREVER_AGO

INSTANTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001 - hypothesis wants them naive
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
VALUES = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(),
    "string": TEXT | st.just("null"),
    "bool": st.booleans(),
    "decimal(12,4)": st.decimals(-(10**7), 10**7, places=4),
    "decimal(18,9)": st.decimals(-9, 9, places=9) | st.just(Decimal("0E-9")),
    "timestamp": INSTANTS,
    "date": st.dates(dt.date(1900, 1, 1)),
    "binary": st.binary(max_size=3),
    "list<double>": st.lists(st.floats(), max_size=3),
    "list<binary>": st.lists(st.binary(max_size=2), max_size=3),
    "map<string, int64>": st.dictionaries(TEXT, st.integers(-9, 9), max_size=3),
    "map<bool, double>": st.dictionaries(st.booleans(), st.floats(), max_size=2),
    "map<timestamp, int64>": st.dictionaries(INSTANTS, st.integers(0, 9), max_size=2),
    "struct<value: string, count: int64>": st.fixed_dictionaries({"value": TEXT, "count": st.integers(0, 9)}),
}


MAPS = {
    "map<string, int64>": ("string", "int64"),
    "map<bool, double>": ("bool", "double"),
    "map<timestamp, int64>": ("timestamp", "int64"),
}


def type_of(name: str) -> Type:
    if name in MAPS:
        return Type("map", items=tuple(map(parse_type, MAPS[name])))
    if name.startswith("struct"):
        return Type("struct", items=(Type("string"), Type("int64")), names=("value", "count"))
    return parse_type(name)


@st.composite
def columns(draw: Any) -> tuple[list[Member], dict[str, ArrowColumn]]:
    n = draw(st.integers(0, 4))
    members, held = [], {}
    newest = np.array(
        draw(st.lists(st.sampled_from([FOREVER_AGO, 0, 1, 10**15]), min_size=n, max_size=n)), "i8"
    )
    for place, name in enumerate(draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=5))):
        of = type_of(name)
        values = draw(st.lists(st.none() | VALUES[name], min_size=n, max_size=n))
        given_pairs = [list(v.items()) if isinstance(v, dict) and of.name == "map" else v for v in values]
        missing = st.sampled_from([NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE, INVALID])
        status = [
            draw(missing) if v is None else draw(st.sampled_from([PRESENT, PRESENT, INVALID])) for v in values
        ]
        output = f"c{place}"
        members.append(Member(output, Reference("view", "v", "1", output), 0, of))
        array = pa.array(given_pairs, type=of.arrow())
        why = draw(st.sampled_from(["", "why"]))
        rows = [row for row, each in enumerate(status) if each == INVALID and why and draw(st.booleans())]
        of_rows = {row: f"why of {row}" for row in rows}
        held[output] = ArrowColumn(array, np.array(status, np.uint8), newest, why, of_rows)
    return members, held


def slow(column: ArrowColumn) -> dict[str, Any]:
    """A column's result, a value at a time."""
    values, statuses = column.to_list(), [STATUS_NAMES[each] for each in column.status]
    for row, value in enumerate(values):
        if isinstance(value, float) and math.isnan(value):
            statuses[row] = "NULL_VALUE"
        if is_infinite(value):
            statuses[row] = "INVALID"
    times = [NO_TIME if at == FOREVER_AGO else format_instant(at) for at in column.newest.tolist()]
    return {"values": [wire_value(v) for v in values], "statuses": statuses, "event_timestamps": times}


def is_infinite(value: Any) -> bool:
    flat = (
        [*value, *value.values()]
        if isinstance(value, dict)
        else value
        if isinstance(value, list)
        else [value]
    )
    return any(isinstance(each, float) and math.isinf(each) for each in flat)


@given(columns())
def test_a_document_says_what_its_values_say(drawn: tuple[list[Member], dict[str, ArrowColumn]]) -> None:
    members, held = drawn
    document = msgspec.json.decode(AnswerForm(members).write({}, [HeldColumns(held)], "2026-03-01T00:00:00Z"))
    assert document["results"] == [slow(column) for column in held.values()]
    metadata = document["metadata"]
    assert metadata["feature_names"] == list(held)
    assert metadata["as_of"] == "2026-03-01T00:00:00Z"
    expected = {}
    for name, column in held.items():
        if "INVALID" in slow(column)["statuses"]:
            infinite = any(map(is_infinite, column.to_list()))
            if why := column.reason or (INFINITE if infinite else ""):
                expected[name] = why
    assert metadata.get("reasons", {}) == expected
    for name, column in held.items():
        values, told = column.to_list(), metadata.get("reasons_of_rows", {}).get(name, {})
        for row, status in enumerate(slow(column)["statuses"]):
            own = (
                INFINITE
                if is_infinite(values[row]) and column.status[row] != INVALID
                else reason_of(column, row)
            )
            if status == "INVALID" and own:
                assert told.get(str(row), expected[name]) == own


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        (["a", None], ["a", None]),
        ([1, 2**60], [1, 2**60]),
        ([Decimal("1.50"), Decimal("0E-9"), b"\x01"], ["1.50", "0.000000000", "01"]),
        (np.array([1, 2]), [1, 2]),
        ([dt.datetime(2026, 1, 1, tzinfo=dt.UTC)], ["2026-01-01T00:00:00Z"]),
        ([dt.datetime(2026, 1, 1)], ["2026-01-01T00:00:00Z"]),  # noqa: DTZ001 - naive is UTC
    ],
    ids=["texts", "integers", "others", "numpy", "instants", "naive"],
)
def test_entities_are_written_as_they_were_asked(
    asked: Any, written: list[Any], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    request.addfinalizer(time.tzset)
    request.addfinalizer(monkeypatch.undo)
    text = AnswerForm(()).write({"user_id": asked}, [], "2026-03-01T00:00:00Z")
    nothing, there = [NO_TIME] * len(written), ["PRESENT"] * len(written)
    (result,) = msgspec.json.decode(text)["results"]
    assert result == {"values": written, "statuses": there, "event_timestamps": nothing}


KEPT = ("int64", "double", "bool", "double", "string", "int64")


@given(st.data())
def test_latest_values_are_written_as_a_slow_reading_has_them(data: st.DataObject) -> None:
    of = [parse_type(name) for name in KEPT]
    names = [f"c{place}" for place in range(len(KEPT))]
    row = st.tuples(*(st.none() | VALUES[name] for name in KEPT))
    rows = data.draw(st.lists(st.none() | st.tuples(st.integers(0, 20), row), max_size=4))
    ttl = data.draw(st.sampled_from([None, 10]))
    kept = [None if each is None else KeptRow(b"", each[0], each[0], list(each[1])) for each in rows]
    latest = LatestColumns(LatestFeatures(list(zip(names, of, strict=True)), None), kept, 20, ttl)
    held = {}
    newest = np.array([FOREVER_AGO if row is None else row.time for row in kept], np.int64)
    for place, name in enumerate(names):
        status = np.array([slow_status(row, place, ttl) for row in kept], np.uint8)
        values = [
            None if code != PRESENT else row.values[place] for row, code in zip(kept, status, strict=True)
        ]
        held[name] = ArrowColumn(pa.array(values, type=of[place].arrow()), status, newest)
    members = [
        Member(name, Reference("view", "v", "1", name), 0, each) for name, each in zip(names, of, strict=True)
    ]
    document = msgspec.json.decode(AnswerForm(members).write({}, [latest], "2026-03-01T00:00:00Z"))
    assert document["results"] == [slow(column) for column in held.values()]
    assert [each.status.tolist() for each in latest.values()] == [
        each.status.tolist() for each in held.values()
    ]


def slow_status(row: KeptRow | None, place: int, ttl: int | None) -> int:
    """The status of a value at instant 20."""
    if row is None:
        return NOT_FOUND
    if ttl is not None and 20 - row.time > ttl:
        return OUTSIDE_MAX_AGE
    return NULL_VALUE if row.values[place] is None else PRESENT
