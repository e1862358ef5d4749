"""The stream's tiles widen behind the frontier, and what no window reaches goes; no answer changes by it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace import agg
from headrace.clock import DAY, HOUR, MINUTE
from headrace.kernel.entities import group_entities, key_column
from headrace.kernel.records import RecordFormat
from headrace.online.record import Stamp, decode_record, frontier_of
from headrace.online.states import states_of
from headrace.testing.agreement import differences
from headrace.testing.driving import answers_of, bind_case, clean_events
from headrace.testing.generate import Case, cases
from headrace.windows import calendar, series, window
from tests.effort import cases as effort
from tests.online.small import NOON, Click, clicks, counting

if TYPE_CHECKING:
    from headrace.kernel.binding import AggregateBinding


class Stream:
    """The records of one view, each of a whole life: no epoch ends."""

    def __init__(self, binding: AggregateBinding) -> None:
        self.states, self.keys = states_of(binding), binding.keys
        self.records: dict[bytes, bytes] = {}
        self.pushes = 0

    def push(self, events: pa.Table, now: int) -> None:
        entities = group_entities(events, self.keys)
        if entities.keyless is not None:
            events = events.filter(pa.array(~entities.keyless))
        existing = [self.records.get(key) for key in entities.keys]
        self.pushes += 1
        after = self.states.fold(events, entities.group, existing, Stamp(now, self.pushes))
        self.records |= {key: data for key, data in zip(entities.keys, after, strict=True) if data}

    def frontier(self, key: bytes | None) -> int | None:
        """F of an entity; None where nothing of it was pushed."""
        data = None if key is None else self.records.get(key)
        return None if data is None else frontier_of(data)

    def read(self, keys: list[bytes | None], t: int) -> dict[str, list[Any]]:
        held = [(self.records[key], i) for i, key in enumerate(keys) if key in self.records]
        return answers_of(self.states.read([data for data, _ in held], [i for _, i in held], len(keys), t))


@st.composite
def streamed(draw: st.DrawFn) -> tuple[Case, list[Any], list[int], list[int]]:
    """A case; its events in any order; the sizes of pushes; what each push's clock was, ascending."""
    case = draw(cases())
    order = draw(st.permutations(case.counted()))
    sizes = draw(st.lists(st.integers(1, 8), min_size=1, max_size=4))
    instants = sorted({0, *(event.known for event in order)})
    clocks = draw(st.lists(st.sampled_from(instants), min_size=1, max_size=len(order) + 1))
    return case, order, sizes, sorted(clocks)


@pytest.mark.soak
@settings(max_examples=effort(100), suppress_health_check=list(HealthCheck))
@given(drawn=streamed())
def test_from_just_after_the_frontier_on_the_stream_answers_as_history_does(drawn: Any) -> None:
    """Late events fall into tiles that are wide already, ones that waited ripen behind them."""
    case, order, sizes, clocks = drawn
    stream, binding = Stream(bind_case(case)), bind_case(case)
    keys = key_column(case.spine_table(), binding.keys).to_pylist()
    start, pushed = 0, 0
    while start < len(order):
        size = sizes[pushed % len(sizes)]
        events = clean_events(case, binding, order[start : start + size])
        stream.push(events, clocks[min(pushed, len(clocks) - 1)])
        start, pushed = start + size, pushed + 1
        if pushed == 2 or start >= len(order):
            _check(case, [event.row for event in order[:start]], stream, keys)


def _check(case: Case, rows: list[Any], stream: Stream, keys: list[bytes | None]) -> None:
    frontiers = [stream.frontier(key) for key in keys]
    instants = {row["t"] for row in case.spine} | {f + 1 for f in frontiers if f is not None and f > -(2**61)}
    for t in instants:
        asked = [i for i, f in enumerate(frontiers) if f is None or f < t]
        spine = [{**case.spine[i], "t": t} for i in asked]
        expected = dataclasses.replace(case, events=rows, spine=spine, serving_delay=0).expected()
        assert differences(expected, stream.read([keys[i] for i in asked], t)) == []


WINDOWS = {
    "sliding": (["1h", "1d"], 13 + 25),
    "offset": ([window("1h", offset="6h")], (6 + 1) * 12 + 1),
    "series": ([series("1h", 12)], 12 * 12 + 1),
    "calendar": ([calendar("day")], 24 * 12),
    "lifetime": (["all"], 1),
    "lifetime and sliding": (["all", "1h"], 1 + 13),
}


@pytest.mark.parametrize("kind", WINDOWS)
def test_a_record_s_tiles_are_bounded_by_its_windows_not_by_its_days(kind: str) -> None:
    windows, most = WINDOWS[kind]
    view = counting([agg.count("n", windows=windows), agg.distinct("items", "item", windows=windows)])
    stream, times = Stream(view), np.arange(NOON, NOON + 40 * DAY, 30 * MINUTE)
    found = []
    for day in np.array_split(times, 40):
        stream.push(clicks(*(Click(int(time)) for time in day)), int(day[-1]))
        (data,) = stream.records.values()
        tiles = RecordFormat(view.plan).unpack([decode_record(data).tiles], np.zeros(1, np.int64))
        found.append(len(tiles))
    assert max(found) <= most
    assert max(found[2:]) == max(found[20:])


def test_a_record_without_tiles_keeps_what_it_says_of_the_stream() -> None:
    """All it had is out of reach: it answers like an entity never seen, and still not for the past."""
    view = counting([agg.count("n", windows=["1h"])])
    stream = Stream(view)
    stream.push(clicks(Click(NOON - 50 * MINUTE)), NOON)
    stream.push(clicks(Click(NOON - 3 * HOUR, known=NOON + HOUR)), NOON + HOUR)
    (data,) = stream.records.values()
    record = decode_record(data)
    assert (len(record.tiles), record.frontier, record.offset) == (0, NOON + HOUR, 2)
    (key,) = stream.records
    assert stream.read([key], NOON + HOUR + 1) == stream.read([b"never seen"], NOON + HOUR + 1)
