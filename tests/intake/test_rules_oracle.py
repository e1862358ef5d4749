"""Rules over whole columns judge every row as the oracle does, value by value; of a table and of a file."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.intake.feature_rules import FeatureRules
from headrace.retrieval.validation import validate_rows
from headrace.schema import Schema, parse_type
from headrace.testing.rules import breaks, broken_by_rows
from tests.effort import cases

if TYPE_CHECKING:
    from headrace.definitions.rules import Rule

SCHEMA = Schema(
    {
        "ts": "timestamp", "received": "timestamp", "whole": "int64", "real": "double", "word": "string",
        "short": "decimal(6,2)", "long": "decimal(18,9)", "seen": "timestamp", "day": "date", "flag": "bool",
    }
)  # fmt: skip
AT = 1_772_000_000_000_000
NAN = float("nan")
WORDS = [
    "", " ", "\t\n", "\u00a0", "\u3000x", "a", "ab", "A", "a\n", "\na", "é", "e\u0301", "日本", "\U0001f600",
    "a\x00", "7", "٣", "aaa bbb", "x" * 40, "u1", "u12",
]  # fmt: skip
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "whole": st.sampled_from([-(2**63), -1, 0, 1, 2, 3, 2**53 + 1, 2**63 - 1]),
    "real": st.sampled_from([-0.0, 0.0, 0.1, 0.1 + 2**-56, -1.5, 1.0, 3.0, NAN, 5e-324, 1e308]),
    "word": st.sampled_from(WORDS),
    "short": st.sampled_from([Decimal(text) for text in ("0.00", "-0.01", "0.10", "9999.99", "1.00")]),
    "long": st.sampled_from([Decimal(text) for text in ("0", "0.1", "-5", "123456789.012345678")]),
    "seen": st.sampled_from([0, -1, AT, AT + 1, 253_402_300_799_999_999, -62_135_596_800_000_000]),
    "day": st.sampled_from([dt.date(2026, 2, 25), dt.date(1970, 1, 1), dt.date(1, 1, 1)]),
    "flag": st.booleans(),
}
RULES: list[Rule] = [
    *(hr.rules.not_null(name) for name in VALUES),
    *(hr.rules.unique(name) for name in ("word", "whole", "real", "short", "day")),
    hr.rules.range("whole", min=0),
    hr.rules.range("whole", max=2**63 - 1, min=-(2**63)),
    hr.rules.range("whole", min=0.5, max=2.5),
    hr.rules.range("real", min=0),
    hr.rules.range("real", max=0.1),
    hr.rules.range("real", min=0.1, max=1),
    hr.rules.range("short", min=Decimal("0.005"), max=Decimal("9999.985")),
    hr.rules.range("short", max=1),
    hr.rules.range("long", min=Decimal("0.1")),
    hr.rules.range("long", max=Decimal("123456789.0123456775")),
    hr.rules.range("seen", min="1970-01-01", max="2026-02-25T06:13:20Z"),
    hr.rules.range("day", min="1970-01-01", max="2026-02-24"),
    hr.rules.range("day", max="2026-02-25T12:00:00Z"),
    hr.rules.enum("word", ["a", "é", ""]),
    hr.rules.enum("whole", [0, 1, 2**53 + 1]),
    hr.rules.enum("real", [0.0, 0.1, 3]),
    hr.rules.enum("short", [0, 0.1, 1]),
    hr.rules.enum("flag", [True]),
    *(
        hr.rules.regex("word", pattern)
        for pattern in ("a", "a$", "^a", r"[a-z]+$", r"u\d", r"\w+", r"\d+$", "é|日", ".", r"a|b$", r"\s*$")
    ),
    hr.rules.custom("small", "whole < 2"),
    hr.rules.custom("real_small", "real < 2.0"),
    hr.rules.custom("flagged", "flag", column="flag"),
    hr.rules.custom("longer", "length(word) > 1 OR real = 0"),
]


def _less(value: Any, bound: float) -> bool | None:
    return None if value is None else value < bound


def _longer(row: dict[str, Any]) -> bool | None:
    long = None if row["word"] is None else len(row["word"]) > 1
    zero = None if row["real"] is None else row["real"] == 0
    return True if long or zero else None if None in (long, zero) else False


CONDITIONS: dict[str, Any] = {
    "small": lambda row: _less(row["whole"], 2),
    "real_small": lambda row: _less(row["real"], 2.0),
    "flagged": lambda row: row["flag"],
    "longer": _longer,
}


def rows() -> st.SearchStrategy[list[dict[str, Any]]]:
    times = {
        "ts": st.integers(AT, AT + 3),
        "received": st.none() | st.integers(AT, AT + 5),
    }
    values = {name: st.none() | drawn for name, drawn in VALUES.items()}
    return st.lists(st.fixed_dictionaries({**times, **values}), min_size=1, max_size=30)


def clean(row: dict[str, Any]) -> dict[str, Any]:
    """As cleaning leaves it: NaN is null and -0.0 is 0.0."""
    real = row["real"]
    return {**row, "real": None if real is None or math.isnan(real) else real + 0.0}


def table(drawn: list[dict[str, Any]]) -> pa.Table:
    columns = {}
    for name, of in SCHEMA.items():
        values = [row[name] for row in drawn]
        columns[name] = (
            pa.array(values, pa.int64()).cast(of.arrow())
            if of.name == "timestamp"
            else pa.array(values, of.arrow())
        )
    return pa.table(columns)


def failures(source: hr.EventSource, given: Any, directory: Path, count: int) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in range(count)]
    for each in validate_rows(source, given, "UTC", directory):
        assert each.row is not None
        found[each.row].append(each.rule)
    return found


@settings(max_examples=cases(40), deadline=None)
@given(drawn=rows(), rules=st.lists(st.sampled_from(RULES), max_size=7, unique_by=str))
def test_rules_over_columns_judge_as_the_oracle_does(drawn: list[dict[str, Any]], rules: list[Rule]) -> None:
    source = hr.EventSource(
        "log", schema=dict(SCHEMA), timestamp="ts", available_at="received", rules=rules, batch=pa.table({})
    )
    # What the oracle calls in the order of rules, the columns' own come before conditions.
    wanted = [
        sorted(each)
        for each in broken_by_rows(
            rules, [clean(row) for row in drawn], SCHEMA, timestamp="ts", available_at="received",
            conditions=CONDITIONS,
        )
    ]  # fmt: skip
    whole = table(drawn)
    with TemporaryDirectory() as directory:
        path = Path(directory) / "log.parquet"
        pq.write_table(whole, path, row_group_size=7)
        for given_rows in (whole, str(path)):
            found = failures(source, given_rows, Path(directory), len(drawn))
            assert [sorted(each) for each in found] == wanted


@settings(max_examples=cases(150), deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(set(VALUES))))
def test_rules_of_features_judge_values_as_the_oracle_does(data: st.DataObject, name: str) -> None:
    mine = [
        dataclasses.replace(rule, column="")
        for rule in RULES
        if rule.column == name and rule.kind not in {"unique", "custom"}
    ]
    rule = data.draw(st.sampled_from(mine))
    values = data.draw(st.lists(st.none() | VALUES[name], max_size=20))
    of = parse_type(str(SCHEMA[name]))
    array = pa.array(values, pa.int64()).cast(of.arrow()) if name == "seen" else pa.array(values, of.arrow())
    faults = FeatureRules("f", [rule], of).faults(array)
    found = faults[0].mask.tolist() if faults else [False] * len(values)
    assert found == [breaks(rule, value, of) for value in values]


@pytest.mark.parametrize(
    ("rule", "value", "of", "wanted"),
    [
        (hr.rules.range(min=0, max=1), 0.0, "double", False),
        (hr.rules.range(min=0, max=1), 1.0, "double", False),
        (hr.rules.range(min=0, max=1), NAN, "double", True),
        (hr.rules.range(min=0.5), 0, "int64", True),
        (hr.rules.range(min=0.1), 0.1, "double", False),
        (hr.rules.enum([1]), True, "bool", True),
        (hr.rules.enum([0.0]), -0.0, "double", False),
        (hr.rules.regex(pattern="a$"), "a\n", "string", True),
        (hr.rules.regex(pattern="b"), "ab", "string", True),
        (hr.rules.regex(pattern=r"\d"), "٣", "string", True),
        (hr.rules.not_null(), " \u3000", "string", True),
        (hr.rules.range(min=0), None, "int64", False),
    ],
)
def test_the_oracle_of_rules_knows_by_hand(rule: Rule, value: Any, of: str, *, wanted: bool) -> None:
    assert breaks(rule, value, parse_type(of)) == wanted
