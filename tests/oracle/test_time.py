"""Section 3 of the design, sentence by sentence, as literal cases."""

from __future__ import annotations

import itertools

import pytest

from headrace import agg
from headrace.testing.oracle import historical, spans
from headrace.windows import calendar, series, window
from tests.oracle.literal import SCHEMA, answer, ask, at, event

HOUR = agg.count("n", windows=["1h"])
EVER = agg.count("n", windows=["all"])
LIST = agg.last_k("xs", "x", k=9, windows=["all"])


def test_the_query_instant_itself_is_excluded():
    assert ask(EVER, [event("12:00")], "12:00") == 0
    assert ask(EVER, [event("12:00")], "12:00:00.000001") == 1


def test_the_tail_moves_in_hops_and_its_edge_counts():
    # 1h has hops of 5 minutes: at 12:03 the window begins at floor(11:03) = 11:00.
    assert ask(HOUR, [event("11:00")], "12:03") == 1
    assert ask(HOUR, [event("10:59:59.999999")], "12:03") == 0
    assert ask(HOUR, [event("11:00")], "12:04:59.999999") == 1
    assert ask(HOUR, [event("11:00")], "12:05") == 0


def test_before_1970_edges_are_floored_not_truncated():
    assert ask(HOUR, [event("1969-12-31 22:55")], "1969-12-31 23:59") == 1
    assert ask(HOUR, [event("1969-12-31 22:54:59.999999")], "1969-12-31 23:59") == 0


def test_a_hop_need_not_divide_its_window():
    quarter = agg.count("n", windows=[window("90m", hop="1h")])
    assert ask(quarter, [event("10:00")], "11:30") == 1  # floor(10:00)
    assert ask(quarter, [event("10:00")], "12:29") == 1  # floor(10:59)
    assert ask(quarter, [event("10:00")], "12:30") == 0  # floor(11:00)


@pytest.mark.parametrize(
    ("length", "tail"),
    [
        ("12s", "11:58:19"),
        ("1m", "11:57:30"),
        ("1h", "10:55"),
        ("7d", "2024-03-03 11:00"),
        ("30d", "2024-02-09"),
    ],
)
def test_the_default_hop_is_the_largest_that_is_at_most_a_twelfth(length, tail):
    [(start, end)] = spans(window(length), at("11:58:31.9"))
    assert (start, end) == (at(tail), None)


def test_an_event_is_known_when_it_is_available_not_when_it_happened():
    late = event("11:00", seen="11:30")
    assert ask(HOUR, [late], "11:30") == 0
    assert ask(HOUR, [late], "11:30:00.000001") == 1


def test_an_event_is_not_known_before_it_happens():
    early = event("11:02", seen="11:00")
    assert ask(HOUR, [early], "11:02") == 0
    assert ask(HOUR, [early], "11:02:00.000001") == 1


def test_a_null_available_at_is_known_when_it_happened():
    assert ask(HOUR, [event("11:00", seen=None)], "11:00:00.000001") == 1


def test_the_window_is_of_event_times_however_late_they_became_known():
    late = event("10:00", seen="12:00")
    assert ask(HOUR, [late], "12:01") == 0
    assert ask(EVER, [late], "12:01") == 1


def test_a_shifted_window_floors_both_edges():
    shifted = agg.count("n", windows=[window("1h", offset="1h")])
    # at 12:03: 10:00 <= event_time < 11:00
    for moment, counts in [("09:59:59.999999", 0), ("10:00", 1), ("10:59:59.999999", 1), ("11:00", 0)]:
        assert ask(shifted, [event(moment)], "12:03") == counts, moment
    assert ask(shifted, [event("11:00")], "12:05") == 1


def test_a_shifted_window_still_asks_what_is_known_before_t():
    shifted = agg.count("n", windows=[window("1h", offset="1h")])
    late = event("10:30", seen="12:03")
    assert ask(shifted, [late], "12:03") == 0
    assert ask(shifted, [late], "12:03:00.000001") == 1


def test_a_series_is_its_windows_oldest_first_the_last_up_to_t():
    three = agg.sum("s", "x", windows=[series("1h", n=3)])
    log = [event("09:00", x=1), event("10:00", x=10), event("11:00", x=100), event("12:02", x=1000)]
    # at 12:03 the edges are 09:00, 10:00, 11:00, t
    assert ask(three, log, "12:03") == [1, 10, 1100]
    assert ask(three, log, "12:05") == [10, 100, 1000]


def test_the_windows_of_a_series_touch():
    edges = spans(series("1h", n=4), at("12:03"))
    assert [end for _, end in edges[:-1]] == [start for start, _ in edges[1:]]
    assert edges[-1][1] is None


def test_lifetime_holds_every_event():
    assert ask(EVER, [event("0001-01-01"), event("11:59")], "12:00") == 2


# --- calendar ---


def test_the_running_day_starts_at_local_midnight():
    today = agg.count("n", windows=[calendar("day")])
    berlin = {"zone": "Europe/Berlin"}
    assert ask(today, [event("2024-07-01 22:00")], "2024-07-02 10:00", **berlin) == 1  # 00:00 in summer
    assert ask(today, [event("2024-07-01 21:59:59.999999")], "2024-07-02 10:00", **berlin) == 0
    assert ask(today, [event("2024-01-01 23:00")], "2024-01-02 10:00", **berlin) == 1  # 00:00 in winter
    assert ask(today, [event("2024-01-01 22:59:59.999999")], "2024-01-02 10:00", **berlin) == 0


def test_at_local_midnight_the_running_day_is_empty_and_new():
    assert spans(calendar("day"), at("2024-07-01 22:00"), "Europe/Berlin") == [(at("2024-07-01 22:00"), None)]
    assert spans(calendar("day"), at("2024-07-01 21:59:59"), "Europe/Berlin") == [
        (at("2024-06-30 22:00"), None)
    ]


@pytest.mark.parametrize(
    ("unit", "start"), [("day", "2024-03-10"), ("week", "2024-03-04"), ("month", "2024-03-01")]
)
def test_running_periods_in_utc(unit, start):
    assert spans(calendar(unit), at("2024-03-10 12:00")) == [(at(start), None)]  # a Sunday


def test_weeks_start_on_monday():
    assert spans(calendar("week"), at("2024-03-11 00:00")) == [(at("2024-03-11"), None)]
    assert spans(calendar("week", offset=1), at("2024-03-11")) == [(at("2024-03-04"), at("2024-03-11"))]


def test_with_offset_n_it_is_the_complete_period_n_before():
    assert spans(calendar("month", offset=1), at("2024-03-31 12:00")) == [
        (at("2024-02-01"), at("2024-03-01"))
    ]
    assert spans(calendar("month", offset=13), at("2024-03-31")) == [(at("2023-02-01"), at("2023-03-01"))]
    assert spans(calendar("day", offset=2), at("2024-03-01 12:00")) == [(at("2024-02-28"), at("2024-02-29"))]


def test_days_last_23_and_25_hours_when_clocks_change():
    berlin = "Europe/Berlin"
    assert spans(calendar("day", offset=1), at("2024-04-01 12:00"), berlin) == [
        (at("2024-03-31 00:00+01:00"), at("2024-04-01 00:00+02:00"))
    ]
    assert spans(calendar("day", offset=1), at("2024-10-28 12:00"), berlin) == [
        (at("2024-10-27 00:00+02:00"), at("2024-10-28 00:00+01:00"))
    ]


def test_a_day_whose_midnight_is_skipped_starts_when_clocks_move():
    # Brazil's summer time began at midnight: 2018-11-04 00:00 became 01:00.
    [(start, _)] = spans(calendar("day"), at("2018-11-04 12:00"), "America/Sao_Paulo")
    assert start == at("2018-11-04 01:00-02:00")


def test_a_day_that_comes_twice_starts_the_first_time():
    # Newfoundland put clocks back at 00:01 to 23:01: Sunday had begun: Saturday's second hour is in it.
    john = "America/St_Johns"
    begin = at("2010-11-07 00:00-02:30")
    assert spans(calendar("day"), begin - 1, john) == [(at("2010-11-06 00:00-02:30"), None)]
    for later in (0, 60_000_000, 30 * 60_000_000, 61 * 60_000_000):
        assert spans(calendar("day"), begin + later, john) == [(begin, None)]


def test_a_day_that_never_was_is_empty():
    # Samoa left out 2011-12-30.
    moved = at("2011-12-31 00:00+14:00")
    assert spans(calendar("day", offset=1), at("2011-12-31 12:00+14:00"), "Pacific/Apia") == [(moved, moved)]


def test_zones_with_odd_offsets():
    assert spans(calendar("day"), at("2024-03-10 12:00"), "Asia/Kathmandu") == [
        (at("2024-03-10 00:00+05:45"), None)
    ]
    assert spans(calendar("day"), at("1971-06-01 12:00"), "Africa/Monrovia") == [
        (at("1971-06-01 00:00") + (44 * 60 + 30) * 1_000_000, None)
    ]


# --- the total order ---


def test_the_newest_event_is_that_of_the_greatest_event_time_whatever_the_order_of_rows():
    log = [event("11:00", x=1), event("11:02", x=3), event("11:01", x=2)]
    for rows in itertools.permutations(log):
        assert ask(LIST, list(rows), "12:00") == [3, 2, 1]


def test_ties_go_to_the_greater_known():
    log = [
        event("11:00", seen="11:05", x=1),
        event("11:00", seen="11:04", x=2),
        event("11:00", seen=None, x=3),
    ]
    for rows in itertools.permutations(log):
        assert ask(LIST, list(rows), "12:00") == [1, 2, 3]


def test_then_to_the_greater_event_id_if_declared():
    log = [event("11:00", id="b", x=1), event("11:00", id="a", x=2), event("11:00", id=None, x=3)]
    for rows in itertools.permutations(log):
        assert ask(LIST, list(rows), "12:00", event_id="id") == [1, 2, 3]


def test_then_to_the_greater_bytes_of_all_columns_in_name_order_nulls_first():
    # id, ok, price come before x in name order; an undeclared event id is a column like any other.
    log = [
        event("11:00", id="b", x=1),
        event("11:00", id="a", ok=True, x=2),
        event("11:00", id="a", ok=False, x=9),
    ]
    log += [event("11:00", id="a", ok=None, x=7)]
    for rows in itertools.permutations(log):
        assert ask(LIST, list(rows), "12:00") == [1, 2, 9, 7]


def test_text_is_ordered_by_its_bytes():
    words = ["\U0001f600", "\ufb01", "é", "zz", "z", ""]
    last = agg.last_k("w", "word", k=9, windows=["all"])
    assert ask(last, [event("11:00", word=word) for word in words], "12:00") == words


def test_numbers_are_ordered_by_value():
    log = [event("11:00", y=value) for value in (-2.5, float("inf"), 0.0, float("-inf"), 1e-300)]
    last = agg.last_k("ys", "y", k=9, windows=["all"])
    assert ask(last, log, "12:00") == [float("inf"), 1e-300, 0.0, -2.5, float("-inf")]


def test_derived_columns_do_not_decide_the_order():
    derived = {"derived": {"a": SCHEMA["x"]}}
    log = [event("11:00", x=1, a=2), event("11:00", x=2, a=1)]
    assert ask(agg.last("x", "x", windows=["all"]), log, "12:00", **derived) == 2


def test_rows_equal_in_every_column_all_count():
    assert ask(LIST, [event("11:00", x=1)] * 3, "12:00") == [1, 1, 1]


# --- de-duplication ---


def test_copies_of_an_event_id_count_once():
    log = [event("11:00", id="a", x=1)] * 2 + [event("11:01", id="b", x=1)]
    assert ask(EVER, log, "12:00", event_id="id") == 2
    assert ask(EVER, log, "12:00") == 3


def test_an_event_id_is_one_of_its_entity_only():
    log = [event("11:00", id="a"), event("11:00", id="a", user="other")]
    assert ask(EVER, log, "12:00", event_id="id") == 1
    assert answer(EVER, log, "12:00", user="other", event_id="id")["n_all"].value == 1


def test_the_copy_of_smallest_known_counts():
    log = [event("11:00", id="a", seen="11:10", x=1), event("11:05", id="a", seen="11:06", x=2)]
    for rows in itertools.permutations(log):
        assert ask(LIST, list(rows), "12:00", event_id="id") == [2]


def test_then_the_copy_of_smallest_event_time():
    log = [event("11:00", id="a", seen="11:10", x=1), event("11:05", id="a", seen="11:10", x=2)]
    for rows in itertools.permutations(log):
        assert ask(LIST, list(rows), "12:00", event_id="id") == [1]


def test_then_the_copy_of_smallest_bytes():
    log = [event("11:00", id="a", x=2), event("11:00", id="a", x=1), event("11:00", id="a", x=None)]
    for rows in itertools.permutations(log):
        assert ask(LIST, list(rows), "12:00", event_id="id") == []


def test_copies_are_judged_over_all_data_even_by_a_window_that_does_not_hold_the_first():
    log = [event("10:00", id="a", x=1), event("11:30", id="a", x=2)]
    assert ask(HOUR, log, "12:00", event_id="id") == 0


def test_events_without_an_id_are_nobodys_copies():
    assert ask(EVER, [event("11:00", id=None)] * 2, "12:00", event_id="id") == 2


# --- quarantine, serving delay, keys ---


def test_an_event_more_than_five_minutes_ahead_of_its_availability_is_quarantined():
    assert ask(EVER, [event("11:05", seen="11:00")], "12:00") == 1
    assert ask(EVER, [event("11:05:00.000001", seen="11:00")], "12:00") == 0


def test_a_quarantined_copy_does_not_displace_a_good_one():
    log = [event("11:05:01", id="a", seen="11:00", x=1), event("11:30", id="a", seen="11:30", x=2)]
    assert ask(LIST, log, "12:00", event_id="id") == [2]


def test_a_null_timestamp_or_key_is_quarantined():
    assert ask(EVER, [{**event("11:00"), "ts": None}, event("11:00", user=None)], "12:00") == 0


def test_serving_delay_counts_what_was_served_by_then():
    delayed = {"serving_delay": 2_000_000}
    assert ask(EVER, [event("11:00")], "11:00:02", **delayed) == 0
    assert ask(EVER, [event("11:00")], "11:00:02.000001", **delayed) == 1
    assert ask(EVER, [event("11:00", seen="11:30")], "11:30:02", **delayed) == 0


def test_serving_delay_does_not_move_the_window():
    assert ask(HOUR, [event("11:00")], "12:04:59", serving_delay=2_000_000) == 1
    assert ask(HOUR, [event("11:00")], "12:05:00", serving_delay=2_000_000) == 0


def test_a_null_key_in_the_spine_has_the_values_of_no_event():
    got = answer(
        [EVER, agg.min("m", "x", windows=["all"])], [event("11:00", user=None, x=1)], "12:00", user=None
    )
    assert (got["n_all"].value, got["m_all"].value, got["m_all"].status) == (0, None, "NOT_FOUND")


def test_composite_keys_match_in_every_part_and_no_key_is_one_global_row():
    log = [event("11:00", word="a"), event("11:00", word="b"), event("11:00", user="v", word="a")]
    assert ask(EVER, log, "12:00", key_columns=[]) == 3
    asked = [{"user": "u", "word": "a", "t": at("12:00")}, {"user": "u", "word": None, "t": at("12:00")}]
    how = {"timestamp": "ts", "schema": SCHEMA}
    rows = historical([EVER], log, asked, key_columns=["user", "word"], **how)
    assert [row["n_all"].value for row in rows] == [1, 0]


def test_duplicate_and_unsorted_spine_rows_keep_their_places():
    asked = [{"user": "u", "t": at(text)} for text in ("12:00", "10:00", "12:00")]
    rows = historical([EVER], [event("11:00")], asked, key_columns=["user"], timestamp="ts", schema=SCHEMA)
    assert [row["n_all"].value for row in rows] == [1, 0, 1]
