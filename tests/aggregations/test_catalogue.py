"""Aggregations as they are written: names, types, what is refused and how that is said."""

from __future__ import annotations

import dataclasses

import pytest

from headrace import agg
from headrace.errors import DefinitionError
from headrace.schema import Schema
from headrace.windows import Lifetime, calendar, series, window

TYPES = Schema(
    {
        "user": "string",
        "x": "int64",
        "y": "double",
        "price": "decimal(12,4)",
        "ok": "bool",
        "ts": "timestamp",
        "tags": "list<string>",
    }
)


def types_of(feature, *siblings):
    feature.measures(TYPES, {each.name: each for each in siblings})
    return [str(output.type) for output in feature.outputs(TYPES)]


@pytest.mark.parametrize(
    ("feature", "types"),
    [
        (agg.count("f", windows="1h"), ["int64"]),
        (agg.count("f", by="user", windows="1h"), ["map<string, int64>"]),
        (agg.sum("f", "x", windows="1h"), ["int64"]),
        (agg.sum("f", "y", windows="1h"), ["double"]),
        (agg.sum("f", "price", windows="1h"), ["decimal(38,4)"]),
        (agg.sum("f", "price", by="x", windows="1h"), ["map<int64, decimal(38,4)>"]),
        (agg.mean("f", "x", by="user", windows="1h"), ["map<string, double>"]),
        (agg.last("f", "user", by="ok", windows="1h"), ["map<bool, string>"]),
        (agg.recency("f", by="x"), ["map<int64, double>"]),
        (agg.mean("f", "price", windows="1h"), ["double"]),
        (agg.min("f", "ts", windows="1h"), ["timestamp"]),
        (agg.max("f", "user", windows="1h"), ["string"]),
        (agg.first("f", "price", windows="1h"), ["decimal(12,4)"]),
        (agg.last("f", "ok", windows="1h"), ["bool"]),
        (agg.variance("f", "x", windows="1h"), ["double"]),
        (agg.stddev("f", "x", windows="1h"), ["double"]),
        (agg.last_k("f", "user", k=3, windows="1h"), ["list<string>"]),
        (agg.last_k("f", "x", k=3, timestamps=True, windows="1h"), ["list<int64>", "list<timestamp>"]),
        (agg.distinct("f", "user", windows="1h"), ["int64"]),
        (agg.first_k("f", "price", k=3, windows="1h"), ["list<decimal(12,4)>"]),
        (
            agg.last_distinct_k("f", "x", k=3, timestamps=True, windows="1h"),
            ["list<int64>", "list<timestamp>"],
        ),
        (agg.mode("f", "ok", windows="1h"), ["bool"]),
        (agg.top_k("f", "price", k=3, windows="1h"), ["list<struct<value: decimal(12,4), count: int64>>"]),
        (agg.entropy("f", "user", windows="1h"), ["double"]),
        (agg.quantile("f", "price", q=0.5, windows="1h"), ["double"]),
        (agg.histogram("f", "x", edges=[0], windows="1h"), ["list<int64>"]),
        (agg.decayed_sum("f", "x", half_life="1d"), ["double"]),
        (agg.recency("f"), ["double"]),
        (agg.decayed_count("f", half_life="1d"), ["double"]),
        (agg.covariance("f", "x", "price", windows="1h"), ["double"]),
        (agg.correlation("f", "y", "price", windows="1h"), ["double"]),
        (agg.active_days("f", windows="1h"), ["int64"]),
        (agg.active_hours("f", windows="1h"), ["int64"]),
        (agg.streak("f", windows="1h"), ["int64", "int64"]),
        (agg.sessions("f", gap="30m", windows="1h"), ["int64", "double"]),
        (agg.mean_gap("f", windows="1h"), ["double"]),
    ],
    ids=lambda each: getattr(each, "kind", ""),
)
def test_the_types_of_outputs(feature, types):
    assert types_of(feature) == types


def test_names_say_the_window():
    windows = ["1h", "all", window("7d", offset="7d"), series("1d", n=7), calendar("month", offset=1)]
    feature = agg.count("clicks", windows=windows)
    names = [feature.feature_name(each) for each in feature.windows]
    assert names == [
        "clicks_1h",
        "clicks_all",
        "clicks_7d_offset_7d",
        "clicks_7x1d",
        "clicks_cal_1mo_offset_1",
    ]


def test_one_window_may_go_without_a_suffix_and_decay_and_recency_have_none():
    for feature in (
        agg.count("n", windows="1h", suffix=False),
        agg.decayed_sum("n", "x", half_life="1d"),
        agg.recency("n"),
    ):
        assert [feature.feature_name(each) for each in feature.windows] == ["n"]


def test_aggregations_are_values():
    assert agg.count("n", windows=["1h"]) == agg.count("n", windows="1h")
    assert agg.count("n", windows=["1h"], tags="a") == agg.count("n", windows=("1h",), tags=["a"])
    assert agg.count("n", windows=["1h"]) != agg.count("n", windows=["1h"], where="ok")
    assert hash(agg.rate("r", numerator="a", denominator="b", prior=(1, 50), windows="1d"))
    for feature in (
        agg.recency("n"),
        agg.decayed_sum("n", "x", half_life="1d"),
        agg.count("n", windows="1h"),
    ):
        assert dataclasses.replace(feature, description="d").windows == feature.windows
    assert agg.recency("n").windows == (Lifetime(),)


def test_a_rate_shares_its_counts_states():
    clicks = agg.count("clicks", where="ok", windows="1d")
    views = agg.count("views", windows="1h")
    rate = agg.rate("ctr", numerator="clicks", denominator="views", prior=(1, 50), windows="7d")
    siblings = {each.name: each for each in (clicks, views)}
    shared = (*clicks.measures(TYPES, siblings), *views.measures(TYPES, siblings))
    assert rate.measures(TYPES, siblings) == shared
    assert rate.references == ("clicks", "views")


REFUSED = [
    (lambda: agg.count("a b", windows="1h"), "cannot be a feature's name"),
    (lambda: agg.count("a__b", windows="1h"), "cannot be a feature's name"),
    (lambda: agg.count("", windows="1h"), "cannot be a feature's name"),
    (lambda: agg.count("n"), "count needs windows"),
    (lambda: agg.count("n", windows=[]), "count needs windows"),
    (lambda: agg.count("n", windows=["1h", "1d"], suffix=False), "suffix=False needs a single window"),
    (lambda: agg.count("n", windows=["7d", window("7d", hop="1d")]), "A window is given twice"),
    (lambda: agg.count("n", windows=["11s"]), "under 12 seconds"),
    (lambda: agg.recency("n", windows=["1h"]), "recency has no windows"),
    (lambda: agg.decayed_sum("n", "x", half_life="0s"), "longer than nothing"),
    (lambda: agg.decayed_sum("n", "x", half_life="soon"), "not a duration"),
    (lambda: agg.decayed_count("n", half_life="0s"), "longer than nothing"),
    (lambda: agg.sessions("n", gap="-1m", windows="1h"), "not a duration"),
    (lambda: agg.last_k("n", "x", k=0, windows="1h"), "k=0 is out of range"),
    (lambda: agg.last_k("n", "x", k=1001, windows="1h"), "k=1001 is out of range"),
    (lambda: agg.rate("n", numerator="a", denominator="b", where="ok", windows="1h"), "no filter of its own"),
    (lambda: agg.rate("n", numerator="a", denominator="b", prior=(0, 0), windows="1h"), "not a Beta prior"),
    (lambda: agg.rate("n", numerator="a", denominator="b", prior=(-1, 5), windows="1h"), "not a Beta prior"),
    (lambda: agg.rate("n", numerator="a", denominator="b", prior=50, windows="1h"), "prior=50 is not a Beta"),
    (
        lambda: agg.rate("n", numerator="a", denominator="b", prior=(1, 2, 3), windows="1h"),
        "not a Beta prior",
    ),
    (lambda: agg.last_k("n", "x", k="3", windows="1h"), "k='3' is out of range"),
    (lambda: agg.count("n", windows=7), "7 is not a window"),
    (lambda: agg.count("n", windows=["1h", None]), "None is not a window"),
    (lambda: agg.count("n", where=" ", windows="1h"), "where=' ' is not a condition"),
    (lambda: agg.count("n", where=True, windows="1h"), "where=True is not a condition"),
    (lambda: agg.count("n", by="x", max_keys=0, windows="1h"), "max_keys=0 keeps no key"),
    (lambda: agg.sum("n", "x", by="x", max_keys="9", windows="1h"), "max_keys='9' keeps no key"),
    (
        lambda: types_of(agg.sum("n", "user", windows="1h")),
        "sum needs a number, and column 'user' is a string",
    ),
    (
        lambda: types_of(agg.covariance("n", "x", "user", windows="1h")),
        "covariance needs a number, and column",
    ),
    (lambda: types_of(agg.correlation("n", "nothing", "x", windows="1h")), "there is no column 'nothing'"),
    (lambda: types_of(agg.sessions("n", gap="1m", by="x", windows="1h")), "cannot be taken by a key"),
    (lambda: types_of(agg.mean("n", "ok", windows="1h")), "mean needs a number"),
    (lambda: types_of(agg.variance("n", "ts", windows="1h")), "variance needs a number"),
    (lambda: types_of(agg.decayed_sum("n", "user", half_life="1d")), "decayed_sum needs a number"),
    (lambda: types_of(agg.min("n", "prise", windows="1h")), "there is no column 'prise'"),
    (lambda: types_of(agg.last("n", "tags", windows="1h")), "is a list<string>, not a scalar"),
    (lambda: types_of(agg.count("n", by="tags", windows="1h")), "is a list<string>, not a scalar"),
    (lambda: types_of(agg.distinct("n", "nothing", windows="1h")), "there is no column 'nothing'"),
    (
        lambda: types_of(agg.last_k("n", "x", k=3, by="user", windows="1h")),
        "last_k cannot be taken by a key: its states have no fixed size",
    ),
    (lambda: types_of(agg.distinct("n", "x", by="user", windows="1h")), "distinct cannot be taken by a key"),
    (lambda: types_of(agg.mean("n", "x", by="usr", windows="1h")), "there is no column 'usr'"),
    (lambda: types_of(agg.mode("n", "x", by="user", windows="1h")), "mode cannot be taken by a key"),
    (
        lambda: types_of(agg.histogram("n", "x", edges=[1], by="user", windows="1h")),
        "histogram cannot be taken",
    ),
    (lambda: types_of(agg.quantile("n", "user", q=1, windows="1h")), "quantile needs a number"),
    (lambda: types_of(agg.histogram("n", "ok", edges=[1], windows="1h")), "histogram needs a number"),
    (lambda: agg.quantile("n", "x", q=1.5, windows="1h"), "q=1.5 is out of range"),
    (lambda: agg.quantile("n", "x", q=float("nan"), windows="1h"), "q=nan is out of range"),
    (lambda: agg.quantile("n", "x", q=True, windows="1h"), "q=True is out of range"),
    (lambda: agg.quantile("n", "x", q=0.5, accuracy=0, windows="1h"), "accuracy=0 is out of range"),
    (lambda: agg.histogram("n", "x", edges=[], windows="1h"), "are not ascending numbers"),
    (lambda: agg.histogram("n", "x", edges=[1, 1], windows="1h"), "are not ascending numbers"),
    (lambda: agg.histogram("n", "x", edges=[1, float("inf")], windows="1h"), "are not ascending numbers"),
    (lambda: agg.histogram("n", "x", edges=[0, 2**63 - 1], windows="1h"), "has more digits than a double"),
    (lambda: agg.histogram("n", "x", edges=["a"], windows="1h"), "are not ascending numbers"),
    (lambda: agg.top_k("n", "x", k=0, windows="1h"), "k=0 is out of range"),
    (lambda: agg.first_k("n", "x", k=1001, windows="1h"), "k=1001 is out of range"),
    (lambda: agg.mode("n", "x", max_keys=0, windows="1h"), "max_keys=0 keeps no key"),
    (
        lambda: types_of(agg.rate("n", numerator="a", denominator="b", windows="1h")),
        "no count named 'a' in its view",
    ),
    (
        lambda: types_of(
            agg.rate("n", numerator="a", denominator="a", windows="1h"),
            agg.count("a", by="user", windows="1h"),
        ),
        "no count named 'a' in its view",
    ),
]


@pytest.mark.parametrize(("made", "says"), REFUSED, ids=[says for _, says in REFUSED])
def test_what_is_refused_says_so_and_where_it_is_written(made, says):
    with pytest.raises(DefinitionError, match=says) as caught:
        made()
    assert "test_catalogue.py:" in str(caught.value)


def test_the_catalogue_names_every_kind_by_what_it_is_called():
    for kind, each in agg.CATALOGUE.items():
        assert getattr(agg, kind) is each
    assert set(agg.CATALOGUE) >= {
        "count", "sum", "mean", "min", "max", "variance", "stddev", "first", "last", "last_k", "rate",
        "decayed_sum", "recency", "distinct",
    }  # fmt: skip
