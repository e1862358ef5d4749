"""What is said of a column's values, as literal cases: the frequent, the first and last, quantiles, slots."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from headrace import agg
from headrace.schema import INT64
from headrace.testing.formulas import hash64
from tests.oracle.literal import answer, ask, event

ALL = ["all"]
T = "12:00"


def log(column, *values):
    return [event(f"11:00:{second:02}", **{column: value}) for second, value in enumerate(values)]


@pytest.mark.parametrize(
    ("feature", "nothing"),
    [
        (agg.first_k("f", "x", k=2, windows=ALL), []),
        (agg.last_distinct_k("f", "x", k=2, windows=ALL), []),
        (agg.mode("f", "x", windows=ALL), None),
        (agg.top_k("f", "x", k=2, windows=ALL), []),
        (agg.entropy("f", "x", windows=ALL), None),
        (agg.quantile("f", "x", q=0.5, windows=ALL), None),
        (agg.histogram("f", "x", edges=[0, 1], windows=ALL), [0, 0, 0]),
    ],
    ids=lambda each: each.kind if isinstance(each, agg.Aggregation) else repr(each),
)
def test_what_no_event_and_nulls_alone_give(feature, nothing):
    for rows in ([], log("x", None)):
        got = answer(feature, rows, T)["f_all"]
        assert got.value == nothing
        assert got.status == ("PRESENT" if nothing is not None else "NULL_VALUE" if rows else "NOT_FOUND")


def test_first_k_is_oldest_first_and_less_than_k_where_there_is_less():
    feature = agg.first_k("f", "x", k=3, timestamps=True, windows=ALL)
    got = ask(feature, log("x", None, 7, 5, 7, 9), T)
    assert got["f_all"] == [7, 5, 7]
    assert [at % 60_000_000 for at in got["f_all__ts"]] == [1_000_000, 2_000_000, 3_000_000]
    assert ask(feature, log("x", 4), T)["f_all"] == [4]


def test_last_distinct_k_lists_each_value_where_it_came_last():
    feature = agg.last_distinct_k("f", "word", k=3, timestamps=True, windows=ALL)
    got = ask(feature, log("word", "a", "b", "a", None, "c", "b", "d", "d"), T)
    assert got["f_all"] == ["d", "b", "c"]
    assert [at % 60_000_000 for at in got["f_all__ts"]] == [7_000_000, 5_000_000, 4_000_000]


@pytest.mark.parametrize(
    ("column", "values", "mode"),
    [
        ("x", [3, 1, 3, 1, 2], 1),
        ("word", ["b", "é", "é", "b", None], "b"),
        ("word", ["e\u0301", "é", "é"], "é"),
        ("y", [-0.0, 0.0, 5.0, math.nan, math.nan, math.nan], 0.0),
        ("price", [Decimal("2.50"), Decimal("2.5"), Decimal(1)], Decimal("2.5000")),
        ("ok", [True, False], False),
    ],
)
def test_mode_is_the_least_of_the_most_frequent(column, values, mode):
    assert ask(agg.mode("f", column, windows=ALL), log(column, *values), T) == mode


def test_top_k_counts_and_breaks_ties_by_ascending_value():
    feature = agg.top_k("f", "word", k=3, windows=ALL)
    got = ask(feature, log("word", "d", "c", "b", "d", "a", None, "c"), T)
    assert [(each["value"], each["count"]) for each in got] == [("c", 2), ("d", 2), ("a", 1)]
    assert ask(feature, log("word", "z"), T) == [{"value": "z", "count": 1}]


def test_entropy_is_in_nats():
    feature = agg.entropy("f", "word", windows=ALL)
    assert ask(feature, log("word", "a", "a"), T) == 0.0
    assert ask(feature, log("word", *"abcd"), T) == pytest.approx(math.log(4))
    assert ask(feature, log("word", *"aaab"), T) == pytest.approx(0.75 * math.log(4 / 3) + 0.25 * math.log(4))


def test_beyond_max_keys_mode_top_k_and_entropy_say_what_the_kept_values_say():
    values = list(range(10)) * 2 + [3]
    kept = sorted(sorted(range(10), key=lambda key: hash64(key, INT64))[:2])
    counts = {key: 3 if key == 3 else 2 for key in kept}
    rows = log("x", *values)
    for feature, value in (
        (agg.mode("f", "x", max_keys=2, windows=ALL), max(kept, key=lambda key: (counts[key], -key))),
        (agg.entropy("f", "x", max_keys=2, windows=ALL), None),
        (agg.top_k("f", "x", k=9, max_keys=2, windows=ALL), None),
    ):
        got = answer(feature, rows, T)["f_all"]
        assert (got.status, got.reason) == ("INVALID", "truncated")
        assert got.value == value or feature.kind != "mode"
    assert {each["value"]: each["count"] for each in got.value} == counts


@pytest.mark.parametrize("accuracy", [0.001, 0.01, 0.25])
@pytest.mark.parametrize("values", [[3], [1, 2, 3, 4], [-5, -1, 0, 2**40], [2**63 - 1, -(2**63)], [7] * 5])
def test_quantiles_are_as_near_as_they_say(values, accuracy):
    for q in (0.0, 0.3, 0.5, 0.99, 1.0):
        exact = sorted(values)[math.floor(q * (len(values) - 1))]
        got = ask(agg.quantile("f", "x", q=q, accuracy=accuracy, windows=ALL), log("x", *values), T)
        assert abs(got - exact) <= accuracy * abs(exact) * (1 + 1e-12)


def test_the_quantile_of_zeros_and_of_what_is_next_to_zero_is_zero():
    assert ask(agg.quantile("f", "y", q=0.5, windows=ALL), log("y", -0.0, 0.0, 5e-324), T) == 0.0
    assert ask(agg.quantile("f", "y", q=1, windows=ALL), log("y", math.inf, 1.0), T) == math.inf


def test_a_power_of_two_begins_a_bucket():
    below, at = (
        ask(agg.quantile("f", "y", q=0, windows=ALL), log("y", y), T) for y in (math.nextafter(8, 0), 8.0)
    )
    assert below < 8 < at


def test_a_histogram_slot_holds_its_lower_edge():
    feature = agg.histogram("f", "y", edges=[0, 10], windows=ALL)
    assert ask(feature, log("y", -0.0, -1e-300, 9.99, 10.0, 1e300, None, math.nan), T) == [1, 2, 2]


def test_an_edge_is_the_number_as_it_is_written():
    values = [Decimal("0.1"), Decimal("0.0999"), Decimal("0.3")]
    assert ask(agg.histogram("f", "price", edges=[0.1, 0.3], windows=ALL), log("price", *values), T) == [
        1,
        1,
        1,
    ]
    halves = agg.histogram("f", "x", edges=[-1e300, 0.5, 2.0**63], windows=ALL)
    assert ask(halves, log("x", 0, 1, -(2**63), 2**63 - 1), T) == [0, 2, 2, 0]
