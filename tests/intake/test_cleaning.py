"""Cleaning: every row is good or rejected, as a loop over plain rules says, whatever stands beside it."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import DataError, UnknownNameError
from headrace.intake.cleaning import Cleaner, clean
from headrace.schema import Schema
from tests.effort import cases
from tests.intake.plain import UTC, Uncastable, plain_cast, same

FIRST, LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
MINUTE = 60_000_000


@dataclass
class Source:
    timestamp: str = "ts"
    available_at: str | None = None
    allow_infinite: bool = False


SCHEMA = Schema(
    {
        "user": "string",
        "ts": "timestamp",
        "at": "timestamp",
        "price": "decimal(8,2)",
        "x": "double",
        "n": "int64",
    }
    | {"ok": "bool", "day": "date", "tags": "list<double>"}
)
NOON = dt.datetime(2024, 3, 31, 12, tzinfo=UTC)
TIMES = st.sampled_from([0, -1, -1_500_000, MINUTE * 5, MINUTE * 5 + 1, MINUTE * 6]).map(
    lambda off: NOON + dt.timedelta(microseconds=off)
) | st.sampled_from([dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), dt.datetime(1, 1, 1, tzinfo=UTC)])
DOUBLES = st.sampled_from([0.0, -0.0, 1.5, math.nan, math.inf, -math.inf])
FORMS: dict[str, list[tuple[pa.DataType, st.SearchStrategy[Any]]]] = {
    "user": [(pa.string(), st.sampled_from(["u1", "ü", ""])), (pa.int32(), st.integers(-3, 3)),
             (pa.binary(), st.sampled_from([b"u", b"\xff"]))],
    "ts": [(pa.timestamp("us", "UTC"), TIMES), (pa.timestamp("ns"), st.sampled_from([-1, -1_000, 0, 1_999])),
           (pa.string(), TIMES.map(dt.datetime.isoformat) | st.sampled_from(["soon", ""])),
           (pa.int64(), st.sampled_from([0, FIRST, FIRST - 1, LAST, LAST + 1]))],
    "at": [(pa.timestamp("us"), TIMES), (pa.string(), TIMES.map(dt.datetime.isoformat) | st.just("never")),
           (pa.date32(), st.just(dt.date(2024, 3, 31))), (pa.null(), st.none())],
    "price": [(pa.decimal128(10, 3), st.sampled_from(["1.500", "1.555", "1234567.000"]).map(Decimal)),
              (pa.float64(), DOUBLES | st.sampled_from([1.005, 1e7])), (pa.int16(), st.integers(-9, 9)),
              (pa.string(), st.sampled_from(["1.50", "1.555", "free", "999999.99", "1000000"]))],
    "x": [(pa.float64(), DOUBLES), (pa.float32(), DOUBLES),
          (pa.string(), st.sampled_from(["1e3", "nan", "-inf", "-0.0"]))],
    "n": [(pa.int64(), st.sampled_from([0, 2**63 - 1])), (pa.uint64(), st.sampled_from([1, 2**63])),
          (pa.float64(), DOUBLES)],
    "ok": [(pa.bool_(), st.booleans()), (pa.int8(), st.integers(0, 2)),
           (pa.string(), st.sampled_from(["t", "NO", "maybe"]))],
    "day": [(pa.date32(), st.just(dt.date(2024, 2, 29))),
            (pa.string(), st.sampled_from(["2024-02-29", "2023-02-29"]))],
    "tags": [(pa.list_(pa.float64()), st.lists(st.none() | DOUBLES, max_size=3)),
             (pa.list_(pa.string()), st.lists(st.none() | st.sampled_from(["1", "x", "nan"]), max_size=2))],
}  # fmt: skip


@st.composite
def dirty(draw: st.DrawFn) -> tuple[pa.Table, Source]:
    n = draw(st.integers(0, 8))
    columns = {}
    for name in draw(st.permutations(list(SCHEMA))):
        kind, values = draw(st.sampled_from(FORMS[name]))
        # Mostly without nulls, so that rows are not all spoiled by the first column.
        nulls = st.none() | values if draw(st.booleans()) else values
        columns[name] = pa.array(draw(st.lists(nulls, min_size=n, max_size=n)), type=kind)
    columns["beside"] = pa.array(range(n))
    source = Source(available_at=draw(st.sampled_from([None, "at"])), allow_infinite=draw(st.booleans()))
    return pa.table(columns), source


def plain_clean(
    raw: pa.Table, source: Source, keys: list[str]
) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    """The rules in the order of the design, one row at a time."""
    good, rejected = [], []
    for place, given_row in enumerate(raw.to_pylist() if raw.num_rows else []):
        if raw.schema.field("ts").type == pa.timestamp("ns"):
            given_row["ts"] = nanoseconds(raw, place)
        rule, row = judged(given_row, source, keys)
        if rule:
            rejected.append((place, rule))
        else:
            good.append(row)
    return good, rejected


def nanoseconds(raw: pa.Table, place: int) -> int | None:
    value = raw.column("ts").cast(pa.int64())[place].as_py()
    return None if value is None else value // 1_000


def judged(  # noqa: PLR0911 - one return for each rule
    given_row: dict[str, Any], source: Source, keys: list[str]
) -> tuple[str, dict[str, Any]]:
    row: dict[str, Any] = {}
    for name, of in SCHEMA.items():
        try:
            row[name] = tidy(plain_cast(given_row[name], of))
        except Uncastable:
            return "uncastable", {}
    if any(
        row[name] is not None and not FIRST <= row[name] <= LAST for name in {"at"} - {source.available_at}
    ):
        return "uncastable", {}
    floats = [
        value for name in ("x", "tags") for value in (row[name] if name == "tags" else [row[name]]) or []
    ]
    if not source.allow_infinite and any(value is not None and math.isinf(value) for value in floats):
        return "infinite", {}
    time = row["ts"]
    available = row[source.available_at] if source.available_at else None
    if time is None:
        return "no_time", {}
    if any(row[name] is None for name in keys):
        return "no_key", {}
    if any(at is not None and not FIRST <= at <= LAST for at in (time, available)):
        return "out_of_range", {}
    if available is not None and time > available + 5 * MINUTE:
        return "future", {}
    row["__time"] = time
    row["__known"] = time if available is None else max(time, available)
    return "", row


def tidy(value: Any) -> Any:
    if isinstance(value, list):
        return [tidy(item) for item in value]
    return (None if math.isnan(value) else value + 0.0) if isinstance(value, float) else value


def python(rows: pa.Table) -> list[dict[str, Any]]:
    columns = {}
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        if pa.types.is_timestamp(column.type):
            columns[name] = column.cast(pa.int64()).to_pylist()
        elif pa.types.is_date(column.type):
            columns[name] = column.cast(pa.int32()).to_pylist()
        else:
            columns[name] = column.to_pylist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@settings(max_examples=cases(250))
@given(dirty())
def test_equals_the_plain_rules(drawn: tuple[pa.Table, Source]) -> None:
    raw, source = drawn
    cleaned = clean(raw, source, SCHEMA, ["user"])
    good, rejected = plain_clean(raw, source, ["user"])
    got = python(cleaned.rows)
    assert len(got) == len(good)
    for left, right in zip(got, good, strict=True):
        assert left.keys() == right.keys()
        assert all(same(left[name], right[name]) for name in right), (left, right)
    ordinals, rules = (cleaned.rejected.column(name).to_pylist() for name in ("ordinal", "rule"))
    assert list(zip(ordinals, rules, strict=True)) == rejected
    counts = cleaned.counts
    assert counts["rows"] == raw.num_rows == counts["good"] + counts["rejected"]
    assert {rule: counts[rule] for rule in set(rules)} == Counter(rules)
    assert cleaned.rows.schema.equals(clean(raw.slice(0, 0), source, SCHEMA, ["user"]).rows.schema)


@settings(max_examples=cases(80))
@given(dirty(), st.lists(st.integers(0, 8), max_size=3))
def test_neither_neighbours_nor_batches_nor_chunks_change_a_verdict(
    drawn: tuple[pa.Table, Source], cuts: list[int]
) -> None:
    raw, source = drawn
    whole = clean(raw, source, SCHEMA, ["user"])
    edges = [0, *sorted(min(cut, raw.num_rows) for cut in cuts), raw.num_rows]
    parts = [raw.slice(low, high - low) for low, high in pairwise(edges)]
    cleaner = Cleaner(source, SCHEMA, ["user"])
    pieces = [cleaner.clean(part, low) for part, low in zip(parts, edges, strict=False)]
    assert (
        pa.concat_tables(piece.rows for piece in pieces).combine_chunks().equals(whole.rows.combine_chunks())
    )
    assert (
        pa.concat_tables(piece.rejected for piece in pieces).combine_chunks()
        == whole.rejected.combine_chunks()
    )
    assert sum((Counter(piece.counts) for piece in pieces), Counter()) == Counter(whole.counts)
    chunked = clean(pa.concat_tables(parts), source, SCHEMA, ["user"])
    assert chunked.rows.combine_chunks() == whole.rows.combine_chunks()
    assert chunked.rejected.combine_chunks() == whole.rejected.combine_chunks()


@settings(max_examples=cases(80))
@given(dirty(), st.sets(st.sampled_from(sorted(SCHEMA))))
def test_fewer_columns_kept_is_the_same_verdict(drawn: tuple[pa.Table, Source], kept: set[str]) -> None:
    raw, source = drawn
    whole = clean(raw, source, SCHEMA, ["user"])
    some = Cleaner(source, SCHEMA, ["user"], columns=sorted(kept)).clean(raw)
    assert some.rows == whole.rows.select(
        [name for name in whole.rows.column_names if name in kept or name[:2] == "__"]
    )
    assert some.rejected == whole.rejected
    assert some.counts == whole.counts


def table(**columns: Any) -> pa.Table:
    n = max(len(column) for column in columns.values())
    given_columns = {
        "user": ["u"] * n,
        "ts": ["2024-01-01"] * n,
        "at": pa.nulls(n),
        "price": [1] * n,
        "x": [1.0] * n,
    }
    given_columns |= {"n": [1] * n, "ok": [True] * n, "day": ["2024-01-01"] * n, "tags": pa.nulls(n)}
    return pa.table(given_columns | columns)


def test_a_reason_names_column_and_value() -> None:
    raw = table(price=["1", "two", "3.333", "x" * 200])
    cleaned = clean(raw, Source(), SCHEMA, ["user"])
    assert cleaned.rejected.column("reason").to_pylist() == [
        "column 'price': \"two\" is no decimal(8,2)",
        "column 'price': \"3.333\" is no decimal(8,2)",
        f"column 'price': \"{'x' * 76}... is no decimal(8,2)",
    ]
    row = json.loads(cleaned.rejected.column("row")[0].as_py())
    assert row == {
        "user": "u", "ts": "2024-01-01", "at": None, "price": "two", "x": 1.0, "n": 1, "ok": True,
        "day": "2024-01-01", "tags": None,
    }  # fmt: skip
    assert cleaned.rejected.column("ordinal").to_pylist() == [1, 2, 3]


def test_the_first_rule_broken_is_the_reason_and_columns_come_in_the_schemas_order() -> None:
    raw = table(
        user=[None, None, None], price=["a", "1", "1"], x=[math.inf, math.inf, 1.0], ts=["b", None, None]
    )
    assert clean(raw, Source(), SCHEMA, ["user"]).rejected.column("rule").to_pylist() == [
        "uncastable", "infinite", "no_time",
    ]  # fmt: skip
    first = clean(raw, Source(), SCHEMA, ["user"]).rejected.column("reason")[0].as_py()
    assert first == "column 'ts': \"b\" is no timestamp"


def test_rejected_rows_of_any_type_are_json() -> None:
    raw = table(
        user=[None] * 2,
        a=pa.array([b"\xff", None]),
        b=pa.array([{"x": math.inf}, None]),
        c=pa.array([2**62, None], pa.timestamp("us")),
        d=pa.array([Decimal("1E+3"), None], pa.decimal128(10, 2)),
        e=pa.array([[math.nan, -0.0], None]),
        f=pa.array([dt.time(1, 2), None]),
        g=pa.array([[dt.datetime(2024, 1, 1, 2)], None], pa.list_(pa.timestamp("us"))),  # noqa: DTZ001 - naive
        h=pa.array([[2**62], None], pa.list_(pa.timestamp("us"))),
        i=pa.array([2**30, None], pa.date32()),
        j=pa.array([{"t": 2**62}, None], pa.struct([("t", pa.timestamp("us"))])),
        k=pa.array([(1, 2, 3), None], pa.month_day_nano_interval()),
    )
    one, two = (
        json.loads(text) for text in clean(raw, Source(), SCHEMA, ["user"]).rejected.column("row").to_pylist()
    )
    assert one["a"] == "\\xff"
    assert one["b"] == {"x": "inf"}
    assert one["d"] == "1000.00"
    assert one["e"] == ["nan", -0.0]
    assert one["f"] == "01:02:00.000000"
    assert one["g"] == ["2024-01-01 02:00:00.000000"]
    assert one["j"] == "<struct<t: timestamp[us]>>"
    assert {two[name] for name in "abcdefghijk"} == {None}


def test_years_beyond_four_digits_are_out_of_range() -> None:
    raw = table(ts=["12024-01-01", "9999-12-31T23:59:59.999999", "0001-01-01", "0000-12-31"])
    cleaned = clean(raw, Source(), SCHEMA, ["user"])
    assert cleaned.rejected.column("rule").to_pylist() == ["out_of_range"] * 2
    assert cleaned.rejected.column("ordinal").to_pylist() == [0, 3]


@pytest.mark.parametrize(
    ("of", "edges", "beyond"),
    [
        ("date", ["0001-01-01", "9999-12-31", None], ["0000-12-31", "10000-01-01"]),
        ("timestamp", ["0001-01-01", "9999-12-31T23:59:59.999999", None], ["0000-12-31", "10000-01-01"]),
        ("timestamp", pa.array([FIRST, LAST, None]), pa.array([FIRST - 1, LAST + 1])),
        ("date", pa.array([FIRST // 1000, None], pa.date64()), pa.array([2**62], pa.date64())),
        ("list<date>", [["9999-12-31", None], [], None], [["2024-01-01", "10000-01-01"]]),
    ],
)
def test_a_value_beyond_four_digits_is_uncastable(of: str, edges: Any, beyond: Any) -> None:
    schema = Schema({"user": "string", "ts": "timestamp", "y": of})
    for values, good in ((edges, True), (beyond, False)):
        n = len(values)
        raw = pa.table({"user": ["u"] * n, "ts": ["2024-01-01"] * n, "y": values})
        cleaned = clean(raw, Source(), schema, ["user"])
        assert cleaned.rows.num_rows == (n if good else 0)
        assert cleaned.counts["uncastable"] == (0 if good else n)
        cleaned.rows.to_pylist()
    assert cleaned.rejected.column("reason")[0].as_py().endswith(f"is no {of}")


def test_values_that_were_nan_are_counted() -> None:
    raw = table(x=[math.nan, 1.0], price=[math.nan, 2.0], tags=[[math.nan, math.nan], None])
    cleaned = clean(raw, Source(), SCHEMA, ["user"])
    assert cleaned.counts["nan"] == 4
    assert cleaned.rows.column("x").to_pylist() == [None, 1.0]
    assert cleaned.rows.column("tags").to_pylist() == [[None, None], None]


def test_bytes_under_a_null_are_no_value() -> None:
    hidden = pa.array([math.inf, math.nan, 1.0]).buffers()[1]
    doubles = pa.Array.from_buffers(pa.float64(), 3, [pa.py_buffer(b"\x04"), hidden])
    cleaned = clean(table(x=doubles), Source(), SCHEMA, ["user"])
    assert cleaned.counts["rejected"] == cleaned.counts["nan"] == 0
    assert cleaned.rows.column("x").to_pylist() == [None, None, 1.0]
    times = pa.Array.from_buffers(
        pa.timestamp("s"), 2, [pa.py_buffer(b"\x02"), pa.array([2**62, 0]).buffers()[1]]
    )
    assert clean(table(ts=times), Source(), SCHEMA, ["user"]).rejected.column("rule").to_pylist() == [
        "no_time"
    ]


def test_five_minutes_ahead_is_a_clock_and_more_the_future() -> None:
    times = [NOON + dt.timedelta(minutes=5), NOON + dt.timedelta(minutes=5, microseconds=1), NOON, NOON, None]
    available = [NOON, NOON, None, NOON + dt.timedelta(hours=1), NOON]
    raw = table(
        ts=pa.array(times, pa.timestamp("us", "UTC")), at=pa.array(available, pa.timestamp("us", "UTC"))
    )
    cleaned = clean(raw, Source(available_at="at"), SCHEMA, ["user"])
    assert cleaned.rejected.select(["rule", "ordinal"]).to_pylist() == [
        {"rule": "future", "ordinal": 1},
        {"rule": "no_time", "ordinal": 4},
    ]
    noon = (NOON - dt.datetime(1970, 1, 1, tzinfo=UTC)) // dt.timedelta(microseconds=1)
    assert cleaned.rows.column("__time").to_pylist() == [noon + 5 * MINUTE, noon, noon]
    assert cleaned.rows.column("__known").to_pylist() == [noon + 5 * MINUTE, noon, noon + 60 * MINUTE]
    assert clean(raw, Source(), SCHEMA, ["user"]).counts["future"] == 0


def test_all_keys_count_and_none_is_one_global_row() -> None:
    raw = table(user=["u", None], n=[None, 1])
    assert clean(raw, Source(), SCHEMA, ["user", "n"]).counts["no_key"] == 2
    assert clean(raw, Source(), SCHEMA, []).counts["good"] == 2


def test_a_missing_column_is_named_with_the_nearest() -> None:
    raw = table(x=[1.0]).rename_columns({"price": "prize"})
    with pytest.raises(DataError, match=r"The file 'a' has no column 'price'\. Available: prize") as caught:
        clean(raw, Source(), SCHEMA, ["user"], what="file 'a'")
    assert caught.value.asked == "price"


def test_a_column_twice_is_refused() -> None:
    raw = pa.Table.from_arrays([*table(x=[1.0]).columns, pa.array([1])], [*table(x=[1.0]).column_names, "x"])
    with pytest.raises(DataError, match="two columns 'x'"):
        clean(raw, Source(), SCHEMA, ["user"])


def test_a_type_that_cannot_be_cast_is_named() -> None:
    raw = table(x=pa.array([{"a": 1}]))
    said = r"Column 'x' of the data is struct<a: int64>, which .* schema's double"
    with pytest.raises(DataError, match=said):
        clean(raw, Source(), SCHEMA, ["user"])


def test_a_key_that_is_no_column_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="user"):
        Cleaner(Source(), SCHEMA, ["usr"])
