"""The evaluator: DuckDB's values, for rows and batches alike; a failing row is named, the rest go on."""

from __future__ import annotations

import datetime as dt
import math
import zoneinfo
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import DefinitionError
from headrace.intake.evaluator import Evaluator
from headrace.schema import Schema
from tests.effort import cases

UTC = dt.UTC
ZONES = ["UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
MOMENTS = st.datetimes(
    dt.datetime(1971, 1, 1),  # noqa: DTZ001 - the strategy wants bounds without a zone
    dt.datetime(2036, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def one(expression: str, rows: pa.Table, schema: dict[str, str], **options: Any) -> list[Any]:
    found = Evaluator(Schema(schema), {"v": expression}, **options).evaluate(rows)
    return found.columns.column("v").to_pylist()


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=cases(30))
@given(st.lists(MOMENTS, max_size=20))
def test_local_is_the_wall_time(zone: str, moments: list[dt.datetime]) -> None:
    rows = pa.table({"ts": pa.array(moments, pa.timestamp("us", "UTC"))})
    expressions = {"v": "local(ts)", "h": "date_part('hour', local(ts))"}
    wall = Evaluator(Schema({"ts": "timestamp"}), expressions, zone)
    found = wall.evaluate(rows).columns
    want = [moment.astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=UTC) for moment in moments]
    assert found.column("v").to_pylist() == want
    assert found.column("h").to_pylist() == [moment.hour for moment in want]


def test_local_on_both_sides_of_a_change_of_clocks_and_before_1970() -> None:
    paris = zoneinfo.ZoneInfo("Europe/Paris")
    before = dt.datetime(2024, 10, 27, 0, 59, 59, tzinfo=UTC)
    moments = [before, before + dt.timedelta(seconds=1), before + dt.timedelta(hours=1, seconds=1)]
    moments += [dt.datetime(2024, 3, 31, 0, 59, 59, 999_999, UTC), dt.datetime(2024, 3, 31, 1, tzinfo=UTC)]
    moments += [dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), dt.datetime(1950, 7, 1, tzinfo=UTC)]
    rows = pa.table({"ts": pa.array([*moments, None], pa.timestamp("us", "UTC"))})
    hours = one("date_part('hour', local(ts))", rows, {"ts": "timestamp"}, zone="Europe/Paris")
    assert hours == [2, 2, 3, 1, 3, 0, 1, None]
    assert hours[:-1] == [moment.astimezone(paris).hour for moment in moments]


def test_local_of_what_has_no_zone_is_of_utc() -> None:
    rows = pa.table({"ts": pa.array([0], pa.timestamp("us", "UTC")), "day": pa.array([0], pa.date32())})
    schema = {"ts": "timestamp", "day": "date"}
    for expression in ("local(ts::TIMESTAMP)", "local(day)", "local('1970-01-01')", "ts.local()"):
        assert one(f"date_part('hour', {expression})", rows, schema, zone="Asia/Tokyo") == [9]


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.none() | st.sampled_from(["1", "2", "x", "", "é\U0001f600", "99999999999999999999"]),
            "n": st.none() | st.integers(-3, 3) | st.sampled_from([2**62, -(2**62)]),
            "x": st.none() | st.sampled_from([0.0, 1.5, -2.0, 1e308]),
        }
    ),
    max_size=12,
)
SCHEMA = Schema({"text": "string", "n": "int64", "x": "double"})
EXPRESSIONS = {
    "w": "n > 0 AND text <> 'x'",
    "number": "text::BIGINT",
    "next": "number + 1",
    "share": "x / n",
    "twice": "n * 4",
    "mod": "5 % n",
    "longer": "text || coalesce(text, '?')",
    "chars": "list_transform(string_split(text, ''), lambda c: c || '!')",
    "exact": "(n::DECIMAL(18,0) * 1.5)::DECIMAL(12,1)",
    "day": "DATE '2024-02-29' + n::INTEGER",
}
EVALUATOR = Evaluator(SCHEMA, EXPRESSIONS)


def plain(row: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """The expressions' values and those that fail, in Python."""
    text, n, x = row["text"], row["n"], row["x"]
    out: dict[str, Any] = dict.fromkeys(EXPRESSIONS)
    failed = set()
    left, right = (None if n is None else n > 0), (None if text is None else text != "x")
    out["w"] = False if left is False or right is False else None if left is None or right is None else True
    if text is not None:
        if text in {"1", "2"}:
            out["number"], out["next"] = int(text), int(text) + 1
        else:
            failed.add("number")
        out["longer"] = text * 2
        out["chars"] = [char + "!" for char in text] or ["!"]
    if x is not None and n is not None:
        share = float("nan") if x == n == 0 else math.copysign(math.inf, x) if n == 0 else x / n
        if math.isinf(share):
            failed.add("share")
        elif not math.isnan(share):
            out["share"] = share + 0.0
    if n is not None:
        if abs(n) < 2**61:
            out["twice"], out["exact"] = n * 4, Decimal(n) * Decimal("1.5")
            out["day"] = dt.date(2024, 2, 29) + dt.timedelta(n)
        else:
            failed |= {"twice", "exact", "day"}
        if n == 0:
            failed.add("mod")
        else:
            out["mod"] = int(math.fmod(5, n))
    return out, failed


@settings(max_examples=cases(60))
@given(ROWS)
def test_equals_python_and_points_out_failing_rows(rows: list[dict[str, Any]]) -> None:
    table = pa.table({name: pa.array([row[name] for row in rows], of.arrow()) for name, of in SCHEMA.items()})
    order = list(EXPRESSIONS)
    columns, failed = EVALUATOR.evaluate(table)
    assert columns.column_names == order
    assert columns.num_rows == len(rows)
    wanted = [plain(row) for row in rows]
    assert columns.to_pylist() == [{name: out[name] for name in order} for out, _ in wanted]
    told = [] if failed is None else failed.select(["ordinal", "expression"]).to_pylist()
    assert [tuple(each.values()) for each in told] == [
        (place, name) for place, (_, bad) in enumerate(wanted) for name in order if name in bad
    ]


@settings(max_examples=cases(25))
@given(ROWS, st.integers(0, 12))
def test_neighbours_do_not_matter(rows: list[dict[str, Any]], cut: int) -> None:
    table = pa.table({name: pa.array([row[name] for row in rows], of.arrow()) for name, of in SCHEMA.items()})
    whole = EVALUATOR.evaluate(table).columns
    parts = [EVALUATOR.evaluate(part).columns for part in (table.slice(0, cut), table.slice(cut))]
    assert pa.concat_tables(parts).combine_chunks() == whole.combine_chunks()


def test_an_error_that_try_lets_through_spoils_its_row_alone() -> None:
    rows = pa.table({"text": ["a", "x", None, "b", "x", "c", "d"]})
    first = "list_reduce(list_filter([text], lambda t: t <> 'x'), lambda a, b: a)"
    columns, failed = Evaluator(Schema({"text": "string"}), {"first": first}).evaluate(rows)
    assert columns.column("first").to_pylist() == ["a", None, None, "b", None, "c", "d"]
    assert failed is not None
    assert failed.column("ordinal").to_pylist() == [1, 2, 4]
    assert failed.column("reason")[0].as_py().endswith("Cannot perform list_reduce on an empty input list")


def test_an_order_of_expressions_is_kept_whatever_reads_what() -> None:
    rows = pa.table({"text": ["1", "x"], "n": [1, 0], "x": [1.0, 1.0]})
    for order in (["next", "number", "mod"], ["mod", "next", "number"]):
        columns, failed = Evaluator(SCHEMA, {name: EXPRESSIONS[name] for name in order}).evaluate(rows)
        assert columns.column_names == order
        assert failed is not None
        assert failed.column("expression").to_pylist() == [name for name in order if name != "next"]


def test_what_one_expression_shares_with_another_does_not_spoil_it() -> None:
    rows = pa.table({"text": ["1", "x", "3"]})
    both = Evaluator(Schema({"text": "string"}), {"safe": "TRY(text::INT) > 1", "bold": "text::INT > 1"})
    columns, failed = both.evaluate(rows)
    assert columns.to_pydict() == {"safe": [False, None, True], "bold": [False, None, True]}
    assert failed is not None
    assert failed.select(["ordinal", "expression"]).to_pylist() == [{"ordinal": 1, "expression": "bold"}]


def test_try_holds_within_one_expression_too() -> None:
    rows = pa.table({"text": ["1", "x"]})
    columns, failed = Evaluator(
        Schema({"text": "string"}), {"v": "[TRY(text::INT + 1), TRY(text::INT)]"}
    ).evaluate(rows)
    assert columns.column("v").to_pylist() == [[2, 1], [None, None]]
    assert failed is None


def test_reasons_are_duckdbs_for_the_first_rows_only() -> None:
    rows = pa.table({"text": ["x"] * 50})
    failed = Evaluator(Schema({"text": "string"}), {"number": "text::INT"}).evaluate(rows).failed
    assert failed is not None
    reasons = failed.column("reason").to_pylist()
    said = "Could not convert string 'x' to INT32 when casting from source column text"
    assert reasons == [f"number cannot be evaluated: {said}"] * 20 + ["number cannot be evaluated"] * 30


def test_an_instant_or_day_beyond_four_digits_fails() -> None:
    rows = pa.table({"n": pa.array([1, 9_000], pa.int64())})
    for of in ("ts", "CAST(ts AS DATE)"):
        expression = of.replace("ts", "(TIMESTAMPTZ '2024-01-01 00:00:00Z' + to_years(CAST(n AS INTEGER)))")
        columns, failed = Evaluator(Schema({"n": "int64"}), {"v": expression}).evaluate(rows)
        assert columns.column("v").is_null().to_pylist() == [False, True]
        assert failed is not None
        assert failed.column("reason").to_pylist() == ["v is not in the years 1 to 9999"]


def test_infinite_values_are_values_where_they_are_allowed() -> None:
    rows = pa.table({"x": [1.0, -1.0, 0.0]})
    assert one("x / 0", rows, {"x": "double"}, allow_infinite=True) == [math.inf, -math.inf, None]
    columns, failed = Evaluator(Schema({"x": "double"}), {"v": "x / 0"}).evaluate(rows)
    assert columns.column("v").to_pylist() == [None] * 3
    assert failed is not None
    assert failed.column("reason").to_pylist() == ["v is infinite"] * 2


def test_minus_zero_is_zero() -> None:
    (value,) = one("-x", pa.table({"x": [0.0]}), {"x": "double"})
    assert math.copysign(1.0, value) == 1.0


@pytest.mark.parametrize("n", [0, 1, 4_096, 4_097, 300_000])
def test_every_size_of_batch_keeps_the_order_of_rows(n: int) -> None:
    rows = pa.table({"n": pa.array(range(n), pa.int64()), "unused": pa.nulls(n)})
    evaluator = Evaluator(
        Schema({"n": "int64"}), {"even": "n % 2 = 0", "text": "n::VARCHAR", "half": "n / 2"}
    )
    columns = evaluator.evaluate(rows).columns
    assert columns.schema.types == [pa.bool_(), pa.string(), pa.float64()]
    assert columns.column("text").to_pylist() == [str(each) for each in range(n)]
    assert columns.column("half").to_numpy().tolist() == [each / 2 for each in range(n)]
    assert columns.column("even").to_pylist() == [each % 2 == 0 for each in range(n)]


def test_a_failing_row_among_many() -> None:
    values = np.arange(200_000).astype(str)
    values[123_456] = "x"
    evaluator = Evaluator(Schema({"text": "string"}), {"number": "text::BIGINT"})
    columns, failed = evaluator.evaluate(pa.table({"text": values}))
    assert failed is not None
    assert failed.column("ordinal").to_pylist() == [123_456]
    number = columns.column("number").to_pylist()
    assert number[123_456] is None
    assert number[123_457] == 123_457


def test_expressions_that_read_nothing_have_a_value_on_every_row() -> None:
    rows = pa.table({"n": [1, 2]})
    assert one("true", rows, {"n": "int64"}) == [True, True]
    assert one("'a' || 'b'", rows, {"n": "int64"}) == ["ab", "ab"]
    nothing = Evaluator(Schema({"n": "int64"}), {})
    assert nothing.inputs == ()
    assert nothing.evaluate(rows).columns.num_rows == 2


def test_only_the_columns_read_are_asked_for_in_any_wider_form_of_their_type() -> None:
    evaluator = Evaluator(
        Schema({"a": "string", "b": "int64", "c": "int64"}), {"v": "b > 1", "u": "a || 'x'"}
    )
    assert evaluator.inputs == ("a", "b")
    rows = pa.record_batch({"b": pa.array([1, 2]), "a": pa.array(["é", None], pa.large_string())})
    assert evaluator.evaluate(rows).columns.to_pydict() == {"v": [False, True], "u": ["éx", None]}


def test_odd_names() -> None:
    schema = Schema({'a "quoted" name': "int64", "select": "int64", "naïve": "int64"})
    rows = pa.table({name: [7] for name in schema})
    expressions = {"from": '"a ""quoted"" name" + "select"', "__where_0": "naïve = 7", "e0": '"from" + 1'}
    assert Evaluator(schema, expressions).evaluate(rows).columns.to_pylist() == [
        {"from": 14, "__where_0": True, "e0": 15}
    ]


def test_threads_share_an_evaluator() -> None:
    evaluator = Evaluator(Schema({"n": "int64"}), {"v": "n + 1", "t": "n::VARCHAR"})

    def evaluate(start: int) -> bool:
        rows = pa.table({"n": pa.array(range(start, start + 50), pa.int64())})
        found = evaluator.evaluate(rows).columns
        numbers, texts = (found.column(name).to_pylist() for name in ("v", "t"))
        return numbers == list(range(start + 1, start + 51)) and texts[0] == str(start)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(evaluate, range(300)))


def test_what_does_not_fit_is_refused_when_it_is_made() -> None:
    with pytest.raises(DefinitionError, match=r"f\.py:9: column 'w', 'm > 1': there is no column 'm'"):
        Evaluator(Schema({"n": "int64"}), {"w": "m > 1"}, written="f.py:9")
    with pytest.raises(DefinitionError, match="cannot be told apart"):
        Evaluator(Schema({"n": "int64"}), {"N": "1"})
