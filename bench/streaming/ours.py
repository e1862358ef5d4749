"""Headrace's side: `FeatureStore.ingest` of a file or a topic, ten features of three windows a user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import headrace as hr
from bench.inputs import CACHE, START_US
from bench.rivals.in_redis import URL, a_redis
from bench.serving.loaded import tail
from bench.streaming.broker import topic_of
from bench.streaming.events import SPAN_US, messages
from headrace import agg
from headrace.clock import SECOND, FixedClock, SystemClock
from headrace.online.source import SourceStream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from headrace.clock import Clock
    from headrace.online.ingestion import Taken

WINDOWS: Final = ["1h", "1d", "30d"]
SECONDS: Final = 20
"""How long the latency is looked at."""
SETTLING: Final = 5
"""Seconds at the beginning that are not: files are opened, batches find their size."""
TRIAL: Final = 200_000
"""Events that tell the most a second, of which the latency is measured at half."""


def from_file(*, events: int, users: int, zipf: bool = False, redis: bool = False) -> Callable[[], object]:
    """Take all events of a file."""
    if redis:
        os.environ[URL] = a_redis()
    home = _home()
    with (home / "ads.jsonl").open("wb") as file:
        file.writelines(each + b"\n" for _, each in messages(events, users, zipf=zipf))
    return _ingesting(home, hr.JsonLinesStream("ads.jsonl"), events)


def from_topic(*, events: int, users: int) -> Callable[[], object]:
    """Take all events of a topic on a broker of its own."""
    brokers, topic = topic_of(messages(events, users, zipf=False))
    return _ingesting(_home(), hr.KafkaStream(topic, brokers=brokers), events)


def _ingesting(home: Path, stream: object, events: int) -> Callable[[], object]:
    store = _store(home, stream, FixedClock(START_US + SPAN_US))

    def ingest() -> None:
        (done,) = store.ingest(once=True)
        if done.accepted != events:
            raise AssertionError(f"{done.accepted} of {events} events were taken")

    return ingest


def _store(home: Path, stream: object, clock: Clock) -> hr.FeatureStore:
    user = hr.Entity("user", join_keys={"user_id": "string"})
    schema = {
        "user_id": "string", "ts": "timestamp", "id": "string",
        "event": "string", "price": "decimal(12,4)", "ad_id": "int64",
    }  # fmt: skip
    source = hr.EventSource("ads", schema=schema, timestamp="ts", event_id="id", stream=stream)
    features = [
        agg.count("impressions", where="event = 'impression'", windows=WINDOWS),
        agg.count("clicks", where="event = 'click'", windows=WINDOWS),
        agg.sum("spend", "price", windows=WINDOWS),
        agg.min("least", "price", windows=WINDOWS),
        agg.max("most", "price", windows=WINDOWS),
        agg.mean("average", "price", windows=WINDOWS),
        agg.count("n", windows=WINDOWS),
        agg.last("last_ad", "ad_id", windows=WINDOWS),
        agg.first("first_ad", "ad_id", windows=WINDOWS),
        agg.sum("ads", "ad_id", windows=WINDOWS),
    ]
    store = hr.FeatureStore(home, clock=clock)
    store.apply([source, hr.AggregateView("user_ads", entity=user, source=source, features=features)])
    return store


def _home() -> Path:
    home = CACHE / f"streaming-{os.getpid()}"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / "headrace.toml").write_text('[project]\nname = "bench"\n')
    return home


class _Visible:
    """How old some events were when they became visible, seconds."""

    def __init__(self, clock: Clock) -> None:
        self.ages: list[float] = []
        self._clock = clock
        self._take = SourceStream.take

    def take(self, *arguments: Any) -> Taken:
        """Look at the clock when a batch is in the store."""
        taken = self._take(*arguments)
        now = self._clock.now()
        self.ages += [(now - at) / SECOND for at in taken.times]
        return taken


def latency(*, users: int) -> Callable[[], object]:
    """From an event's time until it is visible, where events come half as fast as they could be taken."""
    clock, home = SystemClock(), _home()
    trial = from_file(events=TRIAL, users=users)
    begun = time.perf_counter()
    trial()
    rate = int(TRIAL / (time.perf_counter() - begun) / 2)
    path = _home() / "ads.jsonl"
    path.touch()
    store = _store(home, hr.JsonLinesStream("ads.jsonl"), clock)
    visible = _Visible(clock)

    def take(stream: SourceStream, *arguments: Any) -> Taken:
        return visible.take(stream, *arguments)

    SourceStream.take = take  # type: ignore[method-assign]

    def look() -> object:
        words = [sys.executable, "-m", "bench.streaming.writer", path, rate, users, SETTLING + SECONDS]
        done = threading.Event()
        following = threading.Thread(target=store.ingest, kwargs={"done": done})
        following.start()
        with subprocess.Popen(list(map(str, words))) as writer:
            time.sleep(SETTLING)
            visible.ages.clear()
            writer.wait()
        done.set()
        following.join()
        return Seen(visible.ages, rate)

    return look


class Seen:
    """The ages of events when they became visible."""

    def __init__(self, ages: list[float], rate: int) -> None:
        """Ages in seconds, of so many events a second."""
        self._tail = tail(ages, len(ages) / rate)

    def answer(self) -> dict[str, Any]:
        """The sample: its seconds are those that one of a hundred events took longer than."""
        return {"seconds": self._tail.p99, "processor_seconds": 0.0, "p99": self._tail.p999}
