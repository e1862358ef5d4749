"""Readers in other processes go on while one process loads and another pushes; an answer is of one state."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

import pytest

from headrace.errors import ConflictError
from tests.crash import traffic_child as traffic
from tests.effort import SOAKING

ROOT = Path(__file__).parents[2]
LOADS, PUSHES = (36, 400) if SOAKING else (3, 10)


class Worker:
    """A process of `traffic_child`; talks by lines."""

    def __init__(self, verb: str, directory: Path, number: int = 0) -> None:
        command = [sys.executable, "-m", "tests.crash.traffic_child", verb, str(directory), str(number)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def hear(self, word: str) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            assert self.process.stderr
            pytest.fail(self.process.stderr.read())
        said, about = json.loads(line)
        assert said == word
        return about

    def stop(self) -> None:
        assert self.process.stdin
        with suppress(BrokenPipeError):  # it has died; `hear` tells of what
            self.process.stdin.write("\n")
            self.process.stdin.flush()


@pytest.mark.soak
def test_readers_go_on_during_loads_and_pushes(tmp_path: Path) -> None:
    traffic.prepare(tmp_path)
    with ExitStack() as stack:
        readers = [stack.enter_context(Worker("reader", tmp_path)) for _ in range(2)]
        for reader in readers:
            reader.hear("reading")
        writers = [
            stack.enter_context(Worker("loader", tmp_path, LOADS)),
            stack.enter_context(Worker("pusher", tmp_path, PUSHES)),
        ]
        for writer in writers:
            writer.hear("done")
        found = []
        for reader in readers:
            reader.stop()
            found.append(reader.hear("done"))
    for each in found:
        assert each["seen"][0] == [1, 1, 0]
        assert len(each["seen"]) > LOADS // 2  # they were there while it went on
    with traffic.opened(tmp_path) as store:
        answer = store.get_online_features(traffic.FEATURES, {"user_id": traffic.USERS}).to_dict()
    assert traffic.understood(answer) == (LOADS + 1, LOADS + 1, PUSHES)
    reads, states = sum(each["reads"] for each in found), sum(len(each["seen"]) for each in found)
    print(f"{reads} reads of {states} states during {LOADS} loads and {PUSHES} pushes")  # noqa: T201


def test_of_two_loads_of_a_view_at_once_the_later_counts(tmp_path: Path) -> None:
    traffic.prepare(tmp_path)
    first = traffic.opened(tmp_path)
    begun = []

    def another(_view: str, _share: float) -> None:
        """When the first load has written its records, another begins and ends."""
        if not begun:
            begun.append(1)
            with traffic.opened(tmp_path) as second:
                second.materialize(end=traffic.START + 3 * traffic.DAY)

    with pytest.raises(ConflictError, match="Another load of counts@1 began"):
        first.materialize(end=traffic.START + 2 * traffic.DAY, progress=another)
    answer = first.get_online_features(traffic.FEATURES, {"user_id": traffic.USERS}).to_dict()
    assert traffic.understood(answer) == (3, 3, 0)
    first.materialize(end=traffic.START + 4 * traffic.DAY)
    answer = first.get_online_features(traffic.FEATURES, {"user_id": traffic.USERS}).to_dict()
    assert traffic.understood(answer) == (4, 4, 0)
