"""What befalls a running ingestion: a full disk, a clock that jumps, definitions that change, loads."""

from __future__ import annotations

import json
import resource
import signal
import threading
from typing import TYPE_CHECKING

import pytest

import headrace as hr
from headrace import agg
from headrace.clock import DAY, HOUR, MINUTE, SECOND
from tests.ingesting.test_follow import MIDNIGHT, USER, Place, click, source, view
from tests.ingesting.test_workers import accepted, events, ingesting, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from headrace.online.ingestion import Counts


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "project")
    place.store.materialize(end=MIDNIGHT)
    yield place
    place.store.close()


def taken(counts: Counts, outcomes: Sequence[str], many: int) -> None:
    """Wait until so many messages came to one of some outcomes."""
    until(lambda: sum(counts.messages[each] for each in outcomes) == many)


def test_a_full_disk_is_waited_for_and_told(place: Place) -> None:
    data = place.home / ".headrace" / "online" / "data.mdb"
    early, late = events(1_000, 100), events(2_000, 20_000)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    with ingesting(place.home) as process:
        place.live(*early)
        until(lambda: accepted(place) == 100)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (data.stat().st_size, most))
        place.live(*late)
        until(lambda: place.store.ingested()["ads"].waits)
        failed = place.store.ingested()["ads"].failures
        until(lambda: place.store.ingested()["ads"].failures > failed)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))
        until(lambda: accepted(place) == 20_100)
        assert not place.store.ingested()["ads"].waits
        process.send_signal(signal.SIGTERM)
        told, problems = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(told)["sources"][0]["rejected"] == 0
    assert problems.count("Ingestion of 'ads' waits:") == problems.count("Ingestion of 'ads' goes on.") >= 1
    assert "Traceback" not in problems
    assert place.ask() == place.history([*place.before, *early, *late])


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_clock_that_jumps_and_comes_back_loses_nothing(place: Place, jump: int) -> None:
    came: list[dict[str, object]] = []
    with place.store.ingesting() as counts:
        for number in range(3):
            now = place.clock.now()
            rows = [click(1_000 + 100 * number + n, f"u{n % 3}", now - n * MINUTE) for n in range(20)]
            if number == 1:
                place.clock.advance(jump)
            came += rows
            place.live(*rows)
            taken(counts["ads"], ("accepted", "duplicates", "late", "rejected"), len(came))
            if number == 1:
                place.clock.advance(-jump)
                place.clock.advance(MINUTE)
    assert counts["ads"].failures == 0
    assert counts["ads"].messages["accepted"] == 60
    place.clock.advance(MINUTE)
    assert place.ask() == place.history([*place.before, *came])


OTHERS = hr.AggregateView(
    "user_costs", entity=USER, source=source(), features=[agg.max("dearest", "price", windows=["1d"])]
)


def test_definitions_that_are_applied_meanwhile_are_followed(place: Place) -> None:
    all_ = events(1_000, 60)
    more = hr.EventSource(
        "more",
        schema=source().schema,
        timestamp="ts",
        event_id="id",
        stream=hr.JsonLinesStream("live/more.jsonl"),
    )
    of_more = hr.AggregateView(
        "user_more", entity=USER, source=more, features=[agg.count("seen", windows=["1d"])]
    )
    with place.store.ingesting() as counts:
        place.live(*all_[:20])
        until(lambda: counts["ads"].messages["accepted"] == 20)
        with hr.FeatureStore(place.home, clock=place.clock) as other:
            other.apply([source(), view(source()), OTHERS, more, of_more])
            place.live(*all_[20:40])
            place.file.with_name("more.jsonl").write_text("".join(json.dumps(each) + "\n" for each in all_))
            other.materialize(end=MIDNIGHT)  # of those that have a batch
            place.live(*all_[40:])
            until(lambda: counts["ads"].messages["accepted"] == 60)
            until(lambda: "more" in counts and counts["more"].messages["accepted"] == 60)
            moved = source(stream=hr.JsonLinesStream("live/elsewhere.jsonl"))
            place.file.with_name("elsewhere.jsonl").write_text(
                json.dumps(click(5_000, "u1", MIDNIGHT)) + "\n"
            )
            other.apply([moved, view(moved), more, of_more], allow_destructive=True)
            until(lambda: counts["ads"].messages["accepted"] == 61)
    assert counts["ads"].failures == 0
    asked = {"user_id": ["u1"]}
    got = place.store.get_online_features(["user_more:seen_1d"], asked).to_dict()
    assert got["seen_1d"] == [20]
    assert place.ask() == place.history([*place.before, *all_, click(5_000, "u1", MIDNIGHT)])


def test_a_view_that_is_new_has_what_came_before_it(place: Place) -> None:
    all_ = events(1_000, 40)
    with place.store.ingesting() as counts:
        place.live(*all_[:20])
        until(lambda: counts["ads"].messages["accepted"] == 20)
        with hr.FeatureStore(place.home, clock=place.clock) as other:
            other.apply([source(), view(source()), OTHERS])
            other.materialize(end=MIDNIGHT)
        place.live(*all_[20:])
        until(lambda: counts["ads"].messages["accepted"] == 40)
    got = place.store.get_online_features(["user_costs:dearest_1d"], {"user_id": ["u0", "u1", "u2"]})
    place.batch([*place.before, *all_])
    spine = [{"user_id": u, "ts": place.clock.now()} for u in ("u0", "u1", "u2")]
    expected = place.store.get_historical_features(spine, features=["user_costs:dearest_1d"]).to_arrow()
    assert got.to_dict()["dearest_1d"] == expected.column("dearest_1d").to_pylist()


def test_loads_while_events_come_change_nothing(place: Place) -> None:
    came = list(place.before)
    with place.store.ingesting() as counts, hr.FeatureStore(place.home, clock=place.clock) as other:
        for day in range(1, 4):
            place.clock.advance(DAY)
            first = MIDNIGHT + (day - 1) * DAY + 20 * HOUR
            rows = [click(1_000 * day + n, f"u{n % 3}", first + n * SECOND) for n in range(50)]
            place.live(*rows)
            taken(counts["ads"], ("accepted",), 50 * day)
            came += rows
            place.batch(came)
            loading = threading.Thread(target=other.materialize, kwargs={"end": MIDNIGHT + day * DAY})
            loading.start()
            place.live(*rows)  # once more: the log knows them, or the load has covered them by then
            loading.join()
            taken(counts["ads"], ("duplicates", "late"), 50 * day)
    assert counts["ads"].failures == 0
    assert place.ask() == place.history(came)
