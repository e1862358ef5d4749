"""Expected values: what may be written for each type, and how near is near enough."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from headrace.errors import DefinitionError
from headrace.schema import DOUBLE, INT64, STRING, Type, parse_type
from headrace.testing.feature_tests.case import Wanted
from headrace.testing.feature_tests.comparing import agree, expected_value, plain

MONEY = parse_type("decimal(8,2)")
MAP = Type("map", items=(STRING, INT64))
PAIR = Type("struct", items=(STRING, INT64), names=("value", "count"))


@pytest.mark.parametrize(
    ("written", "of", "given"),
    [
        (1, DOUBLE, 1.0),
        (2.0, INT64, 2),
        (0.1, MONEY, Decimal("0.10")),
        (3, MONEY, Decimal("3.00")),
        ("2026-03-01", parse_type("timestamp"), dt.datetime(2026, 3, 1, tzinfo=dt.UTC)),
        ("2026-03-01", parse_type("date"), dt.date(2026, 3, 1)),
        ("ff00", parse_type("binary"), b"\xff\x00"),
        ([1, None], parse_type("list<double>"), [1.0, None]),
        ({"a": 1}, MAP, [("a", 1)]),
        ([["a", 1]], Type("list", items=(PAIR,)), [{"value": "a", "count": 1}]),
        ([{"value": "a", "count": 1}], Type("list", items=(PAIR,)), [{"value": "a", "count": 1}]),
        (None, INT64, None),
    ],
)
def test_what_is_written_is_what_comes(written: Any, of: Type, given: Any) -> None:
    assert agree(expected_value(written, of, "f"), plain(given, of), None)


@pytest.mark.parametrize(
    ("written", "of"),
    [
        ("1", INT64), (1.5, INT64), (True, INT64), (True, DOUBLE), ("x", DOUBLE), ("0.1", MONEY), (1, STRING),
        (1, parse_type("bool")), ("noon", parse_type("timestamp")), ("March", parse_type("date")),
        ("a", parse_type("list<string>")), ({"a": "x"}, MAP), ([1], PAIR), ({"value": "a"}, PAIR),
        (float("inf"), INT64), ("xyz", parse_type("binary")), (3, MAP), ([3], MAP),
    ],
)  # fmt: skip
def test_what_can_be_no_value_of_the_type_is_refused(written: Any, of: Type) -> None:
    with pytest.raises(DefinitionError, match="is no") as caught:
        expected_value(written, of, "v:f")
    assert "'v:f'" in caught.value.message
    assert str(of) in caught.value.remedy


@pytest.mark.parametrize(
    ("one", "other", "tolerance", "near"),
    [
        (1.0, 1.0 + 5e-7, None, True),
        (1.0, 1.0 + 5e-6, None, False),
        (0.0, 1e-13, None, True),
        (0.0, 1e-9, None, False),
        (1.0, 1.1, 0.2, True),
        (1.0, 1.1, 0.05, False),
        (1e9, 1e9 + 1, 0.0, False),
        (100.0, 110.0, 0.5, False),
        (float("nan"), float("nan"), None, True),
        (float("nan"), 1.0, None, False),
        (1, 2, 5.0, False),
        (Decimal("0.1"), Decimal("0.10"), None, True),
        (Decimal("0.1"), Decimal("0.11"), 1.0, False),
        ([1.0, 2.0], [1.0, 2.01], 0.1, True),
        ([1.0], [1.0, 2.0], 9.0, False),
        ({"a": 1.0}, {"a": 1.5}, 1.0, True),
        ({"a": 1.0}, {"b": 1.0}, 1.0, False),
        (None, 0, None, False),
        (None, None, None, True),
        ("a", "a", None, True),
        (False, 0, None, False),
    ],
)
def test_only_doubles_have_a_tolerance(one: Any, other: Any, tolerance: float | None, near: bool) -> None:  # noqa: FBT001 - a case
    assert agree(one, other, tolerance) is near
    assert agree(other, one, tolerance) is near


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (3, Wanted(3, tolerance=0.5)),
        (None, Wanted(None, tolerance=0.5)),
        ({}, Wanted({}, tolerance=0.5)),
        ({"a": 1}, Wanted({"a": 1}, tolerance=0.5)),
        ({"value": 1, "other": 2}, Wanted({"value": 1, "other": 2}, tolerance=0.5)),
        ({"value": {"value": 1}}, Wanted({"value": 1}, tolerance=0.5)),
        ({"status": "PRESENT"}, Wanted(None, has_value=False, status="PRESENT", tolerance=0.5)),
        ({"value": 1, "tolerance": 2}, Wanted(1, tolerance=2.0)),
    ],
)
def test_the_long_form_and_a_map(written: Any, wanted: Wanted) -> None:
    assert Wanted.of(written, 0.5) == wanted


@pytest.mark.parametrize("written", [{"status": "GONE"}, {"tolerance": "much"}, {"tolerance": True}])
def test_a_long_form_that_says_nothing(written: Any) -> None:
    with pytest.raises(DefinitionError):
        Wanted.of(written, None)
