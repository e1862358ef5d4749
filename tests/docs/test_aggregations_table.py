"""The table of aggregations in the docs: every kind has its row, and what the row says is what the code does.

A row is checked by making what its first cell writes: a new aggregation needs its row and nothing here.
"""

from __future__ import annotations

import ast
import datetime as dt
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from headrace import agg
from headrace.errors import DefinitionError
from headrace.kernel.plan import compile_view
from headrace.kernel.point_in_time import Merged, finish
from headrace.schema import Schema, Type
from headrace.testing.formulas import FORMULAS, Asked, Event, Result

if TYPE_CHECKING:
    from headrace.aggregations.base import Aggregation

DOCUMENT = Path(__file__).parents[2] / "docs" / "aggregations.md"
SAMPLES = {
    "string": ("a", "b"),
    "int64": (1, 2),
    "double": (0.5, 2.0),
    "decimal(12,4)": (Decimal("0.5"), Decimal(2)),
    "bool": (False, True),
    "timestamp": (1, 2),
    "date": (dt.date(2026, 1, 1), dt.date(2026, 1, 2)),
    "binary": (b"a", b"b"),
}
"""Two values of each column type."""


class Row(NamedTuple):
    written: str
    output: str
    no_event: str
    nulls: str
    state: str
    agreement: str

    @property
    def aggregation(self) -> Aggregation:
        call = ast.parse(self.written.strip("`"), mode="eval").body
        assert isinstance(call, ast.Call)
        assert isinstance(call.func, ast.Attribute)
        given: dict[str, Any] = {word.arg or "": ast.literal_eval(word.value) for word in call.keywords}
        return agg.CATALOGUE[call.func.attr](*map(ast.literal_eval, call.args), **given)


def _rows() -> list[Row]:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `agg.")
    ]
    return [Row(*row) for row in cells]


ROWS = _rows()
KINDS = [match[1] if (match := re.match(r"`agg\.(\w+)\(", row.written)) else "" for row in ROWS]
rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.written.strip("`"))


@pytest.mark.parametrize("kind", agg.CATALOGUE)
def test_every_kind_of_aggregation_has_a_row(kind):
    assert kind in KINDS, f"docs/aggregations.md: the table has no row for agg.{kind}; add one"


def test_every_row_is_of_a_kind_there_is():
    assert set(KINDS) <= set(agg.CATALOGUE)


@rows
def test_the_output_type_is_as_documented(row):
    for of in _accepted(row.aggregation):
        (feature,) = _plan(row.aggregation, of).features[-1:]
        assert _describes(row.output, feature.types[0], of), f"{feature.types[0]} for a {of} column"


@rows
def test_the_value_without_events_is_as_documented(row):
    told = json.loads(re.match(r"`(.+?)`", row.no_event)[1])
    for of in _accepted(row.aggregation):
        assert _no_event(row.aggregation, of) == told, f"for a {of} column"


@rows
def test_nulls_are_skipped_where_the_table_says_so(row):
    of = _accepted(row.aggregation)[0]
    plan = _plan(row.aggregation, of)
    reads = any(plan.measures[m].columns for m in plan.features[-1].measures)
    assert row.nulls == ("skipped" if reads else "-")


@rows
def test_agreement_is_as_the_oracle_has_it(row):
    tolerant = any(_slack(row.aggregation, of) for of in _accepted(row.aggregation))
    assert ("1e-9" in row.agreement) == tolerant
    assert tolerant or row.agreement == "identical"


@rows
def test_the_state_is_told(row):
    assert row.state


def _plan(aggregation: Aggregation, of: str):
    counts = [agg.count(name, windows=["7d"]) for name in aggregation.references]
    return compile_view([*counts, aggregation], Schema(dict.fromkeys(("price", "ad_id", "bid"), of)))


def _accepted(aggregation: Aggregation) -> list[str]:
    """The column types the aggregation takes."""
    accepted = []
    for of in SAMPLES:
        try:
            _plan(aggregation, of)
        except DefinitionError:
            continue
        accepted.append(of)
    assert accepted
    return accepted


def _describes(cell: str, output: Type, column: str) -> bool:
    """Whether the cell's words fit the type of the output for a column's type."""
    if cell == "type of the column":
        return str(output) == column
    if cell.startswith("list of the column's type"):
        return str(output) == f"list<{column}>"
    if output.name == "map":
        return cell.startswith("map from key to ") and output.items[1].name in cell
    return re.match(output.name, cell) is not None or f"; {output.name}" in cell


def _no_event(aggregation: Aggregation, of: str) -> Any:
    """The value of no event at all; a map as a dict."""
    plan = _plan(aggregation, of)
    merged = {
        measure: Merged(spans, plan.measures[measure].algebra.zero(len(spans)))
        for measure, spans in plan.spans_of.items()
    }
    feature = plan.features[-1]
    value = finish(plan, merged, np.zeros(1, dtype=np.int64))[feature.names[0]].values.to_pylist()[0]
    return dict(value) if feature.types[0].name == "map" else value


def _slack(aggregation: Aggregation, of: str) -> bool:
    """Whether the oracle lets another answer differ from its own."""
    events = [
        Event(dict.fromkeys(("price", "ad_id", "bid"), value), at, at, (), (at,))
        for at, value in enumerate(SAMPLES[of])
    ]
    siblings = {name: agg.count(name, windows=["7d"]) for name in aggregation.references}
    types = Schema(dict.fromkeys(("price", "ad_id", "bid"), of))
    answer = FORMULAS[aggregation.kind](Asked(aggregation, events, len(events), types, siblings))
    slack = answer.slack if isinstance(answer, Result) else answer[""].slack
    return _positive(slack)


def _positive(slack: Any) -> bool:
    if isinstance(slack, dict):
        return any(map(_positive, slack.values()))
    return any(map(_positive, slack)) if isinstance(slack, list) else bool(slack > 0)
