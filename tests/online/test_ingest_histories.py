"""What is served is what history says, whatever loads, pushes, restarts and changes of a view came before."""

from __future__ import annotations

import dataclasses
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.clock import DAY, HOUR, FixedClock
from headrace.intake.rejects import no_rejects
from headrace.kernel.entities import key_column
from headrace.kernel.parts import BUCKETS
from headrace.online.ingest import Evaluated, Ingest
from headrace.online.materialize import Load
from headrace.online.read import Asked, read
from headrace.online.states import states_of
from headrace.ports.engine import Part
from headrace.stores.lmdb import LmdbStore
from headrace.stores.memory import MemoryStore
from headrace.testing.agreement import differences
from headrace.testing.driving import answers_of, bind_case, clean_events
from headrace.testing.generate import Case, cases
from tests.effort import cases as effort
from tests.online.small import load_parts

if TYPE_CHECKING:
    import pyarrow as pa

NOTHING = no_rejects()


@dataclasses.dataclass
class Past:
    """What happened to a store before it is asked.

    Attributes:
        case: The view as it is in the end, its log, and the questions.
        epoch: The length of an epoch.
        t: The instant asked about.
        clock: The instant at which all is pushed; events known later wait in their records.
        first: How many of the features the view had at first.
        pushes: The events of each push, copies among them.
        between: What happens after each push: "restart", "another" process pushes from then on, "load",
            "change"; or "".
        end: How many epochs before the last edge the first load ends.
    """

    case: Case
    epoch: int
    t: int
    clock: int
    first: int
    pushes: list[list[Any]]
    between: list[str]
    end: int


@st.composite
def pasts(draw: st.DrawFn) -> Past:
    case = draw(cases())
    t = draw(st.sampled_from([row["t"] for row in case.spine]))
    log = [event for event in case.counted() if event.known < t]
    named = [event for event in log if case.event_id and event.row[case.event_id] is not None]
    copies = draw(st.lists(st.sampled_from(named), min_size=1, max_size=6)) if named else []
    order = draw(st.permutations([*log, *copies]))
    clock = draw(st.sampled_from([t, *sorted({event.known for event in log})]))
    pushes = []
    while order:
        size = draw(st.integers(1, 9))
        pushes.append(order[:size])
        order = order[size:]
    happens = st.sampled_from(["", "restart", "another", "load", "change"])
    between = draw(st.lists(happens, min_size=len(pushes), max_size=len(pushes)))
    first = draw(st.integers(1, len(case.features)))
    epoch = draw(st.sampled_from([HOUR, DAY, 7 * DAY]))
    return Past(case, epoch, t, clock, first, pushes, between, draw(st.integers(0, 3)))


class Running:
    """A store with one view, and the processes that push to it."""

    def __init__(self, store: Any, past: Past) -> None:
        self.store, self.past = store, past
        old = dataclasses.replace(past.case, features=past.case.features[: past.first])
        self.case, self.binding = old, bind_case(old)
        self.processes = [self._process(), self._process()]
        self.back = past.end
        self.served = False  # a view that nothing was loaded or pushed to is not served at all

    def _process(self) -> Ingest:
        return Ingest("log", [(self.binding, self._evaluate)], self.past.epoch)

    def _evaluate(self, events: pa.Table) -> Evaluated:
        return Evaluated(events)  # the drawn events have the verdicts of all conditions already

    def push(self, events: list[Any]) -> None:
        clean = clean_events(self.past.case, bind_case(self.past.case), events)
        self.processes[0].push(self.store, clean, self.past.clock)
        self.served = True

    def happen(self, what: str) -> None:
        match what:
            case "restart":
                self.processes[0] = self._process()
            case "another":
                self.processes.reverse()
            case "load":
                self.load()
            case "change":
                self.change()

    def change(self) -> None:
        """The view gets the rest of its features, and its states are loaded at once."""
        self.case, self.binding = self.past.case, bind_case(self.past.case)
        self.processes = [self._process(), self._process()]
        self.load()

    def load(self) -> None:
        """All that is known before an epoch's edge, each time a later one."""
        end = (self.past.t // self.past.epoch - self.back) * self.past.epoch
        self.back = max(self.back - 1, 0)
        batch = [event for event in self.past.case.accepted() if event.known < end]
        part = Part(clean_events(self.case, self.binding, batch), NOTHING, BUCKETS)
        what = Load(self.binding, end, self.past.t, self.past.epoch, ingest=self.processes[0])
        load_parts(self.store, [part], what)
        self.served = True

    def answers(self) -> Any:
        keys = key_column(self.past.case.spine_table(), self.binding.keys).to_pylist()
        asked = Asked(self.binding.id, states_of(self.binding), keys, self.past.epoch)
        with self.store.snapshot() as snapshot:
            return answers_of(read(snapshot, [asked], self.past.t, self.past.t).columns[0])


def check(store: Any, past: Past) -> None:
    running = Running(store, past)
    for events, what in zip(past.pushes, past.between, strict=True):
        running.push(events)
        running.happen(what)
    if not running.served:
        running.load()
    spine = [{**row, "t": past.t} for row in past.case.spine]
    expected = dataclasses.replace(running.case, spine=spine, serving_delay=0).expected()
    assert differences(expected, running.answers()) == []


@pytest.mark.soak
@settings(max_examples=effort(120), suppress_health_check=list(HealthCheck))
@given(pasts())
def test_what_is_served_is_what_history_says(past: Past) -> None:
    check(MemoryStore(FixedClock(past.t)), past)


@pytest.mark.soak
@settings(max_examples=effort(20), suppress_health_check=list(HealthCheck))
@given(pasts())
def test_what_lmdb_serves_is_what_history_says(past: Past) -> None:
    clock = FixedClock(past.t)
    with tempfile.TemporaryDirectory() as path, LmdbStore(path, sync="kill", clock=clock) as store:
        check(store, past)
