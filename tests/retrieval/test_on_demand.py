"""What functions are given, and what they return: the same value, null, or INVALID with a reason."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import headrace as hr
from headrace.definitions.references import parse_reference
from headrace.kernel.columns import INVALID, NULL_VALUE, PRESENT, ArrowColumn, Column
from headrace.retrieval.on_demand import run_functions
from headrace.retrieval.plan import Function, Member, RetrievalPlan, compile_retrieval

UTC = dt.UTC
NOON = dt.datetime(2024, 2, 29, 12, tzinfo=UTC)


def returned(value: Any, of: str) -> Column:
    """The column of a function that returns the value once."""

    @hr.on_demand(output=of)
    def given():
        return value

    plan = compile_retrieval([parse_reference("given@1")], {}, {given.reference: Function(given, {})})
    return run_functions(plan, [], {}, np.zeros(1, dtype=np.int64))["given"]


@pytest.mark.parametrize(
    ("of", "value", "expected"),
    [
        ("int64", 2, 2),
        ("int64", 2.0, 2),
        ("int64", Decimal("2.0"), 2),
        ("int64", np.int32(-7), -7),
        ("int64", np.float64(3), 3),
        ("double", 1.5, 1.5),
        ("double", 3, 3.0),
        ("double", np.float32(0.5), 0.5),
        ("decimal(5,2)", Decimal("1.5"), Decimal("1.50")),
        ("decimal(5,2)", 3, Decimal("3.00")),
        ("bool", np.True_, True),
        ("string", "é", "é"),
        ("string", np.str_("x"), "x"),
        ("binary", b"\xff", b"\xff"),
        ("timestamp", NOON, NOON),
        ("timestamp", NOON.replace(tzinfo=None), NOON),
        ("timestamp", NOON.astimezone(dt.timezone(dt.timedelta(hours=5))), NOON),
        ("timestamp", np.datetime64("2024-02-29T12:00:00", "ns"), NOON),
        ("timestamp", pd.Timestamp(NOON), NOON),
        ("date", NOON.date(), NOON.date()),
        ("date", np.datetime64("2024-02-29"), NOON.date()),
        ("double", 2**62, float(2**62)),
        ("list<int64>", (1, np.int64(2), None), [1, 2, None]),
        ("list<double>", np.array([1.0, math.nan]), [1.0, None]),
        ("list<list<string>>", [["a"], []], [["a"], []]),
    ],
)
def test_a_value_that_fits_is_the_value(of: str, value: Any, expected: Any) -> None:
    column = returned(value, of)
    assert column.status.tolist() == [PRESENT], column.reason
    assert column.to_list() == [expected]
    assert type(column.to_list()[0]) is type(expected)


@pytest.mark.parametrize(
    ("of", "value"),
    [
        ("int64", None),
        ("double", math.nan),
        ("double", np.float32("nan")),
        ("double", pd.NA),
        ("int64", math.nan),
        ("timestamp", np.datetime64("NaT")),
        ("timestamp", pd.NaT),
        ("date", np.datetime64("NaT", "ns")),
    ],
)
def test_what_says_nothing_is_null(of: str, value: Any) -> None:
    column = returned(value, of)
    assert (column.status.tolist(), column.to_list()) == ([NULL_VALUE], [None])


def test_minus_zero_is_zero() -> None:
    assert math.copysign(1, returned(-0.0, "double").to_list()[0]) == 1


@pytest.mark.parametrize(
    ("of", "value"),
    [
        ("int64", 1.5),
        ("int64", np.float64(1.5)),
        ("int64", Decimal("1.5")),
        ("int64", math.inf),
        ("int64", True),
        ("int64", np.True_),
        ("int64", 2**63),
        ("int64", "1"),
        ("double", math.inf),
        ("double", -np.inf),
        ("double", True),
        ("double", "1"),
        ("double", 2**53 + 1),
        ("decimal(5,2)", Decimal("1.555")),
        ("decimal(5,2)", Decimal("NaN")),
        ("decimal(5,2)", 1.5),
        ("bool", 1),
        ("string", 1),
        ("string", b"x"),
        ("timestamp", 5),
        ("timestamp", 5.0),
        ("timestamp", "2024-02-29"),
        ("timestamp", dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=5)))),
        ("timestamp", np.datetime64("12024-01-01", "us")),
        ("date", NOON),
        ("date", 5),
        ("list<string>", "abc"),
        ("list<int64>", [1, 2.5]),
        ("list<int64>", {1, 2}),
        ("list<timestamp>", [5]),
        ("list<double>", [math.inf]),
    ],
)
def test_what_the_type_cannot_hold_is_invalid_with_a_reason(of: str, value: Any) -> None:
    column = returned(value, of)
    assert (column.status.tolist(), column.to_list()) == ([INVALID], [None])
    assert column.reason.startswith("given: DataError: returned ")
    assert f"which is no {of}" in column.reason


def test_a_function_is_given_a_map_as_a_dict() -> None:
    @hr.on_demand(inputs={"by": "views:by_7d"}, output="int64")
    def most(by):
        return max(by, key=by.get)

    maps = pa.array([[(7, 1), (9, 3)]], pa.map_(pa.int64(), pa.int64()))
    column = ArrowColumn(maps, np.array([PRESENT], dtype=np.uint8), np.zeros(1, dtype=np.int64))
    members = (Member("most", most.reference, -1, most.output),)
    plan = RetrievalPlan((), (most,), members, {"most@1": {"by": (0, "by_7d")}}, {}, {})
    found = run_functions(plan, [{"by_7d": column}], {}, np.zeros(1, dtype=np.int64))
    assert found["most"].to_list() == [9]
