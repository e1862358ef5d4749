"""The same events through every broker are what history says, whatever is wrong with some or with it."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

import headrace as hr
from headrace.clock import HOUR, MINUTE, SECOND
from tests.ingesting.brokers import Kafka, Lines, redis_at
from tests.ingesting.test_follow import MIDNIGHT, Place, click, source, view
from tests.ingesting.test_killed import killed_while_ingesting
from tests.services.kafka import Topic, make_topic
from tests.services.redis import redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.ingesting.brokers import Broker

BROKERS = ["lines", "tansu", "redis", "redis flat", "redis cluster"]
PATIENCE = 30.0


@pytest.fixture
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """One of the `BROKERS`."""
    kind: str = request.param
    if kind == "lines":
        yield Lines(tmp_path / "project")
    elif kind.startswith("redis"):
        url = request.getfixturevalue("redis_cluster_url" if "cluster" in kind else "redis_url")
        with redis_at(url, flat="flat" in kind) as found:
            yield found
    else:
        yield Kafka(request.getfixturevalue(f"{kind}_topic"))


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[[Broker], Place]]:
    """Makes the project whose source follows a broker, loaded up to midnight."""
    places: list[Place] = []

    def make(broker: Broker) -> Place:
        places.append(Place(tmp_path / "project", stream=broker.stream))
        places[-1].store.materialize(end=MIDNIGHT)
        return places[-1]

    yield make
    for each in places:
        each.store.close()


def spread(broker: Broker, events: list[dict[str, Any]]) -> None:
    """Write events, those of a user to one partition."""
    for number in range(broker.partitions):
        broker.write(
            number, [each for each in events if int(each["user_id"][1:]) % broker.partitions == number]
        )


@pytest.mark.parametrize("broker", BROKERS, indirect=True)
def test_what_comes_through_a_broker_is_what_history_says(broker, made):
    place = made(broker)
    events = [click(100 + n, f"u{n % 3}", MIDNIGHT + 9 * HOUR + n * MINUTE // 10) for n in range(300)]
    random.Random(3).shuffle(events)
    spread(broker, events[:180])
    (done,) = place.store.ingest(once=True)
    assert (done.accepted, done.duplicates, done.late, done.rejected, done.gaps) == (180, 0, 0, 0, 0)
    assert place.ask() == place.history([*place.before, *events[:180]])
    spread(broker, [*events[100:], *events[:20]])
    (done,) = place.store.ingest(once=True)
    assert (done.accepted, done.duplicates, done.late, done.rejected) == (120, 100, 0, 0)
    assert place.ask() == place.history([*place.before, *events])
    (done,) = place.store.ingest(once=True)
    assert (done.accepted, done.duplicates, done.batches) == (0, 0, 0)


GOOD = click(1, "u0", MIDNIGHT + 1)
BAD: dict[str, list[Any]] = {
    "malformed": [
        b"{no json",
        b"[1]",
        b'"text"',
        b"\xff\xfe",
        b"\x00",
        b'{"id": "' + b"x" * (1 << 20) + b'"}',
    ],
    "uncastable": [
        {**GOOD, "price": "much"},
        {**GOOD, "ad": "12 and more"},
        {**GOOD, "ts": "yesterday"},
        {**GOOD, "price": "99999999999999999.0"},
    ],
    "no_key": [{name: value for name, value in GOOD.items() if name != "user_id"}],
    "no_time": [{name: value for name, value in GOOD.items() if name != "ts"}, {"unknown": "kind"}],
}
"""What is wrong with messages, by the rule they break."""


@pytest.mark.parametrize("broker", BROKERS, indirect=True)
def test_bad_messages_go_to_quarantine_one_by_one_with_their_places(broker, made):
    place = made(broker)
    good = [click(200 + n, "u0", MIDNIGHT + n * MINUTE) for n in range(12)]
    bad = [each for some in BAD.values() for each in some]
    random.Random(4).shuffle(bad)
    for number, each in enumerate(bad):
        broker.write(0, [good[number % 12], each])
    (done,) = place.store.ingest(once=True)
    assert (done.accepted, done.rejected, done.duplicates, done.gaps) == (12, len(bad), len(bad) - 12, 0)
    found = place.store.quarantine("ads")
    assert found.counts["ads"] == {rule: len(some) for rule, some in BAD.items()}
    places = {row.origin for row in found.rows}
    assert len(places) == len(bad)
    (name,) = {origin.rpartition("@")[0].removeprefix("stream ") for origin in places}
    assert re.fullmatch(r"ads\.jsonl:\d+|ads:0|ads-[0-9a-f]+/0", name)
    assert place.ask() == place.history([*place.before, *good])


@pytest.mark.parametrize("broker", BROKERS, indirect=True)
@pytest.mark.parametrize("on_invalid", ["quarantine", "reject"])
def test_what_breaks_a_rule_goes_to_quarantine_and_stops_nobody(broker, tmp_path, on_invalid):
    rules = [hr.rules.enum("user_id", ["u0", "u1", "u2"]), hr.rules.range("ad", min=0)]
    place = Place(tmp_path / "project", stream=broker.stream, rules=rules, on_invalid=on_invalid)
    place.store.materialize(end=MIDNIGHT)
    good = [click(700 + n, f"u{n % 3}", MIDNIGHT + n * MINUTE) for n in range(10)]
    spread(broker, [*good[:5], {**click(1, "u4", MIDNIGHT + 1)}, {**good[0], "ad": -1, "id": "x"}, *good[5:]])
    (done,) = place.store.ingest(once=True)
    assert (done.accepted, done.rejected) == (10, 2)
    found = place.store.quarantine("ads")
    assert {rule.partition("(")[0]: many for rule, many in found.counts["ads"].items()} == {
        "enum": 1,
        "range": 1,
    }
    assert all(row.origin.startswith("stream ads") for row in found.rows)
    assert place.ask() == place.history([*place.before, *good])
    place.store.close()


def test_fields_of_redis_entries_that_do_not_fit_go_to_quarantine(redis_url, made):
    with redis_at(redis_url, flat=True) as broker:
        place = made(broker)
        fields: list[dict[str, Any]] = [
            {**GOOD, "price": b"\xff"},
            {**GOOD, "id": "x" * (1 << 20)},
            {**GOOD, "price": "much"},
            {"payload": "{}"},
            {"user_id": "u0", "ts": GOOD["ts"]},
        ]
        for each in fields:
            broker.client.xadd("ads:1", each)
        (done,) = place.store.ingest(once=True)
        assert (done.accepted, done.rejected) == (1, 4)
        assert place.store.quarantine("ads").counts["ads"] == {"malformed": 2, "uncastable": 1, "no_time": 1}


def until(holds: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up


def goes_and_comes_back(
    place: Place, broker: Broker, goes: Callable[[], None], back: Callable[[], None]
) -> None:
    """Follow a broker while it goes away and comes back with all it had; nothing is lost or counts twice."""
    events = [click(300 + n, f"u{n % 3}", MIDNIGHT + n * MINUTE) for n in range(40)]
    with place.store.ingesting() as all_counts:
        counts = all_counts["ads"]
        until(lambda: len(counts.behind) == broker.partitions)
        spread(broker, events[:20])
        until(lambda: counts.messages["accepted"] == 20)
        goes()
        until(lambda: counts.trouble.text)
        assert place.ask() == place.history([*place.before, *events[:20]])
        back()
        spread(broker, events[20:])
        until(lambda: counts.messages["accepted"] == 40)
        until(lambda: not counts.trouble.text)
        assert (counts.messages["duplicates"], counts.messages["rejected"], counts.gaps) == (0, 0, 0)
        assert counts.failures > 0
    assert place.ask() == place.history([*place.before, *events])


def test_a_kafka_broker_goes_away_and_comes_back(mock_topic, mock_cluster, made):
    broker = Kafka(mock_topic)
    goes_and_comes_back(made(broker), broker, mock_cluster.goes_away, mock_cluster.comes_back)


def test_a_redis_is_killed_and_comes_back(tmp_path, made):
    (tmp_path / "kept").mkdir()
    keeping = ("--dir", str(tmp_path / "kept"), "--appendonly", "yes", "--appendfsync", "always")
    with contextlib.ExitStack() as running:
        url = running.enter_context(redis(*keeping))

        def comes_back() -> None:
            running.enter_context(redis(*keeping, at=urlsplit(url).port))

        with redis_at(url) as broker:

            def goes() -> None:
                os.kill(broker.client.info()["process_id"], signal.SIGKILL)
                running.close()

            goes_and_comes_back(made(broker), broker, goes, comes_back)


def told_gap(place: Place) -> str:
    """What the only gap says, from quarantine."""
    (row,) = place.store.quarantine("ads", rule="gap").rows
    assert "stream before " in row.origin
    return row.reason


def test_offsets_that_are_gone_from_kafka_are_a_gap_and_the_rest_is_right(mock_topic, made):
    broker = Kafka(mock_topic)
    place = made(broker)
    early = [click(400 + n, "u0", MIDNIGHT + n * MINUTE) for n in range(3)]
    with place.store.ingesting() as counts:
        until(lambda: len(counts["ads"].behind) == broker.partitions)
        spread(broker, early)
        until(lambda: counts["ads"].messages["accepted"] == 3)
    late = [click(500 + n, "u0", MIDNIGHT + HOUR + n * MINUTE) for n in range(12)]
    broker.write(0, [{**each, "filling": "x" * 900_000} for each in late])
    (done,) = place.store.ingest(once=True)
    gone = re.fullmatch(r"offsets (\d+) to (\d+) of partition 0 are gone", told_gap(place))
    assert gone is not None
    first, last = map(int, gone.groups())
    assert (first, done.gaps, done.rejected) == (3, 1, 1)
    kept = late[last + 1 - first :]
    assert done.accepted == len(kept) > 0
    assert place.ask() == place.history([*place.before, *early, *kept])


def test_entries_that_were_trimmed_from_redis_are_a_gap_and_the_rest_is_right(redis_url, made):
    with redis_at(redis_url) as broker:
        place = made(broker)
        events = [click(400 + n, "u0", MIDNIGHT + n * MINUTE) for n in range(20)]
        spread(broker, events[:5])
        place.store.ingest(once=True)
        spread(broker, events[5:])
        broker.client.xtrim("ads:0", maxlen=8, approximate=False)
        (done,) = place.store.ingest(once=True)
        assert (done.accepted, done.gaps, done.rejected) == (8, 1, 1)
        assert "was trimmed away, and perhaps some that came after it" in told_gap(place)
        assert place.ask() == place.history([*place.before, *events[:5], *events[12:]])


def test_two_workers_share_the_partitions_of_a_redis_stream(redis_url, made):
    with redis_at(redis_url) as broker:
        place = made(broker)
        events = [click(600 + n, f"u{n % 3}", MIDNIGHT + n * MINUTE) for n in range(200)]
        with (
            hr.FeatureStore(place.home, clock=place.clock) as other,
            place.store.ingesting() as mine,
            other.ingesting() as others,
        ):
            both = [mine["ads"], others["ads"]]
            until(lambda: [len(each.behind) for each in both] == [1, 1])
            spread(broker, events)
            until(lambda: sum(each.messages["accepted"] for each in both) == 200)
            assert all(each.messages["accepted"] for each in both)
        assert place.ask() == place.history([*place.before, *events])


# Of the others, see tests/crash/test_kill_ingest.py.
@pytest.mark.parametrize("broker", ["redis cluster"], indirect=True)
def test_a_killed_worker_goes_on_where_it_was_whatever_the_broker(broker, made):
    place = made(broker)
    events = [click(1_000 + n, f"u{n % 3}", MIDNIGHT + n * SECOND) for n in range(8_000)]
    spread(broker, events)
    killed, done = killed_while_ingesting(place, 3, random.Random(11), broker.partitions)
    assert (done["rejected"], done["gaps"], done["late"]) == (0, 0, 0)
    assert killed >= 1
    assert place.ask() == place.history([*place.before, *events])


def test_of_a_topic_in_place_of_another_everything_is_taken(made, tansu_server):
    events = [click(300 + n, f"u{n % 3}", MIDNIGHT + HOUR + n * SECOND) for n in range(60)]
    topics = []
    for _ in range(2):
        topics.append(Topic(tansu_server, f"ads-{uuid4().hex}"))
        make_topic(tansu_server, topics[-1].name)
    first, second = map(Kafka, topics)
    place = made(first)
    spread(first, events[:40])
    assert place.store.ingest(once=True)[0].accepted == 40
    spread(second, events[40:])  # fewer: positions of the first would be beyond the end
    of = source(stream=second.stream)
    place.store.apply([of, view(of)])
    (done,) = place.store.ingest(once=True)
    assert (done.accepted, done.gaps) == (20, 0)
    assert place.ask() == place.history([*place.before, *events])
