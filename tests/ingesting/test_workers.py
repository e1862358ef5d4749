"""Processes that ingest, by themselves and beside a server: supervised, told to end, and counted."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from headrace.clock import SECOND, SystemClock
from tests.ingesting.test_follow import MIDNIGHT, Place, click
from tests.server.serving import served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

PATIENCE = 60.0
WORKER = b"headrace.server.ingest_worker"


def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up
        os.sched_yield()


@contextlib.contextmanager
def ingesting(home: Path, *options: object) -> Iterator[subprocess.Popen[str]]:
    """`headrace ingest` while the block runs."""
    words = [sys.executable, "-m", "headrace.cli", "ingest", "--json", "--project", home, *options]
    with subprocess.Popen(
        list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def workers_of(home: Path) -> set[int]:
    """The processes that ingest a project."""
    found = set()
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = each.read_bytes().split(b"\0")
            if WORKER in words and os.fsencode(home) in words:
                found.add(int(each.parent.name))
    return found


def events(first: int, many: int) -> list[dict[str, Any]]:
    return [click(n, f"u{n % 3}", MIDNIGHT + n * SECOND) for n in range(first, first + many)]


def accepted(place: Place) -> int:
    """How many the host says."""
    return sum(each.messages.get("accepted", 0) for each in place.store.ingested().values())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "project")
    place.store.materialize(end=MIDNIGHT)
    yield place
    place.store.close()


@pytest.mark.parametrize("ends", [signal.SIGTERM, signal.SIGINT])
def test_several_workers_take_each_event_once_and_end_when_told(place: Place, ends: signal.Signals) -> None:
    all_ = events(1_000, 3_000)
    place.live(*all_)
    with ingesting(place.home, "--workers", 2) as process:
        until(lambda: len(workers_of(place.home)) == 2)
        until(lambda: accepted(place) == len(all_))
        process.send_signal(ends)
        told, problems = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, problems
    assert workers_of(place.home) == set()
    (done,) = json.loads(told)["sources"]
    assert (done["source"], done["accepted"], done["duplicates"]) == ("ads", 3_000, 0)
    assert place.ask() == place.history([*place.before, *all_])


def test_a_worker_that_dies_is_started_again_and_that_is_told(place: Place) -> None:
    all_ = events(1_000, 200)
    with ingesting(place.home, "--workers", 2) as process:
        place.live(*all_[:100])
        until(lambda: accepted(place) == 100)
        before = workers_of(place.home)
        for each in before:
            os.kill(each, signal.SIGKILL)
        place.live(*all_[100:])
        until(lambda: accepted(place) == 200)
        assert not before & workers_of(place.home)
        process.terminate()
        told, problems = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert problems.count("was killed by SIGKILL; it is started again in 0.5 s.") == 2
    assert json.loads(told)["sources"][0]["accepted"] == 200
    assert place.ask() == place.history([*place.before, *all_])


def test_workers_end_with_who_started_them(place: Place) -> None:
    with ingesting(place.home, "--workers", 2) as process:
        until(lambda: len(workers_of(place.home)) == 2)
        process.kill()
        until(lambda: not workers_of(place.home))


def test_a_name_that_is_wrong_is_told_at_once(place: Place) -> None:
    with ingesting(place.home, "adz", "--workers", 2) as process:
        _, problems = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "adz" in problems


def metrics(client: httpx.Client) -> dict[str, float]:
    """Samples of ingestion, as they are written."""
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith("headrace_ingest")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


OUTCOME = 'headrace_ingested_messages_total{{source="ads",outcome="{}"}}'


def test_a_server_ingests_and_tells_what_came_of_it(place: Place, tmp_path: Path) -> None:
    with (place.home / "headrace.toml").open("a", encoding="utf-8") as file:
        file.write("[serving]\ningest = true\n")
    now = SystemClock().now()
    fresh = [click(n, "u1", now - n * SECOND) for n in range(10)]
    with served(place.home, "--workers", 2, log=tmp_path / "log") as client:
        place.live(*fresh, *fresh[:4], b"{no json")
        until(lambda: metrics(client).get(OUTCOME.format("rejected")) == 1)
        asked = {"features": ["user_ads:clicks_1h"], "entities": {"user_id": ["u1"]}}
        answer = client.post("/get-online-features", json=asked).json()
        assert answer["results"][1]["values"] == [10]
        (worker,) = workers_of(place.home)
        os.kill(worker, signal.SIGKILL)
        place.live(*fresh[:3])
        until(lambda: metrics(client)[OUTCOME.format("duplicates")] == 7)
        found = metrics(client)
    assert found[OUTCOME.format("accepted")] == 10
    assert found['headrace_ingested_batches_total{source="ads"}'] >= 2
    assert found['headrace_ingest_waits{source="ads"}'] == 0
    assert found['headrace_ingest_visible_seconds_count{source="ads"}'] >= 1
    assert [name for name in found if name.startswith('headrace_ingest_behind{source="ads",partition="')]
    assert "was killed by SIGKILL" in (tmp_path / "log").read_text()
    assert workers_of(place.home) == set()


def test_a_server_tells_what_others_of_its_host_ingest(place: Place) -> None:
    place.live(*events(1_000, 5))
    with served(place.home) as client:
        assert metrics(client) == {}
        for many in (5, 8):
            place.store.ingest(once=True)
            assert metrics(client)[OUTCOME.format("accepted")] == many
            place.live(*events(2_000, 3))
        assert not [name for name in metrics(client) if "behind" in name]  # nobody reads now
