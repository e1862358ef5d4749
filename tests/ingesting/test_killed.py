"""`headrace ingest` is killed again and again while it takes a file: each event counts once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING

from headrace.clock import SECOND
from headrace.online.log import Log
from tests.ingesting.test_follow import MIDNIGHT, Place, click

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 6
EVENTS = 20_000
PATIENCE = 60.0


def ingesting(home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "headrace.cli", "ingest", "--once", "--json", "--project", str(home)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_kills_lose_nothing_and_count_nothing_twice(tmp_path):
    place = Place(tmp_path / "project")
    place.store.materialize(end=MIDNIGHT)
    events = [click(n, f"u{n % 3}", MIDNIGHT + n * SECOND) for n in range(1_000, 1_000 + EVENTS)]
    place.live(*events)
    chance = random.Random(7)
    log, killed = Log("ads", 1), 0
    for _ in range(KILLS):
        child = ingesting(place.home)
        # until it has taken another batch or two, wherever it is then
        wanted = log.next_offset(place.store.online) + chance.randint(1, 2)
        while child.poll() is None and log.next_offset(place.store.online) < wanted:
            pass
        child.kill()
        child.communicate(timeout=PATIENCE)
        killed += child.returncode == -9
    last = ingesting(place.home)
    told, problems = last.communicate(timeout=PATIENCE)
    assert last.returncode == 0, problems.decode()
    assert json.loads(told)["sources"][0]["source"] == "ads"
    assert killed >= KILLS // 2
    assert place.ask() == place.history([*place.before, *events])
    place.store.close()
