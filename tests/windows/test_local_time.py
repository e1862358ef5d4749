"""Local days and hours of many instants: the calendar's, and those of the clock on the wall."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.clock import DAY, HOUR
from headrace.local_time import days_there_are, local_days, wall_time
from headrace.testing.nasty import BASES
from headrace.windows import calendar, edges

ZONES = ["UTC", *BASES, "Australia/Lord_Howe", "America/Havana", "Africa/Casablanca", "Asia/Manila"]
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)


def at(text: str) -> int:
    return (dt.datetime.fromisoformat(text) - EPOCH) // MICROSECOND


def clocks_of(zone: str, year: int) -> list[int]:
    """Instants in and around each change of clocks in a year."""
    info = zoneinfo.ZoneInfo(zone)
    days = [dt.datetime(year, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=day) for day in range(366)]
    hours = [
        (day - EPOCH) // MICROSECOND + half * HOUR // 2
        for day, following in pairwise(days)
        if day.astimezone(info).utcoffset() != following.astimezone(info).utcoffset()
        for half in range(-96, 97)
    ]
    return [hour + step for hour in hours for step in (-1, 0, 1, 60_000_000, 59_999_999)]


@pytest.mark.parametrize("zone", ZONES)
def test_days_are_the_calendars_and_clocks_show_what_datetimes_do(zone):
    years = (1883, 1900, 1918, 1969, 1970, 1971, 1972, 1985, 2010, 2011, 2018, 2024, 2100)
    t = np.unique(
        [instant for year in years for instant in (at(f"{year}-03-04T05:06:07Z"), *clocks_of(zone, year))]
    )
    begin, _ = edges(calendar("day"), t, zone)
    days = local_days(t, zone)
    assert ((days[1:] != days[:-1]) == (begin[1:] != begin[:-1])).all()
    assert (days[1:] >= days[:-1]).all()
    info = zoneinfo.ZoneInfo(zone)
    shown = [(EPOCH + each * MICROSECOND).astimezone(info).replace(tzinfo=dt.UTC) for each in t.tolist()]
    assert wall_time(t, zone).tolist() == [(clock - EPOCH) // MICROSECOND for clock in shown]


@given(
    st.lists(st.integers(at("0001-01-03T00:00:00Z"), at("9999-12-28T00:00:00Z")), min_size=1, max_size=20),
    st.sampled_from(ZONES),
)
def test_an_instant_has_one_day_whatever_it_is_asked_with(instants, zone):
    t = np.array(instants, dtype=np.int64)
    alone = [local_days(t[place : place + 1], zone)[0] for place in range(len(t))]
    assert local_days(t, zone).tolist() == alone
    info = zoneinfo.ZoneInfo(zone)
    dates = [(EPOCH + each * MICROSECOND).astimezone(info).date() for each in instants]
    assert all(day - (date - EPOCH.date()).days in {0, 1} for day, date in zip(alone, dates, strict=True))


def test_a_day_that_clocks_show_twice_has_begun_when_it_first_came():
    midnight = at(
        "2010-11-07T02:30:00Z"
    )  # in St John's; at 00:01 clocks were put back to 23:01 the day before
    t = midnight + np.array([-1, 0, 59_999_999, 60_000_000, HOUR + 59_999_999, HOUR + 60_000_000])
    assert (local_days(t, "America/St_Johns") - at("2010-11-06T00:00:00Z") // DAY).tolist() == [
        0,
        1,
        1,
        1,
        1,
        1,
    ]


def test_a_date_that_a_zone_left_out_is_between_no_two_days():
    first = at("2011-12-28T00:00:00Z") // DAY
    there = days_there_are(np.array([first, first + 1, first + 3, first + 4]), "Pacific/Apia")
    assert np.diff(there).tolist() == [1, 1, 1]
    assert np.diff(days_there_are(np.array([first + 1, first + 3]), "Asia/Tokyo")).tolist() == [2]


def test_no_instant_has_no_day():
    nothing = np.zeros(0, dtype=np.int64)
    for zone in ("UTC", "Europe/Berlin"):
        assert (
            not len(local_days(nothing, zone))
            + len(wall_time(nothing, zone))
            + len(days_there_are(nothing, zone))
        )
