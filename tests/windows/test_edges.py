"""The window rule, against the oracle's own arithmetic."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace.clock import DAY, EARLIEST, HOUR, LATEST, MINUTE, SECOND, instant
from headrace.testing.oracle import spans
from headrace.windows import (
    FOREVER_AGO,
    HOPS,
    Lifetime,
    Sliding,
    calendar,
    edges,
    parts,
    series,
    tile_hop,
    window,
)
from tests.effort import cases

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/New_York",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Africa/Monrovia",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kwajalein",
]
UNITS = ["day", "week", "month"]
FIRST, LAST = -30 * 365 * DAY, 100 * 365 * DAY  # 1940 to 2069

anywhere = st.integers(FIRST, LAST) | st.builds(
    lambda day, hop, jitter: day * DAY + hop + jitter,
    st.integers(FIRST // DAY, LAST // DAY),
    st.sampled_from([0, *HOPS, 2 * HOUR, 3 * HOUR, -HOUR, 12 * HOUR]),
    st.integers(-1, 1),
)


@st.composite
def slidings(draw):
    hop = draw(st.sampled_from(HOPS))
    length = draw(st.integers(max(hop, 12 * SECOND), 400 * DAY))
    return Sliding("w", length, hop, draw(st.integers(0, 100)) * hop, "o")


def changes_of_clocks(zone):
    """Instants around each change of the zone's offset since 1970, found day by day."""
    info = zoneinfo.ZoneInfo(zone)
    days = (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=n) for n in range(25_000))
    offsets = [(day, day.astimezone(info).utcoffset()) for day in days]
    return [
        int(day.timestamp()) * SECOND for (day, offset), (_, after) in pairwise(offsets) if offset != after
    ]


@settings(max_examples=cases(500))
@given(slidings(), anywhere)
@example(window("1h"), -1)
@example(window("1h", offset="1h"), 0)
def test_sliding_and_shifted_edges_are_the_oracles(of, t):
    assert [edges(of, t)] == spans(of, t)


@settings(max_examples=cases(200))
@given(
    st.sampled_from(["12s", "1m", "1h", "1d", "7d"]),
    st.integers(1, 9),
    st.sampled_from([None, "1s", "5s"]),
    anywhere,
)
def test_the_parts_of_a_series_are_the_oracles(length, n, hop, t):
    of = series(length, n, hop if length != "12s" else "1s")
    assert [edges(part, t) for part in parts(of)] == spans(of, t)


@settings(max_examples=cases(300))
@given(st.sampled_from(UNITS), st.integers(0, 40), anywhere, st.sampled_from(ZONES))
def test_calendar_edges_are_the_oracles(unit, offset, t, zone):
    assert [edges(calendar(unit, offset), t, zone)] == spans(calendar(unit, offset), t, zone)


@pytest.mark.parametrize("zone", ZONES)
def test_calendar_edges_around_every_change_of_clocks_are_the_oracles(zone):
    changes = changes_of_clocks(zone)
    moments = [at + step * HOUR + jitter for at in changes for step in range(-2, 27, 7) for jitter in (-1, 0)]
    for unit in UNITS:
        for t in moments[:: 1 + len(moments) // 50]:
            assert [edges(calendar(unit, 1), t, zone)] == spans(calendar(unit, 1), t, zone), (unit, t)


def test_a_day_whose_midnight_was_skipped_on_the_way_starts_when_clocks_were_moved():
    # Toronto, 1919: clocks were put forward at 23:30, to 00:30 of the next day.
    [start] = {
        edges(calendar("day"), t, "America/Toronto")[0]
        for t in (-1_601_753_400 * SECOND, -1_601_700_000 * SECOND)
    }
    assert start == -1_601_753_400 * SECOND
    assert spans(calendar("day"), start, "America/Toronto") == [(start, None)]


@settings(max_examples=cases(200))
@given(slidings(), st.lists(anywhere, max_size=5))
def test_many_instants_at_once_are_the_instants_one_by_one(of, instants):
    start, end = edges(of, np.array(instants, dtype=np.int64))
    assert start.dtype == np.int64
    ends = [None] * len(instants) if end is None else end.tolist()
    assert list(zip(start.tolist(), ends, strict=True)) == [edges(of, t) for t in instants]


@settings(max_examples=cases(100))
@given(st.sampled_from(UNITS), st.integers(0, 14), st.lists(anywhere, max_size=5), st.sampled_from(ZONES))
def test_many_instants_of_a_calendar_are_the_instants_one_by_one(unit, offset, instants, zone):
    start, end = edges(calendar(unit, offset), np.array(instants, dtype=np.int64), zone)
    ends = [None] * len(instants) if end is None else end.tolist()
    one_by_one = [edges(calendar(unit, offset), t, zone) for t in instants]
    assert list(zip(start.tolist(), ends, strict=True)) == one_by_one


FARTHEST = [
    window("36525d"),
    window("36525d", hop="1s"),
    window("36525d", offset="36525d"),
    *parts(series("365d", n=100)),
]


@pytest.mark.parametrize("of", FARTHEST, ids=lambda of: f"{of.suffix} {of.offset}")
def test_no_edge_leaves_int64(of):
    """Python's integers have no end: what they say is right, and NumPy's have to say the same."""
    for t in (EARLIEST, LATEST, LATEST + 1):
        start, end = edges(of, np.array([t]))
        ends = [None] if end is None else end.tolist()
        assert (start.tolist(), ends) == ([edges(of, t)[0]], [edges(of, t)[1]])
        assert FOREVER_AGO < start[0] < t


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_the_calendar_has_a_first_and_a_last_day(unit, offset, zone):
    of = calendar(unit, offset)
    longest = {"day": DAY, "week": 7 * DAY, "month": 31 * DAY}[unit]
    for t in (EARLIEST, EARLIEST + DAY, EARLIEST + 500 * DAY, LATEST - 500 * DAY, LATEST - DAY, LATEST):
        start, end = edges(of, t, zone)
        assert start <= t
        assert start == FOREVER_AGO or start > t - (offset + 1) * longest - DAY
        assert (end is None) == (offset == 0)
        assert end is None or start <= end <= t
        many = edges(of, np.array([t, t]), zone)
        assert [None if each is None else each.tolist() for each in many] == [
            [start] * 2,
            None if end is None else [end] * 2,
        ]


def test_the_last_days_of_the_calendar():
    assert edges(calendar("day"), LATEST, "UTC")[0] == instant("9999-12-31")
    assert edges(calendar("day", 1), LATEST, "Asia/Tokyo") == (
        instant("9999-12-30T15:00:00Z"),
        instant("9999-12-31T15:00:00Z"),
    )
    assert edges(calendar("month"), LATEST, "Asia/Tokyo")[0] == instant("9999-12-31T15:00:00Z")
    assert edges(calendar("month", 1), EARLIEST, "UTC") == (FOREVER_AGO, EARLIEST)
    assert edges(calendar("month", 2), EARLIEST, "UTC") == (FOREVER_AGO, FOREVER_AGO)


@pytest.mark.parametrize(("unit", "offset"), [("day", 36_500), ("week", 5_200), ("month", 1_200)])
@pytest.mark.parametrize("t", [instant("2026-01-01"), instant("2026-12-31T23:59:59Z"), instant("2000-02-29")])
def test_a_calendar_window_of_a_hundred_years_ago_is_the_oracles(unit, offset, t):
    for n in (offset, offset - 1, offset // 7):
        assert [edges(calendar(unit, n), t, "Europe/Berlin")] == spans(calendar(unit, n), t, "Europe/Berlin")


def test_lifetime_has_a_start_before_everything_and_no_end():
    assert edges(Lifetime(), 5) == (FOREVER_AGO, None)
    start, end = edges(Lifetime(), np.array([5, -5]))
    assert (start.tolist(), end) == ([FOREVER_AGO] * 2, None)
    assert tile_hop(Lifetime()) is None


@settings(max_examples=cases(300))
@given(slidings(), anywhere)
def test_tiles_answer_a_sliding_window_exactly(of, t):
    """Both edges lie on tiles, so that no tile is half inside."""
    start, end = edges(of, t)
    assert start % tile_hop(of) == 0
    assert end is None or end % tile_hop(of) == 0


@settings(max_examples=cases(200))
@given(
    st.sampled_from(UNITS),
    st.integers(0, 3),
    anywhere.filter(lambda t: t > 200 * DAY),
    st.sampled_from(ZONES),
)
def test_tiles_answer_a_calendar_window_exactly_since_1970(unit, offset, t, zone):
    for edge in edges(calendar(unit, offset), t, zone):
        assert edge is None or edge % tile_hop(calendar(unit), zone) == 0


@pytest.mark.parametrize(
    ("zone", "hop"),
    [
        ("UTC", 5 * MINUTE),
        ("Asia/Kathmandu", 5 * MINUTE),
        ("Africa/Monrovia", SECOND),
        ("Asia/Tehran", 5 * MINUTE),
    ],
)
def test_calendar_tiles_are_five_minutes_or_a_second_where_the_offset_needs_it(zone, hop):
    assert tile_hop(calendar("day"), zone) == hop


@settings(max_examples=cases(200))
@given(slidings(), anywhere, st.integers(0, 50 * DAY))
def test_edges_never_move_back(of, t, later):
    (start, end), (start_later, end_later) = edges(of, t), edges(of, t + later)
    assert start <= start_later
    assert end is None or end <= end_later
    assert t - of.offset - of.length - of.hop < start <= t - of.offset - of.length
    assert end is None or t - of.offset - of.hop < end <= t - of.offset
