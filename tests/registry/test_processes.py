"""Several threads and processes on one registry: at once, killed in the middle, forked."""

from __future__ import annotations

import contextlib
import random
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headrace.catalogs.sql import SqlCatalog
from headrace.clock import FixedClock
from headrace.errors import ConflictError
from headrace.registry.registry import Registry
from tests.children import started
from tests.registry.registry_child import VIEWS, number_of, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from tests.children import Child

CHILD = Path(__file__).with_name("registry_child.py")
THREADS = 8
ROUNDS = 6


def child(verb: str, url: str, number: int = 0) -> AbstractContextManager[Child]:
    """A process that runs one verb of registry_child.py."""
    return started(CHILD, verb, url, number)


@contextlib.contextmanager
def opened(url: str, who: str = "ana") -> Iterator[Registry]:
    with contextlib.closing(SqlCatalog(url)) as catalog:
        yield Registry(catalog, FixedClock(0), who)


def test_of_many_threads_that_apply_at_once_one_wins_each_round(url: str) -> None:
    start = threading.Barrier(THREADS, timeout=60)
    won: list[tuple[int, str]] = []
    lost: list[tuple[int, ConflictError]] = []

    def take_part(who: str) -> None:
        with opened(url, who) as registry:
            for round_ in range(1, ROUNDS + 1):
                plan = registry.plan(state_of(round_))
                start.wait()
                try:
                    won.append((registry.apply(plan).counter, who))
                except ConflictError as error:
                    lost.append((round_, error))
                start.wait()
                assert number_of(registry) == round_

    threads = [threading.Thread(target=take_part, args=(f"t{number}",)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = dict(won)
    assert sorted(counter for counter, _ in won) == list(range(1, ROUNDS + 1))
    assert len(lost) == (THREADS - 1) * ROUNDS
    for round_, error in lost:
        assert f"{winners[round_]}: add view v0@{round_}" in error.message
    with opened(url) as registry:
        assert {(each.counter, each.who) for each in registry.audit()} == set(won)


def test_of_two_processes_that_apply_at_once_one_wins_each_round(url: str) -> None:
    with child("race", url, ROUNDS) as one, child("race", url, ROUNDS) as two, opened(url) as registry:
        for round_ in range(1, ROUNDS + 1):
            assert (one.hear(), two.hear()) == ("ready", "ready")
            one.go_on()
            two.go_on()
            lost, won = sorted([one.hear(), two.hear()])
            assert won == f"won {round_}"
            assert lost.startswith("lost The registry changed meanwhile (process ")
            assert number_of(registry) == round_
            one.go_on()
            two.go_on()


def test_killed_after_any_statement_an_apply_is_whole_or_not_at_all(url: str) -> None:
    with opened(url) as registry:
        registry.apply(state_of(1))
        with child("die_at_each_step", url) as applying:
            steps = []
            while not steps or steps[-1] != 0:
                _, ended = map(int, applying.hear().split())
                steps.append(ended)
                assert number_of(registry) == (2 if ended == 0 else 1)
                applying.go_on()
    assert set(steps[:-1]) == {-9}
    assert len(steps) > 6  # the counter, revisions, declared, active, audit, commit


def test_killed_at_any_moment_nothing_acknowledged_is_lost(url: str, seed: int) -> None:
    moments = random.Random(seed)
    with opened(url) as registry:
        for _ in range(4):
            told = before = number_of(registry)
            with child("apply_on_and_on", url) as applying:
                for _ in range(moments.randrange(1, 4)):
                    told = int(applying.hear())
                applying.process.kill()
                applying.process.wait()
                rest, _ = applying.process.communicate()
            told = max([told, *map(int, rest.split())])
            assert number_of(registry) in {told, told + 1}
            assert told > before


def test_many_processes_may_open_a_registry_that_is_not_there_yet(url: str) -> None:
    with child("open_at_once", url, 8) as opening:
        assert opening.hear() == " ".join(["0"] * 8)


def test_a_forked_process_uses_connections_of_its_own(url: str) -> None:
    with child("fork_with_it_open", url) as forking:
        assert [forking.hear() for _ in range(3)] == ["0", "2", "3"]


@pytest.mark.parametrize("size", [100_000, 300_000])
def test_a_full_disk_stops_an_apply_whole(tmp_path: Path, size: int) -> None:
    url = f"sqlite:///{tmp_path}/registry.db"
    with child("with_little_disk", url, size) as applying:
        number, _, error = applying.hear().partition(" ")
    assert "the disk is full or failing" in error
    assert "Make room on the disk" in error
    with opened(url) as registry:
        assert number_of(registry) == int(number)
        registry.apply(state_of(int(number) + 1))
        assert len(registry.list()) == VIEWS + 1
