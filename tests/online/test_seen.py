"""The ids seen: as a plain list of them would answer, whatever the batches; and bounded by the horizon."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.online import seen as module
from headrace.online.seen import SeenIds
from headrace.schema import Schema
from tests.online.small import HOUR, NOON, SCHEMA, Click, clicks

USER = Schema({"user": "string"})
EVENTS = st.tuples(
    st.integers(0, 12).map(lambda quarters: NOON + quarters * HOUR // 4),
    st.sampled_from(["u", "ü\x00", None]),
    st.sampled_from(["a", "b", "", None]),
).map(lambda drawn: Click(drawn[0], drawn[1], event=drawn[2]))


@given(batches=st.lists(st.lists(EVENTS, max_size=6), max_size=8))
def test_a_copy_is_what_was_counted_within_the_horizon(batches):
    seen = SeenIds(USER, SCHEMA, "event", HOUR)
    counted: list[Click] = []
    for batch in batches:
        looked = seen.look(clicks(*batch))
        seen.remember(looked)
        fresh = [event for event, is_fresh in zip(batch, looked.fresh, strict=True) if is_fresh]
        first = sorted(batch, key=lambda event: event.time)
        expected = [
            event
            for place, event in enumerate(first)
            if not _copies(event, first[:place]) and not _within(event, counted)
        ]
        assert sorted(map(repr, fresh)) == sorted(map(repr, expected))
        counted += fresh


def _copies(event: Click, others: list[Click]) -> bool:
    return event.event is not None and any(
        (event.user, event.event) == (other.user, other.event) for other in others
    )


def _within(event: Click, counted: list[Click]) -> bool:
    return any(_copies(event, [other]) and abs(event.time - other.time) <= HOUR for other in counted)


def test_looking_remembers_nothing():
    seen = SeenIds(USER, SCHEMA, "event", HOUR)
    event = clicks(Click(NOON, event="e"))
    assert [seen.look(event).fresh.tolist() for _ in range(2)] == [[True], [True]]


def test_what_was_dropped_is_not_remembered():
    seen = SeenIds(USER, SCHEMA, "event", HOUR)
    events = clicks(Click(NOON, event="a"), Click(NOON, event="b"))
    looked = seen.look(events)
    seen.remember(looked.but(~looked.fresh | [True, False]))
    assert seen.look(events).fresh.tolist() == [True, False]


@pytest.mark.parametrize("size", [1, 7, 64])
def test_what_is_kept_is_bounded_by_the_horizon_and_the_latest(size, monkeypatch):
    monkeypatch.setattr(module, "_KEPT", 50)
    seen = SeenIds(USER, SCHEMA, "event", HOUR)
    events = [Click(NOON + i * HOUR // 100, event=str(i)) for i in range(2_000)]
    for start in range(0, len(events), size):
        seen.remember(seen.look(clicks(*events[start : start + size])))
    kept = len(seen)
    assert 100 <= kept <= 4 * 100 + size
    late = [seen.look(clicks(event)).fresh[0] for event in events[-100:]]
    assert not any(late)
