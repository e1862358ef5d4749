"""Numbers that break naive states: literal cases straight through lift, reduce and finish."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest

from headrace import agg
from headrace.aggregations.dictionary import hash_bytes, hash_words
from headrace.aggregations.states import Events, Values
from headrace.aggregations.sum import ExactSum
from headrace.testing.formulas import hash64
from headrace.testing.lifting import lift_python
from headrace.testing.oracle import accepted
from tests.aggregations.values import SCHEMA, finished

NIST = {  # certified by NIST's Statistical Reference Datasets, univariate summary statistics
    "NumAcc1": ([10000001.0, 10000003.0, 10000002.0], 10000002.0, 1.0),
    "NumAcc2": ([1.2] + [1.1, 1.3] * 500, 1.2, 0.1),
    "NumAcc3": ([1000000.2] + [1000000.1, 1000000.3] * 500, 1000000.2, 0.1),
    "NumAcc4": ([10000000.2] + [10000000.1, 10000000.3] * 500, 10000000.2, 0.1),
}


@pytest.mark.parametrize("name", NIST)
def test_moments_are_accurate_where_sums_of_squares_are_not(name):
    values, mean, deviation = NIST[name]
    assert finished(agg.mean("f", "y", windows="all"), "y", values) == pytest.approx(mean, rel=1e-14)
    got = finished(agg.stddev("f", "y", windows="all"), "y", values)
    # The inputs themselves are rounded: at ten million a last digit is 2e-9.
    assert got == pytest.approx(deviation, rel=1e-13 if mean < 10 else 1e-7)


@pytest.mark.parametrize("value", [0.1, 1.5e308, -1.7e308])
def test_equal_values_have_no_variance_at_all(value):
    assert finished(agg.variance("f", "y", windows="all"), "y", [value] * 1000) == 0.0


@pytest.mark.parametrize("column", ["x", "d"])
def test_the_mean_of_many_small_negative_numbers_does_not_cancel(column):
    value = -1 if column == "x" else Decimal("-1e-18")
    got = finished(agg.mean("f", column, windows="all"), column, [value] * 5, rounds=28)
    assert got == pytest.approx(float(value), rel=1e-12)


def test_sums_of_integers_pass_through_overflow_unharmed():
    most, least = 2**63 - 1, -(2**63)
    assert finished(agg.sum("f", "x", windows="all"), "x", [most, most, least, least, 5]) == 3
    assert finished(agg.sum("f", "x", windows="all"), "x", [most, 1]) == "INVALID"
    assert finished(agg.sum("f", "x", windows="all"), "x", [least, -1]) == "INVALID"
    assert finished(agg.sum("f", "x", windows="all"), "x", [least, -1, 1]) == least


def test_equal_sums_of_integers_are_equal_states():
    halves, whole = (
        ExactSum().lift(Events(n, None, (Values(np.full(n, 2**34 // n), SCHEMA["x"]),), np.zeros(n)))
        for n in (8, 1)
    )
    together = ExactSum().reduce(halves, np.array([0, 8]))
    assert [column.tolist() for column in together.fixed] == [column.tolist() for column in whole.fixed]


def test_the_sum_of_2_to_the_40_greatest_integers_is_noticed_as_an_overflow_and_their_mean_is_right():
    most = 2**63 - 1
    assert finished(agg.sum("f", "x", windows="all"), "x", [most], rounds=30) == "INVALID"
    assert finished(agg.mean("f", "x", windows="all"), "x", [most], rounds=30) == pytest.approx(float(most))


def test_decimal_sums_have_38_digits():
    got = finished(agg.sum("f", "p", windows="all"), "p", [Decimal("99999999.9999")], rounds=30)
    assert got == Decimal("99999999.9999") * 2**29
    assert got.as_tuple().exponent == -4


def test_extremes_of_int64_and_infinities_are_values():
    assert finished(agg.min("f", "x", windows="all"), "x", [2**63 - 1]) == 2**63 - 1
    assert finished(agg.max("f", "x", windows="all"), "x", [-(2**63)]) == -(2**63)
    assert finished(agg.min("f", "y", windows="all"), "y", [math.inf]) == math.inf
    assert finished(agg.max("f", "y", windows="all"), "y", [-math.inf]) == -math.inf


def test_old_values_decay_to_nothing_without_a_trace_of_nan():
    ancient = agg.decayed_sum("f", "y", half_life="1s")
    log = accepted([{"ts": -(2**55), "y": 1.0}, {"ts": 2**55, "y": 3.0}], (), "ts", {"ts": SCHEMA["ts"]})
    (measure,) = ancient.measures(SCHEMA, {})
    states = measure.algebra.reduce(lift_python(measure, log, SCHEMA, {}), np.array([0, 2]))
    (made,) = ancient.finish((states,), np.array([2**55 + 2_000_000]), SCHEMA, (measure.algebra,))
    assert made.data.tolist() == [0.75]


def test_hashes_are_the_published_ones():
    words = [0, 1, -1, 2**63 - 1, -(2**63), 12345]
    assert hash_words(np.array(words, dtype=np.int64)).tolist() == [
        hash64(each, SCHEMA["x"]) for each in words
    ]
    doubles = [0.0, 1.5, -2.25, math.inf]
    assert hash_words(np.array(doubles)).tolist() == [hash64(each, SCHEMA["y"]) for each in doubles]
    texts = [b"", b"a", b"\x00", b"\xff" * 100]
    assert hash_bytes(texts).tolist() == [hash64(each, SCHEMA["x"]) for each in texts]
