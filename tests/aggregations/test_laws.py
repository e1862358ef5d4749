"""Every kind in the catalogue, over every type it takes, held to law zero and to the oracle."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace import agg
from headrace.aggregations.base import Measure
from headrace.kernel.plan import ViewPlan
from headrace.kernel.records import RecordFormat
from headrace.kernel.rows import Rows
from headrace.schema import Schema
from headrace.testing.arguments import examples_of
from headrace.testing.generate import complete, event_rows, one_of
from headrace.testing.laws import check_aggregations
from headrace.testing.nasty import COLUMNS, CONDITIONS, VALUES
from tests.effort import cases

SCHEMA = Schema({"ts": "timestamp", **COLUMNS})
BASE = 1_700_000_000_000_000
INSTANTS = [BASE + step for step in (0, 1, -1, 60_000_000, -3_600_000_000, 40 * 86_400_000_000)]
NOW = BASE + 41 * 86_400_000_000
ZONES = ["UTC", "America/New_York", "Pacific/Apia"]
FILTERS = ["flag", "amount > 0", "score is null or score < 1.0"]
EXAMPLES = {kind: examples_of(kind, SCHEMA) for kind in agg.CATALOGUE}


def through_bytes(algebra, states):
    """States as records and back, one record for each."""
    form = RecordFormat(ViewPlan((Measure(algebra),), (), (), "UTC", {}))
    nowhere = np.zeros(states.n, dtype=np.int64)
    records = form.pack(Rows(nowhere, nowhere, None, (states,)), np.arange(states.n + 1))
    return form.unpack(records, np.arange(states.n)).measures[0]


@st.composite
def drawn(draw, kind):
    """A schema, an aggregation of the kind with what it refers to, and a small log."""
    example = draw(one_of(EXAMPLES[kind]))
    where = draw(st.sampled_from([None, *FILTERS]))
    read = {"ts", "word", *example.columns(), *(CONDITIONS[where].columns if where else ())}
    schema = Schema({name: SCHEMA[name] for name in SCHEMA if name in read})
    row = event_rows(schema, (), None, None, INSTANTS, vile=draw(st.booleans()))
    rows = draw(st.lists(row, max_size=12))
    if rows:
        rows += [rows[place] for place in draw(st.lists(st.integers(0, len(rows) - 1), max_size=3))]
    return schema, example.make("f", "all", where), [complete(each, schema, {}) for each in rows]


@pytest.mark.soak
@pytest.mark.parametrize("kind", sorted(agg.CATALOGUE))
def test_law_zero(kind):
    @settings(max_examples=cases(80), suppress_health_check=[HealthCheck.too_slow])
    @given(drawn(kind), st.integers(0, 2**32), st.sampled_from([None, through_bytes]), st.sampled_from(ZONES))
    def holds(case, shuffled, codec, zone):
        schema, features, rows = case
        shuffle = random.Random(shuffled)
        how = {"types": schema, "timestamp": "ts", "t": NOW, "shuffle": shuffle, "codec": codec, "zone": zone}
        check_aggregations(features, rows, **how)

    holds()


def hot(shuffle, n, *, vile):
    """Thousands of events with thousands of values of every type, nulls and perhaps the vilest among them."""
    rows = []
    for place in range(n):
        row = {"ts": shuffle.choice([*INSTANTS, BASE + place])}
        for name in COLUMNS:
            pool = VALUES[SCHEMA[name].name]
            row[name] = shuffle.choice([None, *pool.usual, *(pool.vile if vile else ())])
        if shuffle.random() < 0.8:
            row |= {"amount": place * 7919, "word": f"word {place}", "raw": place.to_bytes(3)}
            row |= {"score": place / 7, "price": VALUES["decimal"].usual[3] * place, "seen": BASE + place}
        rows.append(complete(row, SCHEMA, {}))
    return rows


@pytest.mark.parametrize("vile", [False, True])
@pytest.mark.parametrize("kind", sorted(agg.CATALOGUE))
def test_law_zero_of_a_hot_entity(kind, vile, seed):
    shuffle = random.Random(f"{seed} {kind} {vile}")
    many = {"amount", "word", "score", "price", "raw", "seen"}
    choices = [each for each in EXAMPLES[kind] if many.issuperset(each.columns())]
    keyed = any(each.keyed for each in choices) and shuffle.random() < 0.4
    example = shuffle.choice([each for each in choices if each.keyed == keyed])
    check_aggregations(
        example.make("f", "all", shuffle.choice([None, "flag"])),
        hot(shuffle, 2600, vile=vile),
        types=SCHEMA,
        timestamp="ts",
        t=NOW,
        shuffle=shuffle,
        codec=through_bytes,
    )


def test_every_kind_has_examples_of_every_argument():
    assert all(EXAMPLES.values())
    assert {each.arguments["k"] for each in EXAMPLES["last_k"]} == {1, 3, 20}
    assert {each.arguments["column"] for each in EXAMPLES["min"]} == set(SCHEMA)
    assert {each.arguments["column"] for each in EXAMPLES["sum"]} == {"amount", "price", "cost", "score"}
    assert {each.arguments.get("by") for each in EXAMPLES["count"]} == {None, *SCHEMA}
