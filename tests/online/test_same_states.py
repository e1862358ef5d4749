"""The same events in any order, doubled, and in batches of any size leave the same states."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.agg import CATALOGUE
from headrace.aggregations.agreement import NEAR
from headrace.clock import DAY, HOUR, FixedClock
from headrace.kernel.entities import key_column
from headrace.keys import decode_key
from headrace.online.ingest import Evaluated, Ingest
from headrace.online.layout import RECORDS
from headrace.online.read import Asked, read
from headrace.online.record import decode_record
from headrace.online.states import states_of
from headrace.stores.memory import MemoryStore
from headrace.testing.agreement import differences
from headrace.testing.driving import answers_of, bind_case, clean_events
from headrace.testing.generate import Case, cases
from tests.effort import cases as effort

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.soak
SIZES = (1, 2, 3, 4, 5, 7, 8, 13, 21, 64)
"""Events of a batch."""
EXACT = tuple(kind for kind in CATALOGUE if kind not in NEAR)
"""Kinds whose last digits depend on no order: with them alone, nor do any stored bytes."""


@dataclasses.dataclass
class Drawn:
    """A history and how it comes.

    Attributes:
        case: The view, its log and the questions.
        epoch: The length of an epoch.
        t: The instant asked about.
        clock: When all of it comes: what is known later waits in its record.
        log: Its events in their order.
        shuffled: The same in another order.
        doubled: The same, those that can be told apart twice, in a third.
    """

    case: Case
    epoch: int
    t: int
    clock: int
    log: list[Any]
    shuffled: list[Any]
    doubled: list[Any]


@st.composite
def histories(draw: st.DrawFn) -> Drawn:
    case = draw(cases(draw(st.sampled_from([EXACT, tuple(CATALOGUE)]))))
    t = draw(st.sampled_from([row["t"] for row in case.spine]))
    log = [event for event in case.counted() if event.known < t]
    named = [event for event in log if case.event_id and event.row[case.event_id] is not None]
    clock = draw(st.sampled_from([t, t, *sorted({event.known for event in log})]))
    epoch = draw(st.sampled_from([HOUR, DAY, 7 * DAY]))
    shuffled, doubled = draw(st.permutations(log)), draw(st.permutations([*log, *named]))
    return Drawn(case, epoch, t, clock, log, shuffled, doubled)


def ingested(drawn: Drawn, events: Sequence[Any], size: int) -> MemoryStore:
    """A store after the events came in batches of a size."""
    store, binding = MemoryStore(FixedClock(drawn.t)), bind_case(drawn.case)
    process = Ingest("log", [(binding, Evaluated)], drawn.epoch)
    for start in range(0, len(events), size):
        batch = clean_events(drawn.case, binding, events[start : start + size])
        process.push(store, batch, drawn.clock)
    return store


def answers(drawn: Drawn, store: MemoryStore) -> Any:
    binding = bind_case(drawn.case)
    keys = key_column(drawn.case.spine_table(), binding.keys).to_pylist()
    asked = Asked(binding.id, states_of(binding), keys, drawn.epoch)
    with store.snapshot() as snapshot:
        return answers_of(read(snapshot, [asked], drawn.t, drawn.t).columns[0])


def states(store: MemoryStore) -> dict[Any, Any]:
    """What the records hold, but which batch they applied last."""
    with store.snapshot() as snapshot:
        found = {key: decode_record(data) for key, data in snapshot.scan(RECORDS[1])}
    return {tuple(decode_key(key)): (each.frontier, bytes(each.tiles)) for key, each in found.items()}


def inexact(value: Any) -> bool:
    """Whether an answer may lie off at all."""
    if isinstance(value, dict):
        return any(map(inexact, value.values()))
    return any(map(inexact, value)) if isinstance(value, list | tuple) else bool(value)


@settings(max_examples=effort(12), suppress_health_check=list(HealthCheck))
@given(histories())
def test_order_copies_and_batches_change_nothing(drawn: Drawn) -> None:
    if not drawn.log:
        return
    spine = [{**row, "t": drawn.t} for row in drawn.case.spine]
    expected = dataclasses.replace(drawn.case, spine=spine, serving_delay=0).expected()
    rounded = {name for row in expected for name, answer in row.items() if inexact(answer.slack)}
    plain = ingested(drawn, drawn.log, len(drawn.log))
    first, stored = answers(drawn, plain), states(plain)
    assert differences(expected, first) == []
    ways = [(drawn.log, size) for size in SIZES] + [
        (drawn.shuffled, 4),
        (drawn.doubled, 5),
        (drawn.doubled, 64),
    ]
    for events, size in ways:
        store = ingested(drawn, events, size)
        found = answers(drawn, store)
        assert differences(expected, found) == []
        for name in first.keys() - rounded:
            assert repr(found[name]) == repr(first[name]), (name, size)
        if {feature.kind for feature in drawn.case.features} <= {*EXACT}:
            assert states(store) == stored, size
