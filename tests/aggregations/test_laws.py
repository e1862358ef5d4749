"""Every kind in the catalogue, over every type it takes, held to law zero and to the oracle."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace import agg
from headrace.schema import Schema
from headrace.testing.arguments import examples_of
from headrace.testing.generate import complete, event_rows
from headrace.testing.laws import check_aggregations
from headrace.testing.nasty import COLUMNS, VALUES
from tests.effort import cases

SCHEMA = Schema({"ts": "timestamp", **COLUMNS})
BASE = 1_700_000_000_000_000
INSTANTS = [BASE + step for step in (0, 1, -1, 60_000_000, -3_600_000_000, 40 * 86_400_000_000)]
NOW = BASE + 41 * 86_400_000_000
FILTERS = [None, "flag", "amount > 0", "score is null or score < 1.0"]


@st.composite
def laws(draw, kind):
    examples = examples_of(kind, SCHEMA)
    made = draw(st.sampled_from(examples)).make("f", "all", draw(st.sampled_from(FILTERS)))
    row = event_rows(SCHEMA, (), None, None, INSTANTS, vile=draw(st.booleans()))
    rows = draw(st.lists(row, max_size=12))
    rows += (
        [rows[place] for place in draw(st.lists(st.integers(0, len(rows) - 1), max_size=3))] if rows else []
    )
    return made, [complete(each, SCHEMA, {}) for each in rows]


@pytest.mark.soak
@pytest.mark.parametrize("kind", sorted(agg.CATALOGUE))
def test_law_zero(kind):
    @settings(max_examples=cases(80), suppress_health_check=[HealthCheck.too_slow])
    @given(laws(kind), st.randoms(use_true_random=False))
    def holds(drawn, shuffle):
        features, rows = drawn
        check_aggregations(features, rows, types=SCHEMA, timestamp="ts", t=NOW, shuffle=shuffle)

    holds()


def hot(shuffle, n):
    """Thousands of events with thousands of values of every type, the vilest and nulls among them."""
    rows = []
    for place in range(n):
        row = {"ts": shuffle.choice([*INSTANTS, BASE + place])}
        for name, of in SCHEMA.items():
            if name == "ts":
                continue
            pool = VALUES[of.name]
            row[name] = shuffle.choice([None, *pool.usual, *pool.vile])
        if shuffle.random() < 0.8:
            row |= {
                "amount": place * 7919,
                "word": f"word {place}",
                "raw": place.to_bytes(3),
                "score": place / 7,
            }
            row |= {"price": VALUES["decimal"].usual[3] * place, "seen": BASE + place}
        rows.append(complete(row, SCHEMA, {}))
    return rows


@pytest.mark.parametrize("kind", sorted(agg.CATALOGUE))
def test_law_zero_of_a_hot_entity(kind, seed):
    shuffle = random.Random(f"{seed} {kind}")
    rows = hot(shuffle, 2600)
    examples = examples_of(
        kind, {name: of for name, of in SCHEMA.items() if name in {"amount", "word", "score", "price"}}
    )
    for example in shuffle.sample(examples, min(len(examples), 3)):
        features = example.make("f", "all", shuffle.choice(FILTERS[:2]))
        check_aggregations(features, rows, types=SCHEMA, timestamp="ts", t=NOW, shuffle=shuffle)


def test_every_kind_has_examples_of_every_argument():
    for kind in agg.CATALOGUE:
        assert examples_of(kind, SCHEMA), kind
    with_k = {example.arguments["k"] for example in examples_of("last_k", SCHEMA)}
    assert with_k == {1, 3, 20}
    columns = {example.arguments["column"] for example in examples_of("min", SCHEMA)}
    assert columns == set(SCHEMA)
    assert {example.arguments["column"] for example in examples_of("sum", SCHEMA)} == {
        "amount",
        "price",
        "cost",
        "score",
    }
