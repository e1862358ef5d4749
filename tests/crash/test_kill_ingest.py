"""`kill -9` of workers at every step of a batch of a stream, and at any moment: each event counts once."""

from __future__ import annotations

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.crash import impressions
from tests.crash.nursery import nursery
from tests.effort import SOAKING
from tests.ingesting.brokers import Kafka, Lines, Redis, redis_at
from tests.services.kafka import Topic, make_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.crash.nursery import Life, Nursery
    from tests.ingesting.brokers import Broker

pytestmark = [pytest.mark.soak, pytest.mark.xdist_group("kill")]

BROKERS = ["lines", "tansu", "redis"]
KILLS = 200 if SOAKING else 10
EVENTS = 333_334 if SOAKING else 4_000
"""Events through each broker: a million through the three of them in `make soak`."""
FEW = 1_500
MANY = 100_000 if SOAKING else 6_000
WORKERS, LIVES, PIECES = (4, 4, 100) if SOAKING else (2, 2, 10)
PATIENCE = 60.0

STEPS = [
    ("after lock", 2),  # the seat, then a partition
    ("before commit", 1),  # of the take-over
    ("after commit", 1),
    ("after begin of a partition", 1),
    ("after read", 2),
    ("before begin", 3),  # read, decoded, judged
    ("after in transaction: put", 6),
    ("before in transaction: put", 9),
    ("before commit", 3),
    ("after commit", 3),  # the broker does not know yet
    ("before done", 2),
    ("after done", 2),
]
"""Where a worker dies; each comes again and again in `make soak`, and moments are drawn between them."""


@pytest.fixture
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """One of the `BROKERS`."""
    kind: str = request.param
    if kind == "redis":
        with redis_at(request.getfixturevalue("redis_url")) as found:
            yield found
    else:
        yield (
            Lines(tmp_path / "project") if kind == "lines" else Kafka(request.getfixturevalue("tansu_topic"))
        )


@pytest.fixture(scope="module")
def children() -> Iterator[Nursery]:
    with nursery() as process:
        yield process


def right(directory: Path, what: impressions.Events) -> impressions.Found:
    """Fails unless what is served is what history says; the figures."""
    with impressions.opened(directory) as store:
        store.ingest(once=True)
        found = impressions.found(store, directory, what)
    assert (found.lost, found.doubled, found.differing) == (0, 0, [])
    return found


@pytest.mark.parametrize("broker", BROKERS, indirect=True)
def test_each_event_counts_once_however_often_workers_die(
    broker: Broker, children: Nursery, tmp_path: Path, seed: int
) -> None:
    directory, what, draw = tmp_path / "project", impressions.events(EVENTS, seed), random.Random(seed)
    impressions.build(directory, broker, what, named=isinstance(broker, Redis))
    steps = draw.sample(STEPS, len(STEPS))
    killed = lives = 0
    while killed < KILLS:
        assert lives < KILLS * 2, "there is too little left to die over"
        if lives % 4 == 3:
            life = children.child("ingest", directory, "host", kill_after=draw.random() / 4)
        else:
            life = children.child("ingest", directory, "host", fatal=steps[killed % len(steps)])
        killed, lives = killed + life.killed, lives + 1
    found = right(directory, what)
    told = f"{broker.stream}: {killed} kills, {len(what.after)} events, {found.items} items"
    print(f"{told}: {found.lost} lost, {found.doubled} counted twice")  # noqa: T201 - the figures to report


def stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal."""
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - no file to speak of
        return file.read().rpartition(b")")[2].split()[0] == b"T"


def until(holds: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def paused(directory: Path, worker: str) -> int:
    """The process of a worker, once it has stopped."""
    file = directory / f"pid {worker}"
    until(lambda: file.exists() and file.read_text() and stopped(int(file.read_text())))
    return int(file.read_text())


PAUSES = [("before begin", 3), ("after commit", 3), *([("after read", 2), ("before done", 2)] * SOAKING)]


@pytest.mark.parametrize("step", PAUSES, ids=str)
def test_a_worker_that_comes_back_after_another_took_its_partition_writes_nothing_more(
    step: tuple[str, int], children: Nursery, tmp_path: Path, seed: int
) -> None:
    directory, broker, what = tmp_path / "project", Lines(tmp_path / "project"), impressions.events(FEW, seed)
    impressions.build(directory, broker, what)
    with nursery() as elsewhere, ThreadPoolExecutor(1) as beside:
        old = beside.submit(elsewhere.child, "ingest", directory, "old", pause=step)
        pid = paused(directory, "old")
        new: Life = children.child("ingest", directory, "new")
        os.kill(pid, signal.SIGCONT)
        counts = old.result()["counts"]
    assert new["counts"]["failures"] == 0
    assert counts["failures"] == 1
    assert counts["accepted"] + new["counts"]["accepted"] == len(what.after)
    right(directory, what)


def test_a_worker_takes_over_from_one_that_dies_in_the_middle_of_a_flush(
    children: Nursery, tmp_path: Path, seed: int
) -> None:
    directory, broker, what = tmp_path / "project", Lines(tmp_path / "project"), impressions.events(FEW, seed)
    impressions.build(directory, broker, what)
    with nursery() as elsewhere, ThreadPoolExecutor(1) as beside:
        old = beside.submit(
            elsewhere.child, "ingest", directory, "old", pause=("after in transaction: put", 6)
        )
        pid = paused(directory, "old")
        with ThreadPoolExecutor(1) as waiting:
            new = waiting.submit(children.child, "ingest", directory, "new")
            until((directory / "locks" / "new").exists)  # it waits for the store's writer, who stands still
            os.kill(pid, signal.SIGKILL)
            counts = new.result()["counts"]
        assert old.result().killed
    assert counts["accepted"] >= len(what.after) // 2
    right(directory, what)


@pytest.fixture(params=["tansu", *["redis"] * SOAKING])
def wide(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A broker with more partitions than workers."""
    if request.param == "redis":
        with redis_at(request.getfixturevalue("redis_url"), partitions=5) as found:
            yield found
    else:
        place, name = request.getfixturevalue("tansu_server"), f"ads-{uuid4().hex}"
        make_topic(place, name, 5)
        yield Kafka(Topic(place, name), partitions=5)


LEAVING = [
    ("before let go", 1),
    ("after let go", 1),
    ("after end of a partition", 1),
    ("before commit", 4),
    None,
]
"""Where a worker dies, or that it goes in peace."""


def test_workers_that_come_and_go_leave_what_one_leaves(wide: Broker, tmp_path: Path, seed: int) -> None:
    directory, alone = tmp_path / "many", tmp_path / "alone"
    what, draw = impressions.events(MANY, seed), random.Random(seed)
    impressions.build(directory, wide, what._replace(after=[]), named=True)

    def work(process: Nursery, deaths: Sequence[tuple[str, int] | None]) -> list[Life]:
        return [process.child("ingest", directory, "host", 1.5, fatal=each) for each in deaths]

    with ExitStack() as open_:
        watched = open_.enter_context(impressions.opened(directory))
        processes = [open_.enter_context(nursery()) for _ in range(WORKERS)]
        pool = open_.enter_context(ThreadPoolExecutor(WORKERS))
        works = [pool.submit(work, each, [*draw.sample(LEAVING, LIVES), None]) for each in processes]
        for part in range(PIECES):
            taken = impressions.taken(watched)[0]
            impressions.send(wide, what.after[part::PIECES], copies=True)
            until(lambda: impressions.taken(watched)[0] > taken or all(each.done() for each in works))  # noqa: B023
        lives = [life for each in works for life in each.result()]
        batches, begun = impressions.taken(watched)
    impressions.build(alone, wide, what._replace(after=[]), named=True)
    right(directory, what)
    right(alone, what)
    with impressions.opened(directory) as many, impressions.opened(alone) as one:
        assert impressions.states(many) == impressions.states(one)
    assert begun > wide.partitions, "none was ever handed over"
    told = (
        f"{wide.stream}: {WORKERS} workers, {len(lives)} lives, {sum(life.killed for life in lives)} killed"
    )
    print(f"{told}, {batches} batches; a partition was begun {begun} times")  # noqa: T201 - the figures
