"""Workers of a host share the partitions of a stream by locks on files."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from headrace.clock import SystemClock
from headrace.online.ingestion import Ingestion
from headrace.online.shares import Share
from headrace.stores.locks import FileLocks
from headrace.stores.memory import MemoryStore
from headrace.streams.json_lines import JsonLinesFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ["0", "1", "2", "3", "4"]


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Share]]:
    workers = [Share(FileLocks(tmp_path / "ingest")) for _ in range(3)]
    yield workers
    for worker in workers:
        worker.leave()
        for name in NAMES:
            worker.let_go(name)


def test_one_worker_has_all(workers):
    assert workers[0].of(NAMES) == set(NAMES)


def test_several_have_all_and_none_twice(workers):
    for worker in workers:
        worker.of(NAMES)  # each has taken a seat
    shares = [worker.of(NAMES) for worker in workers]
    assert sorted(name for share in shares for name in share) == NAMES
    assert {len(share) for share in shares} == {1, 2}


def test_what_a_worker_leaves_falls_to_the_others(workers):
    for worker in workers:
        worker.of(NAMES)
    workers[1].leave()
    shares = [workers[0].of(NAMES), workers[2].of(NAMES)]
    assert sorted(name for share in shares for name in share) == NAMES
    assert workers[1].of([]) == set(), "it takes a free seat again"


def test_a_partition_is_taken_once_it_was_let_go(workers):
    first, second, _ = workers
    assert first.take("0")
    assert first.take("0"), "it has it"
    assert not second.take("0")
    assert second.take("1")
    first.let_go("0")
    assert second.take("0")


def test_locks_end_with_who_held_them(tmp_path):
    locks = FileLocks(tmp_path / "ingest")
    assert locks.is_free("a")
    other = FileLocks(tmp_path / "ingest")
    assert other.take("a")
    assert not locks.is_free("a")
    other.let_go("a")
    assert locks.is_free("a")


class _Waited(threading.Event):
    """An end that comes once somebody has waited for it, and whom nobody may ask for ever."""

    asked = 0

    def is_set(self) -> bool:
        self.asked += 1
        assert self.asked < 10, "it turns round and round without a wait"
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout, "it waits"
        self.set()
        return True


def test_a_worker_to_whom_nothing_falls_waits(tmp_path, workers):
    path = tmp_path / "ads.jsonl"
    path.write_bytes(b"{}\n")
    workers[0].of(["ads.jsonl"])  # it has the first seat, and so the only partition
    taken: list[object] = []
    lane = Ingestion(
        "ads",
        lambda: JsonLinesFile(path),
        lambda: taken.append("asked"),
        MemoryStore(SystemClock()),
        workers[1],
        SystemClock(),
        lambda: 0,
    )
    lane.run(_Waited())
    assert not taken
    assert not lane.counts.failures
