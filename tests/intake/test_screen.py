"""The screen: it suspects every row that breaks a rule, and where it can tell at all few others."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

import headrace as hr
from headrace.intake.screen import suspicion
from headrace.intake.value_rules import ValueRule, bounds_of
from headrace.schema import parse_type

TEXTS = [
    None,
    "",
    " ",
    "a",
    "ab",
    "b",
    "7",
    "u1",
    "u",
    "U1",
    "é",
    "\u3000",
    "a\n",
    "it's",
    "a*",
    "[a]",
    "a?",
    "~",
    "\x7f",
]
INTS = [None, -(2**63), -1, 0, 1, 2, 2**63 - 1]
DOUBLES = [None, -0.0, 0.0, 0.1, -1.5, float("nan"), 1e308]
CASES = [
    *((hr.rules.not_null("x"), of) for of in ("string", "int64", "double")),
    *(
        (hr.rules.regex("x", pattern), "string")
        for pattern in ("a", "[a-z]", "u[0-9]+", "^u[0-9]", "it's", "[ab7]b", "a+")
    ),
    (hr.rules.enum("x", ["a", "it's", ""]), "string"),
    (hr.rules.enum("x", [0, -(2**63)]), "int64"),
    (hr.rules.range("x", min=-(2**63), max=1), "int64"),
    (hr.rules.range("x", min=0.5), "int64"),
    (hr.rules.range("x", min=0, max=0.1), "double"),
    (hr.rules.range("x", max=1e300), "double"),
]


@pytest.mark.parametrize(("rule", "of"), CASES, ids=str)
def test_it_suspects_what_breaks_the_rule_and_few_others(rule, of) -> None:
    kind = parse_type(of)
    values = pa.array({"string": TEXTS, "int64": INTS, "double": DOUBLES}[of], kind.arrow())
    bounds = bounds_of(rule, kind) if rule.kind == "range" else None
    sql = suspicion(rule, kind, bounds)
    assert sql is not None
    rows = pa.table({"x": values})  # noqa: F841 - DuckDB finds it by its name
    told = [row for (row,) in duckdb.sql(f"SELECT coalesce({sql}, false) FROM rows").fetchall()]
    failing = ValueRule(rule, kind, "x").failing(values)
    broken = [False] * len(values) if failing is None else failing.tolist()
    assert [place for place, breaks in enumerate(broken) if breaks and not told[place]] == []
    others = [values[place].as_py() for place, each in enumerate(told) if each and not broken[place]]
    unsure = {"é", "\u3000", " ", "\x7f"} if rule.kind == "not_null" else set()
    assert set(map(str, others)) <= {*unsure, "nan"}, others


@pytest.mark.parametrize(
    "pattern", ["a|b", "a.c", "a{2}", "(a)", "a$", "[^a]", r"\d", "a+b", "a*", "[!a]", "é", "a?"]
)
def test_patterns_that_say_more_are_not_screened(pattern: str) -> None:
    assert suspicion(hr.rules.regex("x", pattern), parse_type("string"), None) is None
