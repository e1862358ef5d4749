"""sessions and mean_gap at the edges: ties, gaps to the microsecond, windows that begin within a session."""

from __future__ import annotations

import pytest

from headrace import agg
from headrace.errors import DefinitionError
from headrace.windows import calendar, series, window
from tests.aggregations.both import ask, event, events

SESSIONS = agg.sessions("f", gap="30m", windows="all")
GAP = agg.mean_gap("f", windows="all")


def test_no_event_is_no_session_and_one_event_a_session_of_no_length():
    assert ask(SESSIONS, [], "2026-01-05") == [(0, None)]
    assert ask(SESSIONS, events("2026-01-04"), "2026-01-05") == [(1, 0.0)]


def test_what_is_exactly_the_gap_apart_belongs_together_and_not_a_microsecond_more():
    near = events("2026-01-04T10:00:00", "2026-01-04T10:30:00", "2026-01-04T11:00:00")
    assert ask(SESSIONS, near, "2026-01-05") == [(1, 3600.0)]
    apart = events("2026-01-04T10:00:00", "2026-01-04T10:30:00.000001", "2026-01-04T10:40:00.000001")
    assert ask(SESSIONS, apart, "2026-01-05") == [(2, 300.0)]


def test_events_of_one_instant_are_one_session_and_order_does_not_matter():
    tied = events(*["2026-01-04T10:00:00"] * 3)
    assert ask(SESSIONS, tied, "2026-01-05") == [(1, 0.0)]
    mixed = events("2026-01-04T11:00:00", "2026-01-04T10:00:00", "2026-01-04T10:30:00", "2026-01-04T12:00:00")
    assert ask(SESSIONS, mixed, "2026-01-05") == [(2, 1800.0)]


def test_a_session_under_way_when_the_window_begins_is_cut_there():
    """A window of an hour with hops of 5 minutes: at 11:02 it begins at 10:00."""
    feature = agg.sessions("f", gap="30m", windows=window("1h", hop="5m"))
    log = events(
        "2026-01-04T09:50:00", "2026-01-04T09:59:59.999999", "2026-01-04T10:00:00", "2026-01-04T10:20:00"
    )
    assert ask(feature, log, "2026-01-04T11:02:00", "2026-01-04T10:59:59") == [(1, 1200.0), (1, 1200.000001)]


def test_sessions_of_closed_windows_end_with_them():
    log = events("2026-01-03T23:50:00", "2026-01-04T00:10:00", "2026-01-04T23:50:00")
    assert ask(agg.sessions("f", gap="30m", windows=calendar("day", 1)), log, "2026-01-05T12:00:00") == [
        (2, 0.0)
    ]
    days = agg.sessions("f", gap="30m", windows=series("1d", n=2))
    assert ask(days, log, "2026-01-05") == [([1, 2], [0.0, 0.0])]
    shifted = agg.sessions("f", gap="30m", windows=window("1d", offset="1d"))
    assert ask(shifted, log, "2026-01-05") == [(1, 0.0)]


def test_sessions_over_1970_and_over_days():
    log = events("1969-12-31T23:50:00", "1970-01-01T00:10:00", "1970-01-01T00:40:00")
    assert ask(SESSIONS, log, "1970-01-02") == [(1, 3000.0)]


def test_a_mean_gap_needs_two_events():
    assert ask(GAP, [], "2026-01-05") == [None]
    assert ask(GAP, events("2026-01-04"), "2026-01-05") == [None]
    assert ask(GAP, events("2026-01-04", "2026-01-04T00:01:00"), "2026-01-05") == [60.0]


def test_gaps_of_ties_count_and_so_do_those_over_1970():
    assert ask(GAP, events(*["2026-01-04"] * 2), "2026-01-05") == [0.0]
    log = events("1969-12-31T23:59:59", "1970-01-01T00:00:01", "1970-01-01T00:00:01")
    assert ask(GAP, log, "1970-01-02") == [1.0]


def test_only_gaps_inside_the_window_count():
    feature = agg.mean_gap("f", windows=window("1h", hop="5m"))
    log = events("2026-01-04T09:59:59", "2026-01-04T10:00:00", "2026-01-04T10:10:00")
    assert ask(feature, log, "2026-01-04T11:00:00", "2026-01-04T11:06:00") == [600.0, None]


def test_a_mean_gap_by_key():
    log = [event(f"2026-01-04T00:0{n}:00", x=n % 2) for n in range(4)]
    assert ask(agg.mean_gap("f", by="x", windows="all"), log, "2026-01-05") == [[(0, 120.0), (1, 120.0)]]


def test_decayed_counts_halve():
    log = events("2026-01-01", "2026-01-02", "2026-01-03")
    feature = agg.decayed_count("f", half_life="1d")
    assert ask(feature, log, "2026-01-04", "2026-01-01", "2026-01-02") == [0.875, 0.0, 0.5]


def test_pairs_with_a_null_in_either_column_are_skipped():
    log = [event("2026-01-01", x=x, y=y) for x, y in ((1, 2.0), (2, 4.0), (3, None), (None, 9.0), (3, 6.0))]
    assert ask(agg.covariance("f", "x", "y", windows="all"), log, "2026-01-02") == [2.0]
    assert ask(agg.correlation("f", "x", "y", windows="all"), log, "2026-01-02") == [1.0]


@pytest.mark.parametrize(
    ("pairs", "covariance", "correlation"),
    [
        ([], None, None),
        ([(1, 2.0)], None, None),
        ([(1, 2.0), (1, 4.0)], 0.0, None),
        ([(1, 2.0), (3, 2.0)], 0.0, None),
        ([(1, 1.0), (2, -1.0), (3, -3.0)], -2.0, -1.0),
        ([(1, 1.0), (1, -1.0), (-1, 1.0), (-1, -1.0)], 0.0, 0.0),
        ([(10**9 + 1, 1.0), (10**9 + 2, 2.0), (10**9 + 3, 3.0)], 1.0, 1.0),
    ],
    ids=["none", "one", "equal x", "equal y", "opposite", "unrelated", "large means"],
)
def test_covariance_and_correlation(pairs, covariance, correlation):
    log = [event("2026-01-01", x=x, y=y) for x, y in pairs]
    assert ask(agg.covariance("f", "x", "y", windows="all"), log, "2026-01-02") == [covariance]
    assert ask(agg.correlation("f", "x", "y", windows="all"), log, "2026-01-02") == [correlation]


def test_integers_no_double_tells_apart_have_a_correlation_all_the_same():
    log = [event("2026-01-01", x=2**53, y=1.0), event("2026-01-01", x=2**53 + 1, y=2.0)]
    (got,) = ask(agg.correlation("f", "x", "y", windows="all"), log, "2026-01-02")
    assert got is not None


@pytest.mark.parametrize("gap", ["0s", "soon", "-5m"])
def test_a_gap_is_a_duration(gap):
    with pytest.raises(DefinitionError, match=r"test_spells\.py:\d+: aggregation 'f'"):
        agg.sessions("f", gap=gap, windows="all")
