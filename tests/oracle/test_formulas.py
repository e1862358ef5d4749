"""Section 4 of the design, row by row, as literal cases."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from decimal import Decimal

import pytest

from headrace import agg
from headrace.schema import BOOL, DATE, INT64, STRING, TIMESTAMP, Type, parse_type
from headrace.testing.formulas import hash64
from headrace.windows import series
from tests.oracle.literal import SCHEMA, answer, ask, at, event

ALL = ["all"]
T = "12:00"


def xs(*values):
    return [event(f"11:00:{second:02}", x=value) for second, value in enumerate(values)]


def ys(*values):
    return [event(f"11:00:{second:02}", y=value) for second, value in enumerate(values)]


# --- no event: the table's third column; nulls alone ---


@pytest.mark.parametrize(
    ("feature", "nothing"),
    [
        (agg.count("f", windows=ALL), 0),
        (agg.sum("f", "x", windows=ALL), 0),
        (agg.sum("f", "y", windows=ALL), 0.0),
        (agg.sum("f", "price", windows=ALL), Decimal("0.0000")),
        (agg.mean("f", "x", windows=ALL), None),
        (agg.min("f", "x", windows=ALL), None),
        (agg.max("f", "word", windows=ALL), None),
        (agg.variance("f", "x", windows=ALL), None),
        (agg.stddev("f", "x", windows=ALL), None),
        (agg.first("f", "x", windows=ALL), None),
        (agg.last("f", "x", windows=ALL), None),
        (agg.last_k("f", "x", k=3, windows=ALL), []),
        (agg.count("f", by="word", windows=ALL), {}),
        (agg.sum("f", "x", by="word", windows=ALL), {}),
        (agg.distinct("f", "x", windows=ALL), 0),
        (agg.decayed_sum("f", "x", half_life="1d"), 0.0),
        (agg.recency("f"), None),
        (agg.covariance("f", "x", "y", windows=ALL), None),
        (agg.correlation("f", "x", "y", windows=ALL), None),
    ],
    ids=lambda each: each.kind if isinstance(each, agg.Aggregation) else repr(each),
)
def test_what_no_event_and_nulls_alone_give(feature, nothing):
    for log in ([], [event("11:00")]):
        got = answer(feature, log, T)[feature.feature_name(feature.windows[0])]
        kinds = {"count": 1 if log else 0, "recency": 3600.0 if log else None}  # they read no column
        expected = nothing if getattr(feature, "by", None) else kinds.get(feature.kind, nothing)
        assert got.value == expected
        assert type(got.value) is type(expected)
        if expected is not None:
            assert got.status == "PRESENT"
        else:
            assert got.status == ("NULL_VALUE" if log else "NOT_FOUND")


# --- each row of the table ---


def test_count_counts_where_true_only():
    where = agg.count("n", where="x > 1", windows=ALL)
    log = [event("11:00", **{"x > 1": verdict}) for verdict in (True, False, None, True)]
    assert ask(where, log, T) == 2


def test_sum_of_integers_is_exact_and_an_overflow_is_null_and_invalid():
    total = agg.sum("s", "x", windows=ALL)
    assert ask(total, xs(2**63 - 1, 2**62, -(2**62)), T) == 2**63 - 1
    assert ask(total, xs(-(2**63)), T) == -(2**63)
    for values in ((2**63 - 1, 1), (-(2**63), -1)):
        over = answer(total, xs(*values), T)["s_all"]
        assert (over.value, over.status, over.reason) == (None, "INVALID", "overflow")


def test_an_overflow_makes_a_whole_series_null():
    halves = agg.sum("s", "x", windows=[series("1h", 2)])
    log = [event("10:30", x=2**63 - 1), event("10:31", x=1), event("11:30", x=5)]
    over = answer(halves, log, T)["s_2x1h"]
    assert (over.value, over.status) == (None, "INVALID")


def test_sum_of_decimals_is_exact():
    most = Decimal("99999999.9999")
    log = [event("11:00", price=most)] * 3 + [event("11:01", price=Decimal("0.0001"))]
    assert ask(agg.sum("s", "price", windows=ALL), log, T) == Decimal("299999999.9998")
    wide = [event("11:00", huge=Decimal(10**18 - 1))] * 40
    schema = {**SCHEMA, "huge": parse_type("decimal(18,0)")}
    assert ask(agg.sum("s", "huge", windows=ALL), wide, T, schema=schema) == Decimal(40 * (10**18 - 1))


def test_sum_of_doubles_agrees_within_1e_9_of_the_sum_of_absolute_values():
    got = answer(agg.sum("s", "y", windows=ALL), ys(1e10, 1.0, -1e10), T)["s_all"]
    assert got.value == 1.0
    assert got.slack == pytest.approx(20.000000001)


def test_nan_is_null_and_negative_zero_is_zero():
    assert ask(agg.sum("s", "y", windows=ALL), ys(math.nan, 2.0), T) == 2.0
    assert math.copysign(1, ask(agg.last("l", "y", windows=ALL), ys(-0.0), T)) == 1.0
    assert ask(agg.distinct("d", "y", windows=ALL), ys(math.nan, -0.0, 0.0), T) == 1


def test_mean_skips_nulls():
    assert ask(agg.mean("m", "x", windows=ALL), xs(1, None, 2), T) == 1.5
    assert ask(agg.mean("m", "x", windows=ALL), xs(2**63 - 1, 2**63 - 1), T) == float(2**63 - 1)
    log = [event("11:00", price=Decimal("0.1")), event("11:00", price=Decimal("0.2"))]
    assert ask(agg.mean("m", "price", windows=ALL), log, T) == 0.15


def test_mean_agrees_within_1e_9_of_the_mean_absolute_value():
    assert answer(agg.mean("m", "y", windows=ALL), ys(-3.0, 5.0), T)["m_all"].slack == pytest.approx(4e-9)


@pytest.mark.parametrize(
    ("column", "values", "least", "greatest"),
    [
        ("x", [3, None, -1], -1, 3),
        ("y", [2.5, -0.5], -0.5, 2.5),
        ("word", ["b", "a\U0001f600", "aé", "z"], "aé", "z"),
        ("ok", [True, False], False, True),
        ("price", [Decimal("1.5"), Decimal("1.4999")], Decimal("1.4999"), Decimal("1.5")),
        ("seen", [at("11:00:01"), at("11:00:02")], at("11:00:01"), at("11:00:02")),
    ],
)
def test_min_and_max_have_the_type_of_their_input(column, values, least, greatest):
    log = [event("11:00", **{column: value}) for value in values]
    assert ask(agg.min("m", column, windows=ALL), log, T) == least
    assert ask(agg.max("m", column, windows=ALL), log, T) == greatest


def test_variance_and_stddev_are_of_a_sample_and_null_below_two_values():
    for feature, expected in ((agg.variance, 2.5), (agg.stddev, math.sqrt(2.5))):
        assert ask(feature("v", "x", windows=ALL), xs(1, 2, 3, 4, 5), T) == expected
        one = answer(feature("v", "x", windows=ALL), xs(1, None), T)["v_all"]
        assert (one.value, one.status) == (None, "NULL_VALUE")


def test_variance_does_not_cancel():
    assert ask(agg.variance("v", "y", windows=ALL), ys(1e9 + 1, 1e9 + 2, 1e9 + 3), T) == 1.0


def test_the_slack_of_variance_and_stddev():
    log = ys(9.0, 10.0, 11.0)
    assert answer(agg.variance("v", "y", windows=ALL), log, T)["v_all"].slack == pytest.approx(101e-9)
    assert answer(agg.stddev("v", "y", windows=ALL), log, T)["v_all"].slack == pytest.approx(
        1e-9 * math.sqrt(101)
    )


def test_first_and_last_skip_nulls():
    log = xs(None, 1, 2, None)
    assert ask(agg.first("f", "x", windows=ALL), log, T) == 1
    assert ask(agg.last("l", "x", windows=ALL), log, T) == 2


def test_first_and_last_of_a_filter():
    log = [event(f"11:00:{s:02}", x=s, ok=s in (3, 5)) for s in range(9)]
    assert ask(agg.first("f", "x", where="ok", windows=ALL), log, T) == 3
    assert ask(agg.last("l", "x", where="ok", windows=ALL), log, T) == 5


def test_rate_with_a_prior_and_its_prior_mean_without_events():
    view = [
        agg.count("clicks", where="ok", windows=ALL),
        agg.count("views", windows=ALL),
        agg.rate("ctr", numerator="clicks", denominator="views", prior=(1, 50), windows=ALL),
    ]
    log = [event("11:00", ok=True), event("11:01", ok=False), event("11:02")]
    assert ask(view, log, T)["ctr_all"] == (1 + 1) / (3 + 1 + 50)
    assert ask(view, [], T)["ctr_all"] == 1 / 51


def test_rate_without_a_prior_is_null_without_a_denominator():
    view = [
        agg.count("clicks", where="ok", windows=ALL),
        agg.count("bids", where="x > 1", windows=ALL),
        agg.rate("r", numerator="clicks", denominator="bids", windows=ALL),
    ]
    some = answer(view, [event("11:00", **{"ok": True, "x > 1": False})], T)["r_all"]
    assert (some.value, some.status) == (None, "NULL_VALUE")
    assert answer(view, [], T)["r_all"].status == "NOT_FOUND"
    assert ask(view, [event("11:00", **{"ok": True, "x > 1": True})] * 2, T)["r_all"] == 1.0


def test_last_k_is_newest_first_without_nulls_with_times_beside():
    feature = agg.last_k("l", "x", k=2, timestamps=True, windows=ALL)
    got = ask(feature, xs(1, 2, None, 3), T)
    assert got == {"l_all": [3, 2], "l_all__ts": [at("11:00:03"), at("11:00:01")]}


def test_by_counts_each_key_and_skips_null_keys():
    log = [event("11:00", word=word) for word in ("b", "a", None, "b")]
    got = ask(agg.count("n", by="word", windows=ALL), log, T)
    assert got == {"a": 1, "b": 2}
    assert list(got) == ["a", "b"]


def test_by_sums_values_that_are_not_null_under_keys_that_are_not():
    log = [event("11:00", word=w, x=x) for w, x in (("a", 1), ("a", 2), ("b", None), (None, 4), ("c", -1))]
    assert ask(agg.sum("s", "x", by="word", windows=ALL), log, T) == {"a": 3, "c": -1}


def test_beyond_max_keys_those_of_smallest_hash_and_key_are_kept():
    keys = list(range(50))
    log = [event("11:00", x=key) for key in keys for _ in range(2)]
    got = answer(agg.count("n", by="x", max_keys=3, windows=ALL), log, T)["n_all"]
    smallest = sorted(keys, key=lambda key: hash64(key, INT64))[:3]
    assert got.value == dict.fromkeys(sorted(smallest), 2)
    assert (got.status, got.reason) == ("INVALID", "truncated")


def test_max_keys_itself_is_not_beyond():
    got = answer(agg.count("n", by="x", max_keys=3, windows=ALL), xs(1, 2, 3), T)["n_all"]
    assert (got.value, got.status) == ({1: 1, 2: 1, 3: 1}, "PRESENT")


def test_one_overflowing_sum_makes_its_map_null():
    log = [event("11:00", word="a", x=1), *([event("11:00", word="b", x=2**62)] * 2)]
    got = answer(agg.sum("s", "x", by="word", windows=ALL), log, T)["s_all"]
    assert (got.value, got.status, got.reason) == (None, "INVALID", "overflow")


def test_distinct_is_exact_to_1024():
    log = [event("11:00", x=i % 1024) for i in range(3000)]
    assert ask(agg.distinct("d", "x", windows=ALL), log, T) == 1024


@pytest.mark.parametrize("n", [1025, 3000, 20000])
def test_distinct_is_estimated_beyond_within_five_standard_errors(n):
    log = [event("11:00", word=f"w{i}") for i in range(n)]
    got = ask(agg.distinct("d", "word", windows=ALL), log, T)
    assert got != n or n == 1025
    assert abs(got - n) <= 5 * 1.04 / math.sqrt(4096) * n


def test_decayed_sum_halves_with_every_half_life():
    log = [event("11:00", y=8.0), event("11:30", y=1.0), event("11:59", y=None)]
    assert ask(agg.decayed_sum("d", "y", half_life="30m"), log, T) == pytest.approx(8 / 4 + 1 / 2, abs=1e-12)
    got = answer(
        agg.decayed_sum("d", "y", half_life="30m"), [event("11:00", y=-8.0), event("11:30", y=4.0)], T
    )
    assert (got["d"].value, got["d"].slack) == (0.0, pytest.approx(4e-9))


def test_recency_is_the_age_of_the_newest_event_in_seconds():
    log = [event("11:00", ok=True), event("11:59:58.5", ok=False)]
    assert ask(agg.recency("r"), log, T) == 1.5
    assert ask(agg.recency("r", where="ok"), log, T) == 3600.0


# --- statuses and event timestamps ---


def test_status_looks_at_the_entitys_events_in_the_window_whatever_the_filter():
    feature = agg.min("m", "x", where="ok", windows=["1h"])
    got = answer(feature, [event("11:30", x=1, ok=False)], T)["m_1h"]
    assert (got.value, got.status, got.event_time) == (None, "NULL_VALUE", at("11:30"))
    outside = answer(feature, [event("10:30", x=1, ok=True)], T)["m_1h"]
    assert (outside.value, outside.status, outside.event_time) == (None, "NOT_FOUND", None)


def test_the_event_timestamp_is_that_of_the_newest_event_in_the_window():
    log = [event("10:30"), event("11:20"), event("11:30", seen="11:59:59"), event("11:40", seen="12:01")]
    assert answer(agg.count("n", windows=["1h"]), log, T)["n_1h"].event_time == at("11:30")
    halves = answer(agg.count("n", windows=[series("1h", 2)]), log[:1], T)["n_2x1h"]
    assert (halves.value, halves.event_time) == ([1, 0], at("10:30"))


def test_a_series_is_never_null_though_its_items_may_be():
    got = answer(agg.mean("m", "x", windows=[series("1h", 2)]), [event("10:30", x=2)], T)["m_2x1h"]
    assert (got.value, got.status) == ([2.0, None], "PRESENT")
    assert answer(agg.mean("m", "x", windows=[series("1h", 2)]), [], T)["m_2x1h"].value == [None, None]


# --- the hash ---


def test_the_published_hash():
    # SplitMix64's first outputs for seed 0 are the finalizer of its increments (Vigna's reference C).
    golden = 0x9E3779B97F4A7C15
    assert hash64(0, INT64) == 0xE220A8397B1DCDAF
    assert hash64(golden - 2**64, INT64) == 0x6E789E6AA1B965F4
    assert hash64("a", STRING) == int.from_bytes(hashlib.blake2b(b"a", digest_size=8).digest(), "little")
    assert hash64(value=True, of=BOOL) == hash64(1, INT64) == hash64(Decimal("0.01"), Type("decimal", 4, 2))
    assert hash64(at("12:00"), TIMESTAMP) == hash64(at("12:00"), INT64)
    assert hash64(dt.date(1970, 1, 2), DATE) == hash64(1, INT64)
    assert hash64(1.0, Type("double")) == hash64(0x3FF0000000000000, INT64)
