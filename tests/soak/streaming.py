"""`python -m tests.soak.streaming [--minutes 30]`: serving, ingestion and loads at once, all checked.

A server answers while two workers follow a file that grows and a process loads again and again. In the end
everything served is computed once more from the batch, which by then has all events: nothing may differ
without a cause, and what differs because ingestion was behind must be rare.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tests.server.serving import served
from tests.soak.__main__ import GROWTH, own, processes_of
from tests.soak.asking import Connection
from tests.soak.clicks import RATE, USERS, build

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RATE_ASKED = 20
"""Requests a second."""
USERS_ASKED = 10
CONNECTIONS = 4
LOAD_EVERY = 20.0
LAGGING = 0.001
"""The share of values that may differ because ingestion was behind."""
LAG = "ingestion lag"
SERVERS, INGESTERS = 2, 2
JUDGED = 65.0
"""Seconds after which all that was served is judged: the source's lateness and some."""


def main(arguments: list[str]) -> int:
    """Run it; 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(prog="tests.soak.streaming", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    told, wrong = run(chosen.minutes * 60, chosen.seed)
    for line in [*told, *wrong]:
        print(line)  # noqa: T201 - what it is run for
    return bool(wrong)


def run(seconds: float, seed: int, *, judged: float = JUDGED) -> tuple[list[str], list[str]]:
    """Serve a project whose stream is followed; what there is to tell, and what was wrong.

    Args:
        seconds: How long.
        seed: Draws events and requests.
        judged: Seconds to wait before what was served is judged.
    """
    with tempfile.TemporaryDirectory(prefix="hr-soak-") as home:
        project = build(Path(home) / "clicks", seed)
        asked, events, loads = _served(project, seconds, seed)
        time.sleep(judged)
        words = [sys.executable, "-m", "headrace.cli", "consistency", "--project", project, "--json"]
        checked = subprocess.run(words, capture_output=True, text=True, check=False)
        report = json.loads(checked.stdout)
    told = [
        f"{asked.answered:,} requests, {events:,} events, {loads} loads in {seconds:,.0f} s",
        f"{report['compared']:,} values compared, {report['waiting']} waiting",
        f"{report['mismatched']} differ: {_causes(report)}",
        f"online store: {_fifths(asked.stored)} MB",
    ]
    wrong = [*asked.failures[:5], *_judged(report)]
    for process, samples in asked.memory.items():
        held = np.array(samples[len(samples) // 3 :])
        slope = float(np.polyfit(np.arange(len(held)), held, 1)[0]) * 60 if len(held) > 1 else 0.0
        told.append(f"process {process}: {_fifths(samples)} MB of its own, {slope:+.2f} a minute")
        if slope / 60 * len(held) > GROWTH * held[0] and seconds >= 300:
            wrong.append(f"Process {process} grows: {held[0]:.1f} MB to {held[-1]:.1f} MB.")
    return told, wrong


def _fifths(samples: Sequence[float]) -> str:
    """What was seen by and by, and in the end."""
    return " ".join(f"{samples[len(samples) * fifth // 5]:.1f}" for fifth in range(5)) + f" {samples[-1]:.1f}"


def _causes(report: dict[str, Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for view in report["views"]:
        for cause, many in view["causes"].items():
            found[cause] = found.get(cause, 0) + many
    return found


def _judged(report: dict[str, Any]) -> list[str]:
    """What is wrong with what was served."""
    causes = _causes(report)
    wrong = [f"{many} values differ: {cause}" for cause, many in causes.items() if cause != LAG]
    if causes.get(LAG, 0) > LAGGING * report["compared"]:
        wrong.append(f"{causes[LAG]} of {report['compared']} values differ because ingestion was behind")
    if wrong:
        wrong += [str(each) for view in report["views"] for each in view["examples"][:5]]
    if not report["compared"]:
        wrong.append("nothing was compared")
    return wrong


class Asked:
    """Who asks, and what came of it.

    Attributes:
        answered: Answers.
        failures: What was no answer.
        memory: Megabytes that each process held, second by second.
        stored: Megabytes of the online store's file, second by second.
    """

    def __init__(self, port: int, seed: int, store: Path) -> None:
        """Of a server on this host, and the directory of its store."""
        self._port = port
        self._store = store
        self.stored: list[float] = []
        self._drawn = random.Random(f"{seed} asked")
        self.answered = 0
        self.failures: list[str] = []
        self.memory: dict[int, list[float]] = {}

    async def ask(self, seconds: float, processes: Sequence[int]) -> None:
        """Ask at a rate for so long, and look at processes meanwhile."""
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CONNECTIONS):
                tasks.create_task(self._on_connection(until))
            while time.monotonic() < until:
                for process in processes:
                    self.memory.setdefault(process, []).append(own(process))
                self.stored.append(sum(path.stat().st_size for path in self._store.iterdir()) / 1e6)
                await asyncio.sleep(1)

    async def _on_connection(self, until: float) -> None:
        connection = Connection(*await asyncio.open_connection("127.0.0.1", self._port))
        due = time.monotonic()
        while due < until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += CONNECTIONS / RATE_ASKED
            users = [f"u{self._drawn.randrange(USERS + 100)}" for _ in range(USERS_ASKED)]
            body = msgspec.json.encode({"feature_service": "soak", "entities": {"user_id": users}})
            status, told = await connection.post("/get-online-features", body)
            if status == 200:
                self.answered += 1
            else:
                self.failures.append(f"{status} {told[:300]!r}")
        await connection.close()


def _served(project: Path, seconds: float, seed: int) -> tuple[Asked, int, int]:
    """Serve, ingest and load for so long; who asked, how many events and loads there were."""
    with ExitStack() as stack:
        client = stack.enter_context(served(project, "--workers", SERVERS))
        port = client.base_url.port
        assert port is not None
        words = ("headrace.cli", "ingest", "--project", project)
        ingesters = [stack.enter_context(_child(*words)) for _ in range(INGESTERS)]
        writing = stack.enter_context(_child("tests.soak.clicks", project, RATE, seed))
        loading = stack.enter_context(_child("tests.soak.loading", project, LOAD_EVERY))
        asked = Asked(port, seed, project / ".headrace" / "online")
        asyncio.run(asked.ask(seconds, [*processes_of(port), *(each.pid for each in ingesters)]))
        events, loads = (json.loads(each.communicate()[0]) for each in (writing, loading))
        for each in ingesters:
            each.terminate()
            each.wait()
    return asked, events["events"], loads["loads"]


@contextmanager
def _child(module: str, *words: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends when its standard input does, or is killed in the end."""
    command = [sys.executable, "-m", module, *map(str, words)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
