"""What windows can be written, how they are named, and what is refused."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import pytest

from headrace.clock import DAY, HOUR, MINUTE, SECOND
from headrace.errors import DefinitionError
from headrace.windows import (
    HOPS,
    Calendar,
    Lifetime,
    Series,
    Sliding,
    calendar,
    duration,
    parts,
    series,
    window,
)


@pytest.mark.parametrize(
    ("text", "length"),
    [("90s", 90 * SECOND), ("5m", 5 * MINUTE), ("1h", HOUR), ("7d", 7 * DAY), ("2w", 14 * DAY), ("0s", 0)],
)
def test_durations(text, length):
    assert duration(text) == length


def test_a_timedelta_is_a_duration():
    assert duration(dt.timedelta(minutes=3, microseconds=1)) == 3 * MINUTE + 1


@pytest.mark.parametrize("longest", ["36525d", "876600h", "0" * 5000 + "36525d", dt.timedelta(days=36_525)])
def test_a_duration_is_at_most_a_hundred_years(longest):
    assert duration(longest) == 36_525 * DAY
    with pytest.raises(DefinitionError, match="longer than 100 years"):
        duration(dt.timedelta(days=36_525, microseconds=1))
    with pytest.raises(DefinitionError, match="longer than 100 years"):
        duration("3155760001s")


@pytest.mark.parametrize("less", [dt.timedelta(microseconds=-1), dt.timedelta.min])
def test_a_duration_is_not_negative(less):
    with pytest.raises(DefinitionError, match="is negative") as caught:
        duration(less)
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["", "7", "d", "7 d", "1.5h", "-1h", "7D", "1h30m", "٣d", "7d ", None, 7])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(DefinitionError, match="is not a duration"):
        duration(text)


@pytest.mark.parametrize(
    ("length", "hop"),
    [
        ("12s", SECOND),
        ("59s", SECOND),
        ("60s", 5 * SECOND),
        ("719s", 5 * SECOND),
        ("12m", MINUTE),
        ("59m", MINUTE),
        ("1h", 5 * MINUTE),
        ("11h", 5 * MINUTE),
        ("12h", HOUR),
        ("7d", HOUR),
        ("11d", HOUR),
        ("12d", DAY),
        ("30d", DAY),
    ],
)
def test_the_default_hop_is_the_largest_that_is_at_most_a_twelfth(length, hop):
    assert window(length).hop == hop


def test_each_hop_nests_in_the_next():
    assert all(long % short == 0 for short, long in pairwise(HOPS))


@pytest.mark.parametrize(
    ("of", "suffix"),
    [
        (window("7d"), "7d"),
        (window("7d", hop="1d"), "7d"),
        (window("all"), "all"),
        (window("7d", offset="7d"), "7d_offset_7d"),
        (window("7d", offset="0d"), "7d"),
        (series("1d", n=7), "7x1d"),
        (calendar("day"), "cal_1d"),
        (calendar("week"), "cal_1w"),
        (calendar("month"), "cal_1mo"),
        (calendar("month", offset=2), "cal_1mo_offset_2"),
    ],
)
def test_what_a_window_adds_to_a_name(of, suffix):
    assert of.suffix == suffix


def test_windows_are_values():
    assert window("7d", hop="1h") == window("7d")
    assert window(window("7d")) == window("7d")
    assert (
        len({window("7d"), window("7d", hop="1h"), window("7d", hop="1d"), series("7d", 1), Lifetime()}) == 4
    )
    assert calendar("day") == Calendar("day", 0)


def test_the_parts_of_a_series_are_shifted_windows_oldest_first():
    of = series("1h", n=3)
    assert isinstance(of, Series)
    assert [(part.length, part.hop, part.offset) for part in parts(of)] == [
        (HOUR, 5 * MINUTE, 2 * HOUR),
        (HOUR, 5 * MINUTE, HOUR),
        (HOUR, 5 * MINUTE, 0),
    ]
    assert parts(window("1h")) == (Sliding("1h", HOUR, 5 * MINUTE),)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: window("11s"), "under 12 seconds"),
        (lambda: window("7x"), "not a duration"),
        (lambda: window("7d", hop="2h"), "not a hop"),
        (lambda: window("1h", hop="1d"), "longer than the window"),
        (lambda: window("7d", offset="90m"), "not a multiple of the hop '1h'"),
        (lambda: window("7d", offset="-1h"), "not a duration"),
        (lambda: window("all", hop="1d"), "neither hop nor offset"),
        (lambda: window("all", offset="1d"), "neither hop nor offset"),
        (lambda: series("all", n=2), "needs a length"),
        (lambda: series("1d", n=0), "is empty"),
        (lambda: series("90m", n=2, hop="1h"), "whole number of hops"),
        (lambda: window("36526d"), "longer than 100 years"),
        (lambda: window("9" * 5000 + "d"), "longer than 100 years"),
        (lambda: window("7d", offset="36526d"), "longer than 100 years"),
        (lambda: window("36525d", hop="36526d"), "longer than 100 years"),
        (lambda: series("365d", n=101), "longer than 100 years"),
        (lambda: series("1d", n=2.5), "is empty"),
        (lambda: series("1d", n=1 << 70), "longer than 100 years"),
        (lambda: calendar("day", offset=36_501), "more than 100 years ago"),
        (lambda: calendar("month", offset=1_201), "more than 100 years ago"),
        (lambda: calendar("year"), "not a calendar period"),
        (lambda: calendar("day", offset=-1), "cannot lie in the future"),
    ],
)
def test_what_is_refused_says_why_and_what_to_do(made, says):
    with pytest.raises(DefinitionError, match=says) as caught:
        made()
    assert caught.value.remedy or caught.value.available or caught.value.asked
