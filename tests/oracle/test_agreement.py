from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from headrace.testing.agreement import agree, differences, plain
from headrace.testing.formulas import Answer


def says(value, slack=0, status="PRESENT", event_time=5):
    return Answer(value, status, event_time, slack)


@pytest.mark.parametrize(
    ("expected", "value", "slack"),
    [
        (1, 1, 0),
        (1.0, 1.0 + 5e-10, 1e-9),
        (None, None, 0),
        ("a", "a", 0),
        (Decimal("1.50"), Decimal("1.5"), 0),
        ([1, None], [1, None], [0, 0]),
        ({"a": 1.0}, [("a", 1.0)], {"a": 0}),
        ({}, [], {}),
        ([], [], []),
        (math.inf, math.inf, 0),
        (1.0, math.nan, math.inf),
        (0, dt.datetime(1970, 1, 1, tzinfo=dt.UTC), 0),
        ([3], np.array([3]), [0]),
    ],
)
def test_what_agrees(expected, value, slack):
    assert agree(says(expected, slack), value, "PRESENT", 5)


@pytest.mark.parametrize(
    ("expected", "value", "slack"),
    [
        (1, 2, 0),
        (1, 1.0, 0),
        (1, True, 0),
        (True, 1, 0),
        (1.0, 1, 0),
        (1.0, 1.0 + 2e-9, 1e-9),
        (1.0, math.nan, 1e-9),
        (1.0, math.inf, 1e-9),
        (None, 0, 0),
        (0, None, 0),
        (1.0, None, math.inf),
        ([1, 2], [2, 1], [0, 0]),
        ([1], [1, 1], [0]),
        ([None], [0], [0]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 0, "b": 0}),
        ({"a": 1}, {"a": 1, "b": 0}, {"a": 0}),
        ({"a": 1}, None, {"a": 0}),
        ([], {}, []),
    ],
)
def test_what_does_not_agree(expected, value, slack):
    assert not agree(says(expected, slack), value, "PRESENT", 5)


def test_status_and_event_time_are_part_of_the_answer():
    assert not agree(says(1), 1, "INVALID", 5)
    assert not agree(says(1), 1, "PRESENT", 6)
    assert agree(says(1), 1)


def test_arrows_values_are_made_plain():
    moment = dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)
    stamps = pa.array([-1], pa.timestamp("us", tz="UTC"))
    assert plain(stamps.to_pylist()[0]) == plain(moment) == plain(moment.replace(tzinfo=None)) == -1
    maps = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))
    assert plain(maps.to_pylist()[0]) == {"a": 1}


def test_differences_are_named():
    expected = [{"a": says(1), "b": says(2)}]
    same = {"a": [(1, "PRESENT", 5)], "b": [(2, "PRESENT", 5)]}
    assert differences(expected, same) == []
    assert differences(expected, {**same, "b": [(3, "PRESENT", 5)]})[0].startswith("b, row 0: ")
    assert differences(expected, {"a": same["a"]}) == ["b: only one side has it"]
    assert differences(expected, {**same, "c": []}) == ["c: only one side has it"]
    assert differences(expected, {**same, "b": []}) == ["b: 0 rows instead of 1"]
