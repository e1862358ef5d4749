"""Latest-value views, sentence by sentence."""

from __future__ import annotations

import itertools

from tests.oracle.literal import at, event, newest

MINUTE = 60_000_000


def test_the_greatest_event_time_known_before_t():
    log = [event("11:00", x=1), event("11:30", x=2), event("11:40", seen="12:00", x=3), event("12:00", x=4)]
    assert newest(log, "12:00").value == 2
    assert newest(log, "12:00:00.000001").value == 4
    assert newest(log, "11:00").status == "NOT_FOUND"


def test_ties_by_created_at_then_known_then_bytes():
    log = [
        event("11:00", price=2, seen="11:01", x=4),
        event("11:00", price=2, seen="11:01", x=3),
        event("11:00", price=2, seen="11:00", x=9),
        event("11:00", price=1, seen="11:09", x=9),
        event("11:00", price=None, seen="11:09", x=9),
    ]
    for start in range(len(log)):
        for rows in itertools.permutations(log[start:]):
            got = newest(list(rows), "12:00", created_at="price")
            assert got.value == log[start]["x"]


def test_the_newest_row_rules_even_where_its_value_is_null():
    got = newest([event("11:00", x=1), event("11:30", x=None)], "12:00")
    assert (got.value, got.status, got.event_time) == (None, "NULL_VALUE", at("11:30"))


def test_a_row_is_valid_while_its_age_is_at_most_the_ttl():
    log = [event("11:00", x=1)]
    assert newest(log, "11:30", ttl=30 * MINUTE).value == 1
    old = newest(log, "11:30:00.000001", ttl=30 * MINUTE)
    assert (old.value, old.status, old.event_time) == (None, "OUTSIDE_MAX_AGE", at("11:00"))


def test_ttl_counts_from_the_event_time_not_from_when_it_was_known():
    log = [event("11:00", seen="11:20", x=1)]
    assert newest(log, "11:31", ttl=30 * MINUTE).status == "OUTSIDE_MAX_AGE"


def test_an_expired_row_is_not_replaced_by_an_older_one_and_null_outlives_nothing():
    log = [event("11:00", x=1), event("11:10", x=None)]
    assert newest(log, "12:00", ttl=30 * MINUTE).status == "OUTSIDE_MAX_AGE"


def test_rows_of_an_event_source_are_de_duplicated():
    log = [event("11:00", id="a", seen="11:00", x=1), event("11:30", id="a", seen="11:30", x=2)]
    assert newest(log, "12:00", event_id="id").value == 1
    assert newest(log, "12:00").value == 2
