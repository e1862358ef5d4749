"""Finished values in Arrow: what is null, what is invalid and why, and types at their ends."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from headrace import agg
from headrace.kernel.columns import STATUS_NAMES, reason_of
from headrace.kernel.events import rows_of_events
from headrace.kernel.parts import join_columns
from headrace.kernel.plan import compile_view
from headrace.kernel.point_in_time import features_at
from headrace.schema import Schema
from headrace.windows import FOREVER_AGO, series
from tests.online.small import HOUR, MINUTE, NOON


def columns_of(features, values, of="int64", asked=(0,), *, times=None, entity=None):
    """The features of entity 0, or of those named, over its values, one event each."""
    schema = Schema({"ts": "timestamp", "x": of, "word": "string"})
    at = [NOON] * len(values) if times is None else times
    table = pa.table(
        {
            "__time": pa.array(at, pa.int64()),
            "__known": pa.array(at, pa.int64()),
            "ts": pa.array(at, pa.int64()).cast(pa.timestamp("us", "UTC")),
            "x": pa.array(values, schema["x"].arrow()),
            "word": pa.array([f"word {value}" for value in values], pa.string()),
        }
    )
    plan = compile_view(features, schema)
    owner = np.zeros(len(values), np.int64) if entity is None else np.array(entity)
    rows = rows_of_events(plan, table, owner, schema, None)
    return features_at(plan, rows, np.array(asked), np.full(len(asked), NOON + 1))


def said(column):
    status = [STATUS_NAMES[each] for each in column.status]
    return list(zip(column.values.to_pylist(maps_as_pydicts="strict"), status, strict=True))


def test_a_map_that_lost_keys_is_there_but_invalid():
    full = agg.count("full", by="x", max_keys=2, windows=["1h"])
    column = columns_of([full], [1, 2, 3, 3], asked=(0, 1))["full_1h"]
    [(value, status), nobody] = said(column)
    assert (len(value), status, column.reason) == (2, "INVALID", "truncated")
    assert nobody == ({}, "PRESENT")
    whole = columns_of([full], [1, 2, 2])["full_1h"]
    assert (said(whole), whole.reason) == ([({1: 1, 2: 2}, "PRESENT")], "")


def test_a_sum_that_overflows_is_null_and_invalid():
    total = agg.sum("total", "x", windows=["1h"])
    column = columns_of([total], [2**63 - 1, 1], asked=(1, 0, 2))["total_1h"]
    assert said(column) == [(0, "PRESENT"), (None, "INVALID"), (0, "PRESENT")]
    assert column.to_list() == [0, None, 0]
    assert column.reason == "overflow"
    assert said(columns_of([total], [2**63 - 1, 1, -1])["total_1h"]) == [(2**63 - 1, "PRESENT")]


def test_rows_that_overflow_and_rows_that_were_truncated_have_their_own_reasons():
    most = 2**63 - 1
    total = agg.sum("total", "x", by="word", max_keys=1, windows=["1h"])
    of_one = {"values": [most, most, 1, 2], "entity": [0, 0, 2, 2], "asked": (0, 1, 2)}
    once = columns_of([total], **of_one)["total_1h"]
    apart = [columns_of([total], **{**of_one, "asked": asked})["total_1h"] for asked in ((0,), (1, 2))]
    joined = join_columns([{"x": each} for each in apart], np.array([2, 1, 0]))["x"]
    assert [said(joined)[row] for row in (2, 1, 0)] == said(once)
    for column, overflown, lost in ((once, 0, 2), (joined, 2, 0)):
        assert said(column)[1] == ({}, "PRESENT")
        assert [said(column)[row][1] for row in (overflown, lost)] == ["INVALID", "INVALID"]
        assert [reason_of(column, row) for row in (overflown, lost)] == ["overflow", "truncated"]
        assert set(column.reason.split("; ")) == {"overflow", "truncated"}


def test_one_sum_that_overflows_makes_its_whole_map_or_series_null():
    by_word = agg.sum("by_word", "x", by="word", windows=["1h"])
    most = 2**63 - 1
    column = columns_of([by_word], [most, most, 5], asked=(0, 1))["by_word_1h"]
    assert said(column) == [(None, "INVALID"), ({}, "PRESENT")]
    assert column.reason == "overflow"
    apart = columns_of([by_word], [most, -most, 5])["by_word_1h"]
    assert said(apart)[0][1] == "PRESENT"
    listed = agg.sum("listed", "x", windows=[series("1m", 2)])
    times = [NOON, NOON, NOON - MINUTE]
    column = columns_of([listed], [most, most, 5], asked=(0, 1), times=times)["listed_2x1m"]
    assert said(column) == [(None, "INVALID"), ([0, 0], "PRESENT")]


@pytest.mark.parametrize("sign", [1, -1])
def test_decimal_sums_have_38_digits(sign):
    most = Decimal("999999999.999999999") * sign
    column = columns_of([agg.sum("total", "x", windows=["1h"])], [most] * 50, "decimal(18,9)")["total_1h"]
    assert column.values.type == pa.decimal128(38, 9)
    assert said(column) == [(most * 50, "PRESENT")]


@pytest.mark.parametrize(
    ("of", "value"),
    [
        ("string", ""),
        ("binary", b"\x00"),
        ("bool", False),
        ("date", dt.date(1, 1, 1)),
        ("timestamp", dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)),
        ("int64", -(2**63)),
        ("double", float("-inf")),
        ("decimal(18,18)", Decimal("-0.999999999999999999")),
    ],
)
def test_values_keep_their_type_and_nothing_is_null(of, value):
    features = [
        agg.last("last", "x", windows=["1h"]),
        agg.min("least", "x", windows=["1h"]),
        agg.last_k("list", "x", k=2, windows=["1h"], timestamps=True),
    ]
    columns = columns_of(features, [None, value], of, asked=(1, 0))
    arrow = Schema({"x": of})["x"].arrow()
    for name in ("last_1h", "least_1h"):
        assert said(columns[name]) == [(None, "NOT_FOUND"), (value, "PRESENT")]
        assert columns[name].values.type == arrow
    assert said(columns["list_1h"]) == [([], "PRESENT"), ([value], "PRESENT")]
    assert columns["list_1h"].values.type == pa.list_(arrow)
    assert columns["list_1h__ts"].values.to_pylist()[0] == []
    assert len(columns["list_1h__ts"].values.to_pylist()[1]) == 1


def test_null_without_an_event_is_not_found_and_with_one_null():
    features = [
        agg.mean("mean", "x", windows=["1h"]),
        agg.rate("rate", numerator="n", denominator="n", windows=["1h"]),
    ]
    features.append(agg.count("n", where="word = 'nothing'", windows=["1h"]))
    plan = compile_view(features, Schema({"ts": "timestamp", "x": "int64", "word": "string"}))
    assert plan.conditions == ("word = 'nothing'",)
    columns = columns_of([features[0]], [None], asked=(0, 1))
    assert said(columns["mean_1h"]) == [(None, "NULL_VALUE"), (None, "NOT_FOUND")]
    assert columns["mean_1h"].newest.tolist()[0] == NOON


def test_each_window_has_its_share_of_what_is_finished_together():
    mean = agg.mean("mean", "x", windows=["1m", "1h", "1d"])
    columns = columns_of(
        [mean], [8, 2, 9], asked=(0, 1), times=[NOON - 2 * HOUR, NOON - 2 * MINUTE, NOON + 1]
    )
    nothing, never = (None, "NOT_FOUND"), FOREVER_AGO
    assert [said(columns[f"mean_{window}"]) for window in ("1m", "1h", "1d")] == [
        [nothing, nothing],
        [(2.0, "PRESENT"), nothing],
        [(5.0, "PRESENT"), nothing],
    ]
    for column in columns.values():
        assert column.to_list() == column.values.to_pylist()
    newest = [columns[f"mean_{window}"].newest.tolist() for window in ("1m", "1h", "1d")]
    assert newest == [[never, never], [NOON - 2 * MINUTE, never], [NOON - 2 * MINUTE, never]]


def test_each_series_lists_its_own_windows():
    count = agg.count("n", windows=["1h", series("1m", 2), series("1h", 3)])
    columns = columns_of(
        [count], [1, 2, 3], asked=(0, 1), times=[NOON - 2 * HOUR, NOON - 2 * HOUR, NOON - HOUR]
    )
    assert said(columns["n_1h"]) == [(1, "PRESENT"), (0, "PRESENT")]
    assert said(columns["n_2x1m"]) == [([0, 0], "PRESENT"), ([0, 0], "PRESENT")]
    assert said(columns["n_3x1h"]) == [([0, 2, 1], "PRESENT"), ([0, 0, 0], "PRESENT")]
    newest = [columns[name].newest.tolist()[0] for name in ("n_1h", "n_2x1m", "n_3x1h")]
    assert newest == [NOON - HOUR, FOREVER_AGO, NOON - HOUR]


def test_a_series_lists_its_members_for_each_question():
    count = agg.count("n", windows=[series("1m", 3)])
    times = [NOON - 2 * MINUTE, NOON - MINUTE, NOON - MINUTE, NOON]
    columns = columns_of([count], [1, 2, 3, 4], asked=(0, 1, 0), times=times)
    assert said(columns["n_3x1m"]) == [([0, 1, 3], "PRESENT"), ([0, 0, 0], "PRESENT"), ([0, 1, 3], "PRESENT")]
    assert columns["n_3x1m"].newest.tolist()[::2] == [NOON, NOON]
