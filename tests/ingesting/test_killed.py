"""`headrace ingest` is killed while it takes a file, and goes on; tests/crash has its deaths step by step."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from headrace.clock import SECOND
from headrace.online.log import Log
from tests.ingesting.test_follow import MIDNIGHT, Place, click

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 3
EVENTS = 6_000
PATIENCE = 60.0


def ingesting(home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "headrace.cli", "ingest", "--once", "--json", "--project", str(home)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def killed_while_ingesting(
    place: Place, times: int, chance: random.Random, partitions: int = 1
) -> tuple[int, dict[str, Any]]:
    """Kill a worker so often, each time when it has taken another batch or two, wherever it is then.

    Returns:
        How often it was killed before it was done, and what the last one says, which nobody kills.
    """
    logs = [Log("ads", number) for number in range(1, 1 + partitions)]
    killed = 0
    for _ in range(times):
        child = ingesting(place.home)
        wanted = sum(log.next_offset(place.store.online) for log in logs) + chance.randint(1, 2)
        while child.poll() is None and sum(log.next_offset(place.store.online) for log in logs) < wanted:
            pass
        child.kill()
        child.communicate(timeout=PATIENCE)
        killed += child.returncode == -9
    last = ingesting(place.home)
    told, problems = last.communicate(timeout=PATIENCE)
    assert last.returncode == 0, problems.decode()
    (done,) = json.loads(told)["sources"]
    return killed, done


def test_kills_lose_nothing_and_count_nothing_twice(tmp_path):
    place = Place(tmp_path / "project")
    place.store.materialize(end=MIDNIGHT)
    events = [click(n, f"u{n % 3}", MIDNIGHT + n * SECOND) for n in range(1_000, 1_000 + EVENTS)]
    place.live(*events)
    killed, done = killed_while_ingesting(place, KILLS, random.Random(7))
    assert done["source"] == "ads"
    assert killed >= KILLS // 2
    assert place.ask() == place.history([*place.before, *events])
    place.store.close()
