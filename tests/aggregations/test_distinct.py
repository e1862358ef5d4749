"""Distinct around the size at which sets become registers, however they came together."""

from __future__ import annotations

import random

import numpy as np
import pytest

from headrace import agg
from headrace.aggregations.distinct import EXACT, DistinctHashes
from headrace.aggregations.states import Events, Values
from headrace.schema import INT64, Schema
from headrace.testing.laws import check_aggregations

SCHEMA = Schema({"ts": "timestamp", "x": "int64"})
ALGEBRA = DistinctHashes()


def state(numbers):
    """One state of some numbers."""
    values = Values(np.array(numbers, dtype=np.int64), INT64)
    n = len(numbers)
    lifted = ALGEBRA.lift(Events(n, None, (values,), np.zeros(n, np.int64)))
    return ALGEBRA.reduce(lifted, np.array([0, n]))


def size(states):
    return ALGEBRA.counts(states).tolist()[0]


@pytest.mark.parametrize("n", [0, 1, EXACT - 1, EXACT])
def test_up_to_1024_values_it_is_exact(n):
    assert size(state([*range(n), *range(n)])) == n


@pytest.mark.parametrize("n", [EXACT + 1, EXACT + 50, 3 * EXACT, 50_000])
def test_beyond_it_is_within_five_standard_errors(n):
    whole = state(range(n))
    assert len(whole.entries[0]) <= 4096
    assert whole.entries[0].max() < 1 << 63, "no hash is left beside the registers"
    assert size(whole) == pytest.approx(n, rel=5 * 0.0163)


def test_registers_and_few_hashes_merge_into_the_registers_of_the_whole():
    whole = state(range(EXACT + 40))
    registers = state(range(EXACT + 30))
    assert len(registers.entries[0]) + 10 <= EXACT, "together they are no more than a set may be"
    merged = ALGEBRA.merge(registers, state(range(EXACT + 20, EXACT + 40)))
    assert merged.entries[0].tolist() == whole.entries[0].tolist()
    again = ALGEBRA.merge(merged, state(range(7)))
    assert again.entries[0].tolist() == whole.entries[0].tolist()


@pytest.mark.parametrize("n", [EXACT, EXACT + 1, EXACT + 60])
def test_law_zero_and_the_oracle_hold_at_the_limit(n, seed):
    rows = [{"ts": place, "x": place * 7919} for place in [*range(n), *range(0, n, 9)]]
    feature = agg.distinct("f", "x", windows="all")
    check_aggregations([feature], rows, types=SCHEMA, timestamp="ts", t=n, shuffle=random.Random(seed))
