"""Rules over values, literally: bounds belong to a range, null breaks none, slices are judged as they are."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headrace.definitions import rules
from headrace.definitions.source import EventSource
from headrace.intake.rejects import Fault
from headrace.intake.row_rules import RowRules
from headrace.intake.value_rules import ValueRule
from headrace.schema import Type, parse_type

DAYS = [dt.date(2026, 3, day) for day in (1, 2, 3)]


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize(
    ("of", "bounds", "inside", "outside"),
    [
        ("int64", {"min": 1, "max": 3}, [1, 2, 3, None], [0, 4]),
        ("int64", {"min": 0.5, "max": 2.5}, [1, 2], [0, 3]),
        ("int64", {"min": -2.5}, [-2], [-3]),
        ("double", {"min": 0.5, "max": 2.5}, [0.5, 2.5, None], [0.4999, 2.5001, float("nan")]),
        ("decimal(6,2)", {"min": 1, "max": 3}, ["1.00", "3.00", None], ["0.99", "3.01"]),
        ("decimal(6,2)", {"min": Decimal("0.005")}, ["0.01"], ["0.00"]),
        (
            Type("decimal", precision=38, scale=2),
            {"min": 1, "max": 3},
            ["1.00", "3.00", None],
            ["0.99", "3.01"],
        ),
        ("date", {"min": "2026-03-01T12:00:00Z"}, [DAYS[1]], [DAYS[0]]),
        ("date", {"max": "2026-03-02T12:00:00Z"}, [DAYS[1]], [DAYS[2]]),
    ],
)
def test_a_range(
    of: str | Type, bounds: dict[str, Any], inside: list[Any], outside: list[Any], before: int
) -> None:
    rule = ValueRule(rules.range("x", **bounds), parse_type(of), "column 'x'")
    whole = outside[:before] + inside + outside
    given = [Decimal(value) if isinstance(value, str) else value for value in whole]
    failing = rule.failing(pa.array(given, parse_type(of).arrow())[len(outside[:before]) :])
    assert failing is not None
    assert failing.tolist() == [False] * len(inside) + [True] * len(outside)


def test_a_pattern_holds_from_the_start_whichever_branch_it_takes() -> None:
    rule = ValueRule(rules.regex("x", "a|b"), parse_type("string"), "column 'x'")
    failing = rule.failing(pa.array(["a", "b", "bc", None, "cb", "ca", ""]))
    assert failing is not None
    assert failing.tolist() == [False] * 4 + [True] * 3


def test_blank_texts_are_missing() -> None:
    rule = ValueRule(rules.not_null("x"), parse_type("string"), "column 'x'")
    failing = rule.failing(pa.array(["x", " x", "", " ", "\t\n", "\u3000", None]))
    assert failing is not None
    assert failing.tolist() == [False] * 2 + [True] * 5


def test_a_value_that_could_not_be_read_is_not_missing_besides() -> None:
    source = EventSource(
        "s", schema={"ts": "timestamp", "n": "int64"}, timestamp="ts", rules=[rules.not_null("n")]
    )
    unread = Fault("uncastable", "n", np.array([True, False, False]), "")
    assert source.schema is not None
    (missing,) = RowRules(source, source.schema).faults(
        {"n": pa.array([None, None, 1], pa.int64())}, [unread]
    )
    assert missing.mask.tolist() == [False, True, False]
