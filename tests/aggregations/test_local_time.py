"""active_days, active_hours and streak at the edges: changes of clocks, 1970, windows begun within a day."""

from __future__ import annotations

import pytest

from headrace import agg
from headrace.windows import calendar, series, window
from tests.aggregations.both import ask, event, events

DAYS = agg.active_days("f", windows="all")
HOURS = agg.active_hours("f", windows="all")
STREAK = agg.streak("f", windows="all")


def test_without_events_there_are_none():
    assert ask(DAYS, [], "2026-01-05") == [0]
    assert ask(HOURS, [], "2026-01-05") == [0]
    assert ask(STREAK, [], "2026-01-05") == [(0, 0)]


def test_days_are_those_of_the_views_zone():
    log = events("2026-01-04T22:59:59.999999", "2026-01-04T23:00:00")
    assert ask(DAYS, log, "2026-01-05T12:00:00") == [1]
    assert ask(DAYS, log, "2026-01-05T12:00:00", zone="Europe/Berlin") == [2]
    assert ask(DAYS, log, "2026-01-05T12:00:00", zone="Asia/Kathmandu") == [1]  # both on the 5th


def test_a_day_of_25_hours_is_one_and_its_repeated_hour_as_well():
    """Berlin, 2024-10-27: 02:00 to 03:00 came twice."""
    log = events("2024-10-26T22:00:00", "2024-10-27T00:30:00", "2024-10-27T01:30:00", "2024-10-27T22:59:59")
    assert ask(DAYS, log, "2024-10-29", zone="Europe/Berlin") == [1]
    assert ask(HOURS, log, "2024-10-29", zone="Europe/Berlin") == [3]
    assert ask(HOURS, log, "2024-10-29") == [4]


def test_a_day_of_23_hours_is_one():
    """Berlin, 2024-03-31: 02:00 to 03:00 did not come."""
    log = events("2024-03-30T23:00:00", "2024-03-31T00:59:59", "2024-03-31T01:00:00", "2024-03-31T21:59:59")
    assert ask(DAYS, log, "2024-04-02", zone="Europe/Berlin") == [1]
    assert ask(HOURS, log, "2024-04-02", zone="Europe/Berlin") == [4]


def test_hours_begin_where_the_wall_clock_says():
    log = events("2026-01-05T00:14:59", "2026-01-05T00:15:00", "2026-01-05T01:14:59")
    assert ask(HOURS, log, "2026-01-06", zone="Asia/Kathmandu") == [2]  # 5:45 ahead of UTC
    assert ask(HOURS, log, "2026-01-06") == [2]


def test_days_before_1970_and_around_it():
    log = events("1969-12-30T23:59:59.999999", "1969-12-31", "1969-12-31T23:59:59.999999", "1970-01-01")
    assert ask(DAYS, log, "1970-01-01T00:00:00.000001") == [3]
    assert ask(HOURS, log, "1970-01-01T00:00:00.000001") == [4]
    assert ask(STREAK, log, "1970-01-01T00:00:00.000001") == [(3, 3)]


def test_a_streak_lasts_until_a_whole_day_has_passed_without_an_event():
    log = events("2026-01-01T10:00:00", "2026-01-02T20:00:00", "2026-01-03T01:00:00", "2026-01-03T02:00:00")
    asked = (
        "2026-01-02",
        "2026-01-03T01:00:00",
        "2026-01-03T01:00:00.000001",
        "2026-01-04T23:59:59",
        "2026-01-05",
    )
    assert ask(STREAK, log, *asked) == [(1, 1), (2, 2), (3, 3), (3, 3), (0, 3)]


def test_the_longest_streak_need_not_be_the_last():
    log = events(*(f"2026-01-{day:02}" for day in (1, 2, 3, 5, 6, 8, 9, 10, 11, 14)))
    assert ask(STREAK, log, "2026-01-14T12:00:00", "2026-01-12", "2026-01-07T12:00:00") == [
        (1, 4),
        (4, 4),
        (2, 3),
    ]


def test_a_streak_goes_through_the_days_at_which_clocks_change():
    log = events("2024-03-30T12:00:00", "2024-03-30T23:30:00", "2024-04-01T21:30:00")
    assert ask(STREAK, log, "2024-04-01T21:40:00", zone="Europe/Berlin") == [(3, 3)]
    assert ask(STREAK, log, "2024-04-01T21:40:00") == [(1, 1)]


def test_a_date_that_a_zone_left_out_interrupts_no_streak():
    """Samoa went from 2011-12-29 to 2011-12-31, at 10:00 UTC."""
    log = events("2011-12-29T12:00:00", "2011-12-30T09:59:59", "2011-12-30T10:00:00", "2011-12-31T12:00:00")
    assert ask(DAYS, log, "2012-01-02", zone="Pacific/Apia") == [3]
    assert ask(STREAK, log, "2012-01-01T09:00:00", zone="Pacific/Apia") == [(3, 3)]


def test_only_events_in_the_window_make_a_day():
    log = events("2026-01-01T08:00:00", "2026-01-02T08:00:00", "2026-01-03T08:00:00")
    days = agg.active_days("f", windows=window("2d", hop="1h"))
    streak = agg.streak("f", windows=window("2d", hop="1h"))
    assert ask(days, log, "2026-01-03T08:30:00", "2026-01-03T09:00:00") == [3, 2]
    assert ask(streak, log, "2026-01-03T08:30:00", "2026-01-03T09:00:00") == [(3, 3), (2, 2)]


@pytest.mark.parametrize(
    ("of", "current"),
    [
        (window("2d", offset="1d"), 2),
        (calendar("day", 1), 1),
        (calendar("week", 1), 0),
        (series("1d", n=3), [1, 1, 1]),
    ],
    ids=["shifted", "yesterday", "last week", "series"],
)
def test_in_a_window_that_ended_before_its_end_takes_the_place_of_now(of, current):
    log = events(*(f"2026-01-{day:02}T12:00:00" for day in (1, 2, 5, 6, 7, 8)))
    got = ask(agg.streak("f", windows=of), log, "2026-01-08T18:00:00")
    assert got[0][0] == current


def test_where_says_which_events_make_a_day():
    log = [{**event(f"2026-01-0{day}"), "x > 1": day > 2} for day in (1, 2, 3, 4)]
    assert ask(agg.active_days("f", where="x > 1", windows="all"), log, "2026-01-05") == [2]
