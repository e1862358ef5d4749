"""Aggregations by key, as literal cases: what a map holds, whatever is taken by the key."""

from __future__ import annotations

from headrace import agg
from headrace.schema import STRING
from headrace.testing.formulas import hash64
from tests.oracle.literal import answer, ask, event

ALL = ["all"]
T = "12:00"


def log(*pairs):
    """Events of these words and numbers, a minute apart, the last of them at 11:59."""
    return [event(f"11:{60 - len(pairs) + n:02}", word=word, x=x) for n, (word, x) in enumerate(pairs)]


PAIRS = log(("b", 5), ("a", 1), ("b", None), ("a", 4), (None, 9), ("c", None))


def test_each_key_has_what_its_events_say_and_keys_ascend():
    for feature, expected in (
        (agg.mean("f", "x", by="word", windows=ALL), {"a": 2.5, "b": 5.0}),
        (agg.min("f", "x", by="word", windows=ALL), {"a": 1, "b": 5}),
        (agg.max("f", "x", by="word", windows=ALL), {"a": 4, "b": 5}),
        (agg.first("f", "x", by="word", windows=ALL), {"a": 1, "b": 5}),
        (agg.last("f", "x", by="word", windows=ALL), {"a": 4, "b": 5}),
        (agg.recency("f", by="word"), {"a": 180.0, "b": 240.0, "c": 60.0}),
    ):
        got = ask(feature, PAIRS, T)
        assert got == expected
        assert list(got) == sorted(got)


def test_a_key_whose_value_is_null_is_there_with_null():
    assert ask(agg.variance("f", "x", by="word", windows=ALL), PAIRS, T) == {"a": 4.5, "b": None}


def test_a_rate_by_key_has_the_keys_of_either_count():
    counts = [
        agg.count("clicks", where="x > 1", windows=ALL),
        agg.count("views", where="ok", windows=ALL),
    ]
    rows = [
        event("11:00", word=word, **{"x > 1": click, "ok": view})
        for word, click, view in (
            ("a", True, True),
            ("a", False, True),
            ("b", True, False),
            ("c", False, None),
        )
    ]
    for prior, expected in (((1, 3), {"a": 2 / 6, "b": 2 / 4}), (None, {"a": 0.5, "b": None})):
        rate = agg.rate("f", numerator="clicks", denominator="views", prior=prior, by="word", windows=ALL)
        assert answer([*counts, rate], rows, T)["f_all"].value == expected


def test_a_rate_by_key_keeps_the_keys_of_smallest_hash_of_both_counts_together():
    words = [f"w{n}" for n in range(12)]
    counts = [agg.count("clicks", where="x > 1", windows=ALL), agg.count("views", where="ok", windows=ALL)]
    rows = [event("11:00", word=w, **{"x > 1": n % 2 == 0, "ok": n % 2 == 1}) for n, w in enumerate(words)]
    rate = agg.rate(
        "f", numerator="clicks", denominator="views", prior=(1, 1), by="word", max_keys=3, windows=ALL
    )
    got = answer([*counts, rate], rows, T)["f_all"]
    smallest = sorted(words, key=lambda word: hash64(word, STRING))[:3]
    assert list(got.value) == sorted(smallest)
    assert (got.status, got.reason) == ("INVALID", "truncated")
    assert set(got.value.values()) <= {1.0, 1 / 3}
