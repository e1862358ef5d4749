"""Loads: a whole generation or none, one winner, and the old one for those who still read it."""

from __future__ import annotations

import dataclasses
import random

import pytest

from headrace import agg
from headrace.clock import FixedClock
from headrace.errors import ConflictError, DataError
from headrace.intake.rejects import rejects_of
from headrace.kernel.parts import BUCKETS
from headrace.keys import decode_key
from headrace.online import aggregate_states
from headrace.online.generations import Pace
from headrace.online.layout import segment_prefix
from headrace.online.manifest import read_manifest
from headrace.online.materialize import Load, default_end, nearest_edges
from headrace.online.quarantine import quarantined
from headrace.ports.engine import Part
from headrace.stores.memory import MemoryStore
from tests.online.small import (
    COUNTS,
    DAY,
    EPOCH,
    HOUR,
    MIDNIGHT,
    NOON,
    Click,
    clicks,
    counting,
    ingest,
    load,
    load_parts,
    newest,
    source,
    values,
)

VIEW = counting()
EARLY, LATE = Click(MIDNIGHT - 3 * DAY, amount=1), Click(MIDNIGHT - HOUR, amount=2)


@pytest.fixture
def store():
    return MemoryStore(FixedClock(NOON))


def rejects(*rows):
    row, reason, rule = ([f"{name} {row}" for row in rows] for name in ("row", "reason", "rule"))
    return rejects_of(row, reason, rule, list(rows))


def load_in_parts(store, parts, end=MIDNIGHT, *, view=VIEW, progress=lambda *_: None):
    return load_parts(store, parts, Load(view, end, NOON, EPOCH), progress)


def segments(store):
    """The numbers of the segments that have records."""
    found = {decode_key(key)[0] for key, _ in store.scan(b"")}
    return sorted(int.from_bytes(first) for first in found if isinstance(first, bytes))


def served_segments(store, view=VIEW):
    """The numbers of the segments that are read."""
    return [segment.number for segment in read_manifest(store).of(view.id).segments]


def test_a_load_is_all_its_parts(store):
    heard = []
    parts = [
        Part(clicks(EARLY, LATE), rejects(1), BUCKETS // 2),
        Part(clicks(), rejects(), 3 * BUCKETS // 4),
        Part(clicks(EARLY._replace(user=None, amount=7), EARLY._replace(user="v")), rejects(1, 2), BUCKETS),
    ]
    done = load_in_parts(store, parts, progress=lambda *said: heard.append(said))
    assert done[:6] == ("counts@1", MIDNIGHT, 2, 3, 3, "nothing is loaded yet")
    assert sum(done.rules.values()) == 3
    assert done.to_dict()["known"] == "2024-10-04T00:00:00Z"
    assert heard == [("counts@1", share) for share in (0.5, 0.75, 1.0)]
    found = values(store, VIEW, ["u", "v", "w"], now=NOON)
    assert (found["n_all"], found["total_7d"]) == ([2, 1, 0], [1 + 2, 1, 0])
    assert sorted(each.row for each in quarantined(store, "clicks")) == ["row 1", "row 2"]


def test_more_entities_than_are_written_at_once(store):
    users = [f"user {n}" for n in range(1300)]
    load(store, VIEW, MIDNIGHT, *(Click(MIDNIGHT - HOUR - n, user, n) for n, user in enumerate(users)))
    assert values(store, VIEW, users, now=NOON)["total_7d"] == list(range(1300))


def test_transactions_follow_the_pace_of_the_machine():
    pace = Pace()
    first = pace.records
    pace.took(first, 2.0)
    slow = pace.records
    assert 0 < slow <= first / 10
    pace.took(slow, 0.0)
    assert pace.records == 2 * slow
    pace.took(1, 0.001)
    assert pace.records == 2 * slow, "one record tells nothing of many"
    for _ in range(20):
        pace.took(pace.records, 0.0)
    assert pace.records < 10_000


@pytest.mark.parametrize("seed", range(3))
def test_an_entity_of_more_events_than_are_lifted_at_once(seed, monkeypatch):
    draw = random.Random(seed)
    features = (agg.distinct("items", "item", windows=["7d"]), agg.first("oldest", "amount", windows=["all"]))
    view = counting([*COUNTS, *features])
    events = []
    for _ in range(40):
        time = MIDNIGHT - draw.randrange(1, 8 * DAY)
        known = max(time, MIDNIGHT - draw.randrange(1, DAY))
        event = draw.choice([None, f"e{draw.randrange(15)}"])
        events.append(Click(time, draw.choice("uv"), draw.randrange(5), event, known, draw.choice("abc")))
    stores = [MemoryStore(FixedClock(NOON)) for _ in range(2)]
    load(stores[0], view, MIDNIGHT, *events)
    monkeypatch.setattr(aggregate_states, "_PIECE", 7)
    load(stores[1], view, MIDNIGHT, *events)
    whole, pieces = (list(store.scan(segment_prefix(0))) for store in stores)
    assert len(whole) == 2
    assert [key for key, _ in whole] == [key for key, _ in pieces]
    assert values(stores[0], view, ["u", "v"], now=NOON) == values(stores[1], view, ["u", "v"], now=NOON)


def test_nobody_sees_a_load_before_its_end_nor_one_that_died(store):
    load(store, VIEW, MIDNIGHT - DAY, EARLY)

    def dying():
        yield Part(clicks(EARLY, LATE), rejects(), BUCKETS // 2)
        yield Part(clicks(), rejects(), BUCKETS // 2)
        yield Part(clicks(), rejects(), BUCKETS // 2)
        assert segments(store) == [0, 1], "the first part is written"
        assert values(store, VIEW, now=NOON)["n_all"] == [1]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        load_in_parts(store, dying())
    assert values(store, VIEW, now=NOON)["n_all"] == [1]
    load_in_parts(store, [Part(clicks(LATE), rejects(), BUCKETS)])
    assert values(store, VIEW, now=NOON)["n_all"] == [1]
    assert values(store, VIEW, now=NOON)["total_7d"] == [2], "nothing is left of the load that died"
    assert segments(store) == [0, 2]


def test_the_generation_before_stays_until_the_next_load(store):
    loads = [load(store, VIEW, MIDNIGHT + day * DAY, EARLY, LATE) for day in range(3)]
    assert [done.known for done in loads] == [MIDNIGHT + day * DAY for day in range(3)]
    assert segments(store) == [1, 2]
    assert served_segments(store) == [2]


def test_a_request_under_way_keeps_its_generation(store):
    load(store, VIEW, MIDNIGHT - DAY, EARLY)
    with store.snapshot() as snapshot:
        before = read_manifest(snapshot).of(VIEW.id)
        load(store, VIEW, MIDNIGHT, EARLY, LATE)
        assert read_manifest(snapshot).of(VIEW.id) == before
    (segment,) = before.segments
    assert list(store.scan(segment_prefix(segment.number))), (
        "even a reader without a snapshot finds what its manifest names"
    )


def test_loads_of_one_view_leave_the_others_alone(store):
    latest = newest()
    load(store, VIEW, MIDNIGHT, EARLY)
    load(store, latest, MIDNIGHT, LATE)
    for day in range(1, 4):
        load(store, VIEW, MIDNIGHT + day * DAY, EARLY, LATE)
    assert values(store, latest, now=NOON)["amount"] == [2]
    assert read_manifest(store).of(latest.id).known == MIDNIGHT


def test_of_two_loads_at_once_one_wins_and_the_other_changes_nothing(store):
    """Whichever ends first: the generation served is whole, and holds what its own load read."""

    def overtaken():
        yield Part(clicks(EARLY), rejects(), BUCKETS // 2)
        load(
            store,
            VIEW,
            MIDNIGHT,
            EARLY._replace(amount=10),
            LATE._replace(amount=20),
            LATE._replace(user="w"),
        )
        yield Part(clicks(LATE._replace(user="v"), LATE._replace(user="w", amount=99)), rejects(), BUCKETS)

    with pytest.raises(ConflictError, match="counts@1"):
        load_in_parts(store, overtaken())
    assert values(store, VIEW, ["u", "v", "w"], now=NOON)["total_7d"] == [30, 0, 2]


def test_a_load_that_began_earlier_and_ends_first_is_not_half_of_anything(store):
    first = iter(
        [
            Part(clicks(EARLY), rejects(), BUCKETS // 2),
            Part(clicks(LATE._replace(user="v")), rejects(), BUCKETS),
        ]
    )

    def second():
        yield Part(clicks(LATE._replace(user="x")), rejects(), BUCKETS // 2)
        with pytest.raises(ConflictError):
            load_in_parts(store, interrupted())

    def interrupted():
        yield next(first)
        load_in_parts(store, [Part(clicks(LATE), rejects(), BUCKETS)])
        yield next(first)

    with pytest.raises(ConflictError):
        load_in_parts(store, second())
    assert values(store, VIEW, ["u", "v", "x"], now=NOON)["total_7d"] == [2, 0, 0]


def test_a_load_may_go_back_and_loses_nothing_that_was_pushed(store):
    by = ingest(VIEW)
    by.push(store, clicks(EARLY, LATE, Click(NOON - 1)), NOON)
    load(store, VIEW, MIDNIGHT, EARLY, LATE, by=by)
    load(store, VIEW, MIDNIGHT - DAY, EARLY, by=by)
    assert read_manifest(store).of(VIEW.id).known == MIDNIGHT - DAY
    assert values(store, VIEW, now=NOON)["n_all"] == [3]


def test_a_load_does_not_go_back_to_what_the_log_has_forgotten(store):
    by = ingest(VIEW)
    for click in (EARLY, LATE, Click(NOON - 1)):
        by.push(store, clicks(click), NOON)
    load(store, VIEW, MIDNIGHT, EARLY, LATE, now=NOON, by=by)
    with pytest.raises(DataError, match="no longer has") as caught:
        load(store, VIEW, MIDNIGHT - DAY, EARLY, by=by)
    assert caught.value.available == ("from 2024-10-03T23:00:00.000001Z",)
    assert values(store, VIEW, now=NOON)["n_all"] == [3]
    load(store, VIEW, MIDNIGHT, EARLY, LATE, by=by)
    assert values(store, VIEW, now=NOON)["n_all"] == [3]


def test_with_a_stream_a_load_ends_at_an_epoch_s_edge(store):
    with pytest.raises(DataError, match="edge") as caught:
        load(store, VIEW, MIDNIGHT + 1, now=MIDNIGHT + DAY)
    assert caught.value.available == ("2024-10-04T00:00:00Z", "2024-10-05T00:00:00Z")
    with pytest.raises(DataError, match="edge") as caught:
        load(store, VIEW, MIDNIGHT + 1, now=MIDNIGHT + DAY - 1)
    assert caught.value.available == ("2024-10-04T00:00:00Z",)
    with pytest.raises(DataError, match="edge"):
        load(store, VIEW, MIDNIGHT - 1)


def test_without_a_stream_a_load_ends_anywhere(store):
    still = dataclasses.replace(VIEW, source=dataclasses.replace(source(), stream=None))
    load(store, still, MIDNIGHT + 1, Click(MIDNIGHT), Click(MIDNIGHT + 1, amount=5))
    assert values(store, still, now=NOON)["n_all"] == [1]


def test_what_nobody_can_know_yet_is_not_loaded(store):
    batch = dataclasses.replace(VIEW, source=dataclasses.replace(source(), stream=None))
    for view, end in ((VIEW, MIDNIGHT + DAY), (batch, NOON + 1)):
        with pytest.raises(DataError, match="nobody can know yet"):
            load_in_parts(store, [Part(clicks(EARLY), rejects(), BUCKETS)], end, view=view)
    assert list(store.scan(b"")) == []
    assert load_in_parts(store, [Part(clicks(EARLY), rejects(), BUCKETS)], NOON, view=batch).known == NOON


def test_the_default_end_and_the_edges_beside_an_instant():
    hourly = source(lateness="1h")
    assert default_end(hourly, NOON, DAY) == MIDNIGHT
    assert default_end(hourly, MIDNIGHT + HOUR, DAY) == MIDNIGHT
    assert default_end(hourly, MIDNIGHT + HOUR - 1, DAY) == MIDNIGHT - DAY
    assert default_end(source(complete_until=MIDNIGHT), MIDNIGHT + HOUR - 1, DAY) == MIDNIGHT
    assert default_end(source(complete_until=MIDNIGHT - 1), NOON, DAY) == MIDNIGHT - DAY
    assert default_end(source(complete_until=NOON + DAY), NOON, DAY) == MIDNIGHT


def test_a_load_does_not_go_beyond_what_its_source_is_complete_until(store):
    view = counting(complete_until=MIDNIGHT - 1)
    with pytest.raises(DataError, match="is complete until") as caught:
        load(store, view, MIDNIGHT, EARLY)
    assert caught.value.available == ("up to 2024-10-03T23:59:59.999999Z",)
    assert load(store, counting(complete_until=MIDNIGHT), MIDNIGHT, EARLY).known == MIDNIGHT
    assert nearest_edges(NOON, DAY) == (MIDNIGHT, MIDNIGHT + DAY)
    assert nearest_edges(-1, DAY) == (-DAY, 0)


def test_events_of_1969_are_streamed_and_replayed_like_any_others(store):
    by = ingest(VIEW)
    by.push(store, clicks(Click(-HOUR, event="e"), Click(-DAY - 1, event="f")), -1)
    changed = counting([agg.count("n", windows=["all"])])
    load(store, changed, -DAY, Click(-DAY - 1, event="f"), now=0, by=ingest(changed))
    assert values(store, changed, now=0)["n_all"] == [2]
