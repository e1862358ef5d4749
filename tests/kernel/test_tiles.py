"""Tiles answer every later question as their events would, and keep no more than that needs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace import agg
from headrace.clock import DAY, HOUR, MINUTE, SECOND
from headrace.kernel.entities import Numbers
from headrace.kernel.events import rows_of_events
from headrace.kernel.plan import compile_view
from headrace.kernel.point_in_time import features_at
from headrace.kernel.tiles import finest_hop, tile, tile_starts
from headrace.schema import Schema
from headrace.testing.agreement import differences
from headrace.testing.driving import answers_of, bind_case, clean_events
from headrace.testing.generate import cases
from headrace.windows import FOREVER_AGO, calendar, series, window
from tests.effort import cases as effort
from tests.online.small import NOON, SCHEMA, Click, clicks

if TYPE_CHECKING:
    from headrace.testing.generate import Case


@pytest.mark.soak
@settings(max_examples=effort(80), suppress_health_check=list(HealthCheck))
@given(case=cases(), twice=st.booleans())
def test_tiles_cut_at_an_instant_answer_from_then_on(case: Case, *, twice: bool) -> None:
    """All that is known before an instant, tiled for it, perhaps twice, answers every later question."""
    binding = bind_case(case)
    spine = sorted(case.spine, key=lambda row: row["t"])
    at = spine[len(spine) // 2]["t"]
    later = [row for row in spine if row["t"] >= at]
    log = [event for event in case.counted() if event.known < at]
    whole = _with(case, spine=later, events=[event.row for event in log])
    events = clean_events(case, binding, log)
    numbers = Numbers(whole.spine_table(), binding.keys)
    found, asked = numbers.of(events), numbers.asked
    mine = np.flatnonzero(found >= 0)
    rows = rows_of_events(
        binding.plan, events.take(mine), found[mine], case.schema, case.event_id, deduplicated=True
    )
    if twice:
        rows = tile(binding.plan, rows, spine[0]["t"])
    tiles = tile(binding.plan, rows, at)
    t = np.array([row["t"] for row in later], dtype=np.int64)
    columns = answers_of(features_at(binding.plan, tiles, asked, t))
    assert differences(whole.expected(), columns) == []


def _with(case: Case, **changes: object) -> Case:
    return dataclasses.replace(case, serving_delay=0, **changes)  # type: ignore[arg-type]


def plan_of(*windows):
    return compile_view([agg.count("n", windows=list(windows))], SCHEMA)


def starts(windows, times, at=None):
    found, reached = tile_starts(plan_of(*windows), np.array(times), at)
    return [start if kept else None for start, kept in zip(found.tolist(), reached.tolist(), strict=True)]


def test_the_finest_hop_is_that_of_the_shortest_window():
    assert finest_hop(plan_of("1h", "7d", "all")) == 5 * MINUTE
    assert finest_hop(plan_of("7d", calendar("day"))) == 5 * MINUTE
    assert finest_hop(plan_of(series("1d", 7, hop="1h"), window("30d", hop="1d"))) == HOUR
    assert finest_hop(plan_of("all")) is None


def test_without_an_instant_tiles_are_of_the_finest_hop_and_all_are_kept():
    times = [-1, 0, 5 * MINUTE - 1, 5 * MINUTE, NOON - 400 * DAY + 1]
    assert starts(["1h", "7d"], times) == [-5 * MINUTE, 0, 0, 5 * MINUTE, NOON - 400 * DAY]
    assert starts(["all"], times) == [FOREVER_AGO] * 5
    assert starts(["1h", "all"], [FOREVER_AGO, 7]) == [FOREVER_AGO, 0]


def test_the_older_the_wider_and_what_no_window_reaches_is_dropped():
    windows = ["1m", "1h", "7d"]
    minute_ago, hour_ago, week_ago = NOON - MINUTE, NOON - HOUR, NOON - 7 * DAY
    times = [minute_ago, minute_ago - 1, hour_ago, hour_ago - 1, week_ago, week_ago - 1]
    assert starts(windows, times, NOON) == [
        minute_ago,
        NOON - 5 * MINUTE,
        hour_ago,
        hour_ago - HOUR,
        week_ago,
        None,
    ]
    assert starts([*windows, "all"], times, NOON)[-1] == FOREVER_AGO
    assert starts(["1m"], [NOON + 7 * SECOND + 1], NOON) == [NOON + 5 * SECOND]


def test_a_shifted_window_keeps_its_tiles_until_it_has_passed_them():
    shifted = [window("1h", offset="1d")]
    times = [NOON - DAY - HOUR - 1, NOON - DAY - HOUR, NOON - 1]
    assert starts(shifted, times, NOON) == [None, NOON - DAY - HOUR, NOON - 5 * MINUTE]


def test_one_tile_for_each_entity_and_hop():
    plan = plan_of("1h", "all")
    times = [NOON, NOON + 1, NOON + 5 * MINUTE, NOON, NOON + 1]
    events = clicks(*(Click(time) for time in times))
    rows = rows_of_events(plan, events, np.array([0, 0, 0, 1, 2]), SCHEMA, None)
    tiles = tile(plan, rows)
    assert tiles.entity.tolist() == [0, 0, 1, 2]
    assert tiles.time.tolist() == [NOON, NOON + 5 * MINUTE, NOON, NOON]
    assert tiles.known is None
    assert tiles.measures[1].fixed[0].tolist() == [2, 1, 1, 1]
    assert len(tile(plan, tiles, NOON + DAY)) == 3, "one lifetime state for each"
    assert len(tile(plan_of("1h"), rows, NOON + DAY)) == 0


def test_only_what_a_lifetime_feature_reads_is_kept_for_life():
    """Sessions, sets and maps grow with their events: a lifetime feature beside them keeps none."""
    recent = (agg.sessions("visits", gap="30m", windows="1h"), agg.count("seen", by="item", windows="1d"))
    ever = agg.active_days("days", windows="all")
    plan = compile_view([*recent, ever], SCHEMA)
    times = [NOON - 400 * DAY, NOON - 2 * DAY, NOON - 2 * HOUR, NOON - MINUTE]
    rows = rows_of_events(
        plan, clicks(*(Click(time, item="i") for time in times)), np.zeros(4, np.int64), SCHEMA, None
    )
    tiles = tile(plan, rows, NOON)
    assert tiles.time.tolist() == [FOREVER_AGO, NOON - 2 * HOUR, NOON - 5 * MINUTE]
    sessions, seen, days = (np.diff(states.offsets).tolist() for states in tiles.measures[1:])
    assert (sessions, seen, days) == ([0, 0, 1], [0, 1, 1], [2, 1, 1])


@pytest.mark.parametrize(
    "feature",
    [
        agg.sum("f", "amount", windows="all"),
        agg.mean("f", "amount", windows="all"),
        agg.variance("f", "amount", windows="all"),
        agg.decayed_sum("f", "amount", half_life="1h"),
    ],
    ids=lambda each: each.kind,
)
def test_doubles_overflow_in_silence(feature):
    """Warnings are errors here: who serves features shall not find them in the log of the server."""
    schema = Schema({**SCHEMA, "amount": "double"})
    plan = compile_view([feature], schema)
    amounts = pa.array([1.7e308, 1.7e308, 1.7e308, 1.7e308, -1.7e308])
    events = clicks(*[Click(NOON)] * 5)
    events = events.set_column(events.column_names.index("amount"), "amount", amounts)
    rows = rows_of_events(plan, events, np.zeros(5, dtype=np.int64), schema, None)
    for either in (rows, tile(plan, rows)):
        assert list(features_at(plan, either, np.array([0]), np.array([NOON + 1]))) == feature_names(plan)


def feature_names(plan):
    return [name for feature in plan.features for name in feature.names]
