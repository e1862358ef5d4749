"""What is served equals history: batch by load, the rest by pushes in any order, size and partition."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.clock import DAY, HOUR, FixedClock
from headrace.intake.rejects import no_rejects
from headrace.kernel.entities import key_column
from headrace.kernel.parts import BUCKETS
from headrace.online.materialize import Load
from headrace.online.push import Incoming, apply_events
from headrace.online.read import Asked, read
from headrace.online.record import Stamp
from headrace.online.states import states_of
from headrace.ports.engine import Part
from headrace.stores.memory import MemoryStore
from headrace.testing.agreement import differences
from headrace.testing.driving import answers_of, bind_case, clean_events
from headrace.testing.generate import Case, cases
from tests.effort import cases as effort
from tests.online.small import load_parts

pytestmark = pytest.mark.soak
NOTHING = no_rejects()


@st.composite
def served(draw: st.DrawFn) -> tuple[Case, int, int, int, list[Any], list[int], list[int]]:
    """A case; an epoch length; K on an edge at most t; t; the order, sizes and partitions of pushes."""
    case = draw(cases())
    epoch = draw(st.sampled_from([HOUR, DAY, 7 * DAY]))
    t = draw(st.sampled_from([row["t"] for row in case.spine]))
    known = t // epoch * epoch - draw(st.integers(0, 3)) * epoch
    log = [event for event in case.counted() if known <= event.known < t]
    order = draw(st.permutations(log))
    sizes = draw(st.lists(st.integers(1, 8), min_size=1, max_size=4))
    partitions = draw(st.lists(st.integers(0, 2), min_size=1, max_size=4))
    return case, epoch, known, t, order, sizes, partitions


@settings(max_examples=effort(200), suppress_health_check=list(HealthCheck))
@given(drawn=served(), waiting=st.booleans())
def test_online_equals_offline(drawn: Any, waiting: bool) -> None:  # noqa: FBT001 - drawn by name
    case, epoch, known, t, order, sizes, partitions = drawn
    binding = bind_case(case)
    states = states_of(binding)
    store = MemoryStore(FixedClock(t))
    batch = clean_events(case, binding, [event for event in case.accepted() if event.known < known])
    load_parts(store, [Part(batch, NOTHING, BUCKETS)], Load(binding, known, t, epoch))
    # A clock behind the events makes them wait in their records; the read merges those known before t.
    now = known if waiting else t
    start = turn = 0
    while start < len(order):
        size, partition = sizes[turn % len(sizes)], partitions[turn % len(partitions)]
        events = clean_events(case, binding, order[start : start + size])
        with store.transaction() as tx:
            apply_events(tx, [Incoming(binding, states, events, epoch)], Stamp(now, turn, 0, partition))
        start, turn = start + size, turn + 1
    keys = key_column(case.spine_table(), binding.keys).to_pylist()
    expected = [{**row} for row in _expected_at(case, t)]
    with store.snapshot() as snapshot:
        answer = read(snapshot, [Asked(binding.id, states, keys, epoch)], now, as_of=t)
    assert differences(expected, answers_of(answer.columns[0])) == []


def _expected_at(case: Case, t: int) -> list[dict[str, Any]]:
    import dataclasses

    asked = [{**row, "t": t} for row in case.spine]
    return dataclasses.replace(case, spine=asked, serving_delay=0).expected()
