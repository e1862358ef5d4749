from __future__ import annotations

import decimal
import math

import pytest

import headrace as hr
from headrace.definitions.rules import Rule
from tests.definitions.refusals import refused


@pytest.mark.parametrize(
    ("rule", "kind", "column", "arguments"),
    [
        (hr.rules.not_null("a"), "not_null", "a", {}),
        (hr.rules.range("a", min=0), "range", "a", {"min": 0}),
        (hr.rules.range(min=0.5, max=1), "range", "", {"min": 0.5, "max": 1}),
        (hr.rules.range("a", max=decimal.Decimal("0.10")), "range", "a", {"max": "0.10"}),
        (hr.rules.enum("a", ["x", "y"]), "enum", "a", {"values": ("x", "y")}),
        (hr.rules.enum(["x", "y"]), "enum", "", {"values": ("x", "y")}),
        (hr.rules.type("a", "int"), "type", "a", {"type": "int64"}),
        (hr.rules.regex("a", "[a-z]+"), "regex", "a", {"pattern": "[a-z]+"}),
        (hr.rules.unique("a"), "unique", "a", {}),
        (hr.rules.custom("paid", "price > 0"), "custom", "", {"name": "paid", "expression": "price > 0"}),
    ],
)
def test_a_rule_is_data(rule: Rule, kind: str, column: str, arguments: dict[str, object]) -> None:
    assert (rule.kind, rule.column, dict(rule.arguments)) == (kind, column, arguments)
    assert rule == Rule(kind, column, arguments=arguments)


def test_it_is_shown_as_it_is_written() -> None:
    assert str(hr.rules.range("price", min=0)) == "range('price', min=0)"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: hr.rules.range("a"), "neither min nor max"),
        (lambda: hr.rules.range("a", min=2, max=1), "min=2 is greater than max=1"),
        (lambda: hr.rules.range("a", min="2026-01-01", max=1), "cannot be compared"),
        (lambda: hr.rules.range("a", min=True), "True cannot be a bound"),
        (lambda: hr.rules.range("a", min=math.nan), "nan bounds nothing"),
        (lambda: hr.rules.range("a", minimum=1), "it takes no 'minimum'"),
        (lambda: hr.rules.not_null("a", enforced="serve"), "it takes no 'enforced'"),
        (lambda: hr.rules.not_null("a", enforce="always"), "enforce='always' is unknown"),
        (lambda: hr.rules.enum("a"), "a list of at least one"),
        (lambda: hr.rules.enum("a", "xy"), "a list of at least one"),
        (lambda: hr.rules.enum("a", ["x", "x"]), "a value is given twice"),
        (lambda: hr.rules.enum("a", [math.inf]), "its values are finite"),
        (lambda: hr.rules.enum("a", [["x"]]), "texts, numbers or booleans"),
        (lambda: hr.rules.type("a", "strin"), "'strin' is not a column type"),
        (lambda: hr.rules.regex("a"), "it needs pattern"),
        (lambda: hr.rules.custom("paid", " "), "it needs expression"),
        (lambda: hr.rules.not_null(7), "the column is a text"),  # type: ignore[arg-type]
        (lambda: Rule("positive", "a"), "there is no rule 'positive'"),
    ],
)
def test_a_wrong_rule_is_refused_where_it_is_written(make: object, says: str) -> None:
    refused(make, says)  # type: ignore[arg-type]
