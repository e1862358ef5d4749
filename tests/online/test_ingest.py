"""Pushes into durable, visible states: each event once, whoever pushes; loads and restarts lose nothing."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from headrace import agg
from headrace.clock import FixedClock
from headrace.errors import StoreError
from headrace.keys import encode_key
from headrace.online.layout import LATE, epoch_prefix, stream_prefix
from headrace.online.log import Log, from_ipc
from headrace.online.manifest import read_streams
from headrace.stores.lmdb import LmdbStore
from headrace.stores.memory import MemoryStore
from tests.online.small import (
    DAY,
    EPOCH,
    HOUR,
    MIDNIGHT,
    MINUTE,
    NOON,
    SECOND,
    Click,
    answers,
    clicks,
    counting,
    ingest,
    load,
    newest,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VIEW = counting()
OTHER_WINDOWS = counting([agg.count("n", windows=["1h", "30d"]), agg.max("most", "amount", windows=["2h"])])


@pytest.fixture(params=["memory", "lmdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    clock = FixedClock(NOON)
    made = MemoryStore(clock) if request.param == "memory" else LmdbStore(tmp_path, sync="kill", clock=clock)
    yield made
    made.close()


def push(store, by, *events, now=NOON):
    return by.push(store, clicks(*events), now)


def count(store, view=VIEW, user="u", *, now=NOON, window="all"):
    return values(store, view, [user], now=now)[f"n_{window}"][0]


def late_log(store, view=VIEW):
    """The events of the late log, by their amounts."""
    found = [data for _, data in store.scan(encode_key((LATE, view.id)))]
    return [amount for data in found for amount in from_ipc(data).column("amount").to_pylist()]


# --- a push ---


def test_what_is_pushed_is_there_when_the_push_returns(store):
    by = ingest(VIEW)
    assert push(store, by, Click(NOON - HOUR), Click(NOON - 1, "v", 5))[:6] == (2, 0, 0, 0, 0, 0)
    assert push(store, by, Click(NOON - 2, "u", 7))[:6] == (1, 0, 0, 0, 1, 0)
    assert values(store, VIEW, ["u", "v", "w"], now=NOON) == {
        "n_1h": [2, 1, 0],
        "n_7d": [2, 1, 0],
        "n_all": [2, 1, 0],
        "total_7d": [8, 5, 0],
        "newest_7d": [7, 5, None],
    }


def test_a_push_of_nothing_is_nothing(store):
    assert push(store, ingest(VIEW))[:6] == (0, 0, 0, 0, -1, 0)
    assert Log("clicks").next_offset(store) == 0


def test_an_event_without_its_key_belongs_to_nobody(store):
    by = ingest(VIEW)
    push(store, by, Click(NOON - 1), Click(NOON - 1, None), Click(NOON - 1, None, event="e"))
    assert count(store) == 1
    push(store, ingest(VIEW), Click(NOON - 1, None, event="e"), Click(NOON - 1, event="e"))
    assert count(store) == 2


def test_every_view_of_the_source_gets_the_events(store):
    by_item, latest = counting(name="by_item", key="item"), newest()
    push(store, ingest(VIEW, by_item, latest), Click(NOON - 2, amount=3, item="a"), Click(NOON - 1, item="b"))
    assert count(store) == 2
    assert values(store, by_item, ["a", "b"], now=NOON)["total_7d"] == [3, 1]
    assert values(store, latest, now=NOON)["item"] == ["b"]


def test_a_push_may_touch_several_epochs_of_several_entities(store):
    days = (MIDNIGHT - DAY + 1, MIDNIGHT + 1)
    events = [Click(day, user, amount) for day in days for user, amount in (("u", 1), ("v", 5))]
    push(store, ingest(VIEW), *events)
    assert values(store, VIEW, ["u", "v"], now=NOON)["total_7d"] == [2, 10]
    assert list(read_streams(store, [VIEW.id])[0].epochs) == [MIDNIGHT // DAY - 1, MIDNIGHT // DAY]


def test_an_event_ahead_of_the_clock_waits_until_it_is_known(store):
    push(store, ingest(VIEW), Click(NOON - 1), Click(NOON - 1, known=NOON + MINUTE))
    assert count(store, now=NOON + MINUTE) == 1
    assert count(store, now=NOON + MINUTE + 1) == 2
    push(store, ingest(VIEW), Click(NOON - 1, "v"), now=NOON + HOUR)
    assert count(store, now=NOON + MINUTE) == 1, "nobody wrote to the record"
    push(store, ingest(VIEW), Click(NOON - 1), now=NOON + HOUR)
    assert count(store, now=NOON + HOUR) == 3


# --- copies ---


def test_copies_within_a_push_count_once_the_one_known_first(store):
    first, second = NOON - MINUTE, NOON - SECOND
    copies = [Click(NOON - HOUR, event="e", known=known) for known in (second, first, second)]
    assert push(store, ingest(VIEW), *copies)[:2] == (1, 2)
    assert count(store) == 1
    assert answers(store, VIEW, as_of=first + 1)["n_all"] == [(1, "PRESENT", NOON - HOUR)]


def test_copies_across_pushes_count_once_and_leave_no_trace(store):
    by = ingest(VIEW)
    push(store, by, Click(NOON - HOUR, event="e", known=NOON - MINUTE))
    assert push(store, by, Click(NOON - HOUR, event="e", known=NOON - SECOND))[:6] == (0, 1, 0, 0, -1, 0)
    both = push(store, by, Click(NOON - HOUR, event="e"), Click(NOON - 1, event="f"))
    assert both[:6] == (1, 1, 0, 0, 1, 0)
    assert count(store) == 2
    assert [entry.offset for entry in Log("clicks").entries(store)] == [0, 1]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_whichever_copy_comes_first_the_order_of_events_is_one(store, order):
    copies = [
        Click(NOON - HOUR, event="1", amount=1, known=NOON - 59 * MINUTE),
        Click(NOON - HOUR, event="1", amount=1, known=NOON - 40 * MINUTE),
        Click(NOON - HOUR, event="2", amount=2, known=NOON - 50 * MINUTE),
    ]
    by = ingest(VIEW)
    for place in order:
        push(store, by, copies[place])
    assert count(store) == 2
    assert values(store, VIEW, ["u"], now=NOON)["newest_7d"] == [2], "known later, but of the greater id"


def test_an_id_names_an_event_of_its_entity_only(store):
    by_item = counting(name="by_item", key="item")
    by = ingest(VIEW, by_item)
    assert push(store, by, Click(NOON - 1, "u", event="e"), Click(NOON - 1, "v", event="e"))[:2] == (2, 0)
    assert push(store, by, Click(NOON - 1, "u", event="e", item="j"))[:2] == (1, 0), "new to the item"
    assert [count(store, user=user) for user in "uv"] == [1, 1]
    assert values(store, by_item, ["i", "j"], now=NOON)["n_all"] == [1, 1]


def test_events_without_an_id_are_nobodys_copies(store):
    by = ingest(VIEW)
    for _ in range(2):
        push(store, by, Click(NOON - 1), Click(NOON - 1))
    assert count(store) == 4


def test_an_entity_with_a_long_key_has_events_without_an_id(store):
    long = "u" * 600
    push(store, ingest(VIEW), Click(NOON - 2, long), Click(NOON - 1, long, event="e"), Click(NOON - 3, "v"))
    assert count(store, user=long) == 2


def test_a_source_without_event_ids_counts_every_copy(store):
    plain = counting(event_id=None, dedup_horizon=None)
    by = ingest(plain)
    for _ in range(2):
        push(store, by, Click(NOON - 1, event="e"))
    assert count(store, plain) == 2


def test_a_restarted_process_knows_the_ids_of_the_log(store):
    push(store, ingest(VIEW), Click(NOON - HOUR, event="e"), Click(NOON - 2, event="f"))
    again = ingest(VIEW)
    assert push(store, again, Click(NOON - HOUR, event="e"))[:2] == (0, 1)
    assert push(store, again, Click(NOON - 2, event="f"), Click(NOON - 1, event="g"))[:2] == (1, 1)
    assert count(store) == 3


def test_two_processes_that_push_in_turn_see_each_others_ids(store):
    one, other = ingest(VIEW), ingest(VIEW)
    push(store, one, Click(NOON - 4, event="a"))
    assert push(store, other, Click(NOON - 4, event="a"), Click(NOON - 3, event="b"))[:2] == (1, 1)
    assert push(store, one, Click(NOON - 3, event="b"), Click(NOON - 2, event="c"))[:2] == (1, 1)
    assert push(store, other, Click(NOON - 2, event="c"))[:2] == (0, 1)
    assert push(store, one, Click(NOON - 4, event="a"))[:2] == (0, 1)
    assert count(store) == 3


def test_within_the_horizon_means_up_to_it_exactly(store):
    push(store, ingest(VIEW), Click(NOON - 2 * HOUR, event="e"), Click(NOON - 2 * HOUR, event="f"))
    assert push(store, ingest(VIEW), Click(NOON - HOUR, event="e"))[:2] == (0, 1)
    assert push(store, ingest(VIEW), Click(NOON - HOUR + 1, event="f"))[:2] == (1, 0)


def test_an_id_that_returns_after_the_horizon_is_remembered_anew(store):
    by = ingest(VIEW)
    push(store, by, Click(NOON - 3 * HOUR, event="e"))
    assert push(store, by, Click(NOON - HOUR, event="e"))[:2] == (1, 0)
    for pusher in (by, ingest(VIEW)):
        assert push(store, pusher, Click(NOON - MINUTE, event="e"))[:2] == (0, 1)
    assert count(store) == 2


def test_ids_are_forgotten_only_beyond_the_horizon(store):
    by = ingest(VIEW)
    push(store, by, Click(NOON - 2 * HOUR, event="old"), Click(NOON - HOUR, event="e"))
    push(store, by, Click(NOON - MINUTE, event="new"))
    assert push(store, by, Click(NOON - HOUR, event="e"))[:2] == (0, 1)
    assert count(store) == 3


# --- what fails leaves nothing behind ---


def test_a_push_that_fails_is_forgotten_whole(store):
    push(store, ingest(OTHER_WINDOWS), Click(NOON - HOUR, event="a"))
    by = ingest(counting(name="good"), VIEW)
    with pytest.raises(StoreError, match=r"counts@1 is of another definition"):
        push(store, by, Click(NOON - 1, event="e"))
    assert Log("clicks").next_offset(store) == 1
    assert list(store.scan(stream_prefix("good@1"))) == []
    load(store, VIEW, MIDNIGHT, by=by)
    assert push(store, by, Click(NOON - 1, event="e"))[:2] == (1, 0)
    assert count(store) == 2


def test_a_push_that_could_not_be_committed_is_no_copy_of_itself():
    class FullDisk(MemoryStore):
        full = True

        @contextmanager
        def transaction(self):
            with super().transaction() as tx:
                yield tx
                if self.full:
                    raise StoreError("The disk is full.")

    disk, by = FullDisk(FixedClock(NOON)), ingest(VIEW)
    with pytest.raises(StoreError, match="full"):
        push(disk, by, Click(NOON - 1, event="e"))
    disk.full = False
    assert push(disk, by, Click(NOON - 1, event="e"))[:2] == (1, 0)
    assert count(disk) == 1


# --- loads ---


def test_pushes_before_the_first_load_are_read_and_then_covered(store):
    early, fresh = Click(MIDNIGHT - HOUR, event="a"), Click(NOON - 1, event="b")
    by = ingest(VIEW)
    push(store, by, early, fresh)
    assert count(store) == 2
    load(store, VIEW, MIDNIGHT, early, by=by)
    assert count(store) == 2
    assert push(store, by, fresh)[:2] == (0, 1)


def test_a_load_drops_the_epochs_it_covers_and_keeps_the_others(store):
    days = [Click(MIDNIGHT - day * DAY + HOUR, amount=day) for day in (3, 2, 1, 0)]
    by = ingest(VIEW)
    load(store, VIEW, MIDNIGHT - 3 * DAY, by=by)
    for click in days:
        push(store, by, click)
    assert sorted(read_streams(store, [VIEW.id])[0].epochs) == [MIDNIGHT // DAY - day for day in (3, 2, 1, 0)]
    before = values(store, VIEW, now=NOON)
    load(store, VIEW, MIDNIGHT - DAY, *days, by=by)
    assert values(store, VIEW, now=NOON) == before
    assert sorted(read_streams(store, [VIEW.id])[0].epochs) == [MIDNIGHT // DAY - 1, MIDNIGHT // DAY]
    held = [
        bool(list(store.scan(epoch_prefix(VIEW.id, 1, MIDNIGHT // DAY - day, 0)))) for day in (3, 2, 1, 0)
    ]
    assert held == [False, False, True, True]
    load(store, VIEW, MIDNIGHT, *days, by=by)
    assert values(store, VIEW, now=NOON) == before


def test_an_event_before_the_load_s_end_is_late_and_waits_in_the_late_log(store):
    by = ingest(VIEW)
    load(store, VIEW, MIDNIGHT, Click(MIDNIGHT - HOUR), by=by)
    late, edge = (
        Click(MIDNIGHT - 2, known=MIDNIGHT - 1, amount=7),
        Click(MIDNIGHT - 2, known=MIDNIGHT, amount=8),
    )
    assert push(store, by, late, edge)[:6] == (1, 0, 1, 0, 0, 0)
    assert values(store, VIEW, now=NOON)["total_7d"] == [1 + 8]
    assert late_log(store) == [7]
    stream = read_streams(store, [VIEW.id])[0]
    assert (stream.late, list(stream.epochs)) == (1, [MIDNIGHT // DAY])
    assert push(store, by, late._replace(amount=9))[:6] == (0, 0, 1, 0, 1, 0)
    assert late_log(store) == [7, 9]
    assert values(store, VIEW, now=NOON)["total_7d"] == [1 + 8]


def test_a_load_merges_late_events_into_the_generation(store):
    by = ingest(VIEW)
    load(store, VIEW, MIDNIGHT - DAY, by=by)
    late = Click(MIDNIGHT - 30 * HOUR, amount=7, event="e")
    push(store, by, late)
    load(store, VIEW, MIDNIGHT, late, by=by)
    assert values(store, VIEW, now=NOON)["total_7d"] == [7]


def test_an_entity_s_copies_are_late_with_their_first(store):
    """The copy known before the end of the load is in the generation; the other is not counted again."""
    by = ingest(VIEW)
    first = Click(MIDNIGHT - MINUTE, event="e")
    load(store, VIEW, MIDNIGHT, first, by=by)
    assert push(store, by, first._replace(known=MIDNIGHT + 1), first)[:3] == (0, 1, 1)
    assert push(store, by, first._replace(known=MIDNIGHT + 2))[:3] == (0, 1, 0)
    assert count(store) == 1


def test_the_stream_of_another_definition_is_refused_by_pushes_and_reads(store):
    push(store, ingest(VIEW), Click(NOON - 1))
    with pytest.raises(StoreError, match="another definition"):
        push(store, ingest(OTHER_WINDOWS), Click(NOON - 1))
    with pytest.raises(StoreError, match="another definition"):
        values(store, OTHER_WINDOWS, now=NOON)
    load(store, VIEW, MIDNIGHT)
    with pytest.raises(StoreError, match="another definition"):
        values(store, OTHER_WINDOWS, now=NOON)


def test_a_changed_definition_is_built_anew_from_the_log(store):
    events = [
        Click(MIDNIGHT - HOUR, event="a", amount=1),
        Click(MIDNIGHT + HOUR, event="b", amount=2),
        Click(MIDNIGHT - 2, known=MIDNIGHT, event="c", amount=3),
        Click(NOON - MINUTE, event="d", amount=4),
        Click(NOON - MINUTE, "v", event="d", amount=5),
    ]
    copies = [events[1]._replace(known=MIDNIGHT + HOUR + 2), events[3]]
    by = ingest(VIEW)
    load(store, VIEW, MIDNIGHT - DAY, by=by)
    push(store, by, *events[:2])
    push(store, by, events[2], copies[0])
    push(store, by, copies[1], *events[3:])
    changed = ingest(OTHER_WINDOWS)
    load(store, OTHER_WINDOWS, MIDNIGHT, *events, by=changed)
    assert values(store, OTHER_WINDOWS, ["u", "v"], now=NOON) == {
        "n_1h": [1, 1],
        "n_30d": [4, 1],
        "most_2h": [4, 5],
    }
    assert push(store, changed, Click(NOON - 1, event="f"), events[3])[:2] == (1, 1)
    assert count(store, OTHER_WINDOWS, window="30d") == 5


def test_a_view_that_is_new_takes_what_was_pushed_before_it_came(store):
    by = ingest(VIEW)
    load(store, VIEW, MIDNIGHT, by=by)
    push(store, by, Click(NOON - 3, event="a"), Click(MIDNIGHT - 1, event="b"))
    second = counting(version="2")
    both = ingest(VIEW, second)
    push(store, both, Click(NOON - 2, event="c"))
    load(store, second, MIDNIGHT, Click(MIDNIGHT - 1, event="b"), by=both)
    assert count(store, second) == 3
    push(store, both, Click(NOON - 1, event="d"))
    assert [count(store, VIEW), count(store, second)] == [3, 4]


# --- the log ---


def test_the_log_keeps_every_push_in_order_with_its_columns(store):
    by = ingest(VIEW)
    for amount in range(3):
        push(store, by, Click(NOON - 3 + amount, amount=amount, known=NOON + amount))
    found = list(Log("clicks").entries(store))
    assert [entry.offset for entry in found] == [0, 1, 2]
    assert [entry.events for entry in found] == [
        clicks(Click(NOON - 3 + amount, amount=amount, known=NOON + amount)) for amount in range(3)
    ]
    assert [entry.offset for entry in Log("clicks").entries(store, 2)] == [2]


def test_a_trimmed_log_keeps_each_push_with_an_event_known_since(store):
    by = ingest(VIEW)
    push(store, by, Click(NOON - 9), Click(NOON - 5))
    push(store, by, Click(NOON - 9), Click(NOON - 4))
    push(store, by, Click(NOON - 3))
    Log("clicks").trim(store, NOON - 4)
    assert [entry.offset for entry in Log("clicks").entries(store)] == [1, 2]
    assert Log("clicks").next_offset(store) == 3


@pytest.mark.parametrize(("end", "kept"), [(MIDNIGHT - DAY, [1, 2, 3]), (MIDNIGHT, [2, 3])])
def test_a_load_trims_the_log_to_its_end(store, end, kept):
    by = ingest(VIEW)
    for known in (MIDNIGHT - DAY - 1, MIDNIGHT - DAY, MIDNIGHT, NOON - 1):
        push(store, by, Click(known))
    load(store, VIEW, end, Click(MIDNIGHT - DAY), Click(MIDNIGHT - DAY - 1), now=NOON, by=by)
    assert [entry.offset for entry in Log("clicks").entries(store)] == kept


def test_the_log_is_kept_for_the_horizon_of_copies(store):
    by = ingest(VIEW)
    seen = [Click(MIDNIGHT - HOUR - 1, event="a"), Click(MIDNIGHT - MINUTE, event="b")]
    for click in seen:
        push(store, by, click)
    load(store, VIEW, MIDNIGHT, *seen, now=MIDNIGHT + MINUTE, by=by)
    assert [entry.offset for entry in Log("clicks").entries(store)] == [1]
    copy = seen[1]._replace(known=MIDNIGHT + 1)
    assert push(store, ingest(VIEW), copy, now=MIDNIGHT + MINUTE)[:2] == (0, 1)


def test_the_log_is_kept_for_the_view_that_is_furthest_behind(store):
    other = counting(name="other")
    by = ingest(VIEW, other)
    for known in (MIDNIGHT - 2 * DAY, MIDNIGHT - DAY, NOON - 1):
        push(store, by, Click(known))
    load(store, VIEW, MIDNIGHT, now=NOON, by=by)
    assert len(list(Log("clicks").entries(store))) == 3, "the other view has not been loaded at all"
    load(store, other, MIDNIGHT - DAY, now=NOON, by=by)
    assert [entry.offset for entry in Log("clicks").entries(store)] == [1, 2]
    assert EPOCH == DAY
