"""`python -m tests.soak [--minutes 10] [--workers 2] [--redis]`: mixed load at 70 % of saturation."""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from tests.server.serving import served
from tests.services.redis import redis
from tests.soak.asking import Asking
from tests.soak.recognised import build

SHARE = 0.7
SATURATING = 5.0
"""Seconds for which saturation is measured; the first of two measurements warms up."""
CHANGE_EVERY = 3.0
"""Seconds between two loads."""
GROWTH = 0.1
"""The share by which the memory of a process may grow after the first third of the time."""


def main(arguments: list[str]) -> int:
    """Run it; 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(prog="tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--redis", action="store_true", help="serve from Redis instead of LMDB")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    told, wrong = run(chosen.minutes * 60, chosen.workers, chosen.seed, with_redis=chosen.redis)
    for line in [*told, *wrong]:
        print(line)  # noqa: T201 - what it is run for
    return bool(wrong)


def run(
    seconds: float, workers: int, seed: int, *, with_redis: bool, measured: bool = True
) -> tuple[list[str], list[str]]:
    """Serve a project under mixed load; what there is to tell, and what was wrong.

    Args:
        seconds: How long.
        workers: How many processes answer.
        seed: Draws the requests.
        with_redis: Whether Redis is served from instead of the embedded store.
        measured: Whether memory that grows is wrong: not so where the time is too short to tell.
    """
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hr-soak-")))
        online = [f'url = "{stack.enter_context(redis())}"'] if with_redis else []
        project = build(home / "recognised", online)
        client = stack.enter_context(served(project, "--workers", workers))
        port = client.base_url.port
        assert port is not None
        asking = Asking(port, seed)
        rate, memory, changed = asyncio.run(_drive(asking, project, port, seconds))
        last = asyncio.run(asking.last())
    late = np.array(asking.late) * 1_000
    p50, p99, most = np.quantile(late, [0.5, 0.99, 1.0])
    store = "Redis" if with_redis else "LMDB"
    told = [
        f"{len(late):,} requests at {rate:,.0f}/s for {seconds:,.0f} s, {workers} workers, {store}",
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {most:.0f} ms, from when a request was due",
        f"{asking.pushes} pushes, {changed['loads']} loads, {changed['versions']} versions of the service",
        f"{asking.names[2]:,} answers of one view, {asking.names[4]:,} of both, {asking.wrong} wrong",
    ]
    wrong = [f"{asking.wrong} wrong answers: {asking.failures}"] if asking.wrong else []
    if (last.counts, last.again, last.pushes) != (changed["loads"], changed["loads"], asking.pushes):
        wrong.append(f"In the end {last} is seen of {changed} and {asking.pushes} pushes.")
    for process, samples in memory.items():
        held = np.array(samples[len(samples) // 3 :])
        slope = np.polyfit(np.arange(len(held)), held, 1)[0] * 60 if len(held) > 1 else 0.0
        fifths = " ".join(f"{samples[len(samples) * fifth // 5]:.1f}" for fifth in range(5))
        told.append(
            f"process {process}: {fifths} {held[-1]:.1f} MB of its own by and by, {slope:+.2f} a minute"
        )
        if measured and slope / 60 * len(held) > GROWTH * held[0]:
            wrong.append(f"Process {process} grows: {held[0]:.1f} MB to {held[-1]:.1f} MB.")
    return told, wrong


async def _drive(
    asking: Asking, project: Path, port: int, seconds: float
) -> tuple[float, dict[int, list[float]], dict[str, int]]:
    """The rate, the memory of each process of the server second by second, and what was changed meanwhile."""
    changing = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.soak.changing",
        str(project),
        str(CHANGE_EVERY),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    for _ in range(2):
        saturated = await asking.saturate(min(SATURATING, seconds / 4))
    memory: dict[int, list[float]] = {}
    watching = asyncio.create_task(_watch(memory, port))
    await asking.at_rate(SHARE * saturated, seconds)
    watching.cancel()
    said, _ = await changing.communicate(b"")
    if changing.returncode:
        asking.wrong += 1
        asking.failures.append("what loads and applies has failed")
        return SHARE * saturated, memory, {"loads": 0, "versions": 0}
    return SHARE * saturated, memory, json.loads(said)


async def _watch(memory: dict[int, list[float]], port: int) -> None:
    """Note the megabytes that each process of the server holds for itself, every second."""
    processes = processes_of(port)
    while True:
        for process in processes:
            memory.setdefault(process, []).append(own(process))
        await asyncio.sleep(1)


def processes_of(port: int) -> list[int]:
    """The server on a port, and its workers."""
    listed = [Path(f"/proc/{each.name}") for each in Path("/proc").iterdir() if each.name.isdigit()]
    words = {int(each.name): _read(each / "cmdline").split(b"\0") for each in listed}
    served_by = {number for number, line in words.items() if b"serve" in line and b"%d" % port in line}
    parents = {int(each.name): _parent(each) for each in listed}
    of = {number for number, parent in parents.items() if parent in served_by}
    of |= {number for number, parent in parents.items() if parent in of}
    return sorted(number for number in served_by | of if own(number) > 0)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


def _parent(process: Path) -> int:
    lines = [line for line in _read(process / "status").splitlines() if line.startswith(b"PPid:")]
    return int(lines[0].split()[1]) if lines else 0


def own(process: int) -> float:
    """Megabytes that a process holds and shares with nobody: not what it has mapped of the store's file."""
    lines = _read(Path(f"/proc/{process}/status")).splitlines()
    return next((int(line.split()[1]) / 1_000 for line in lines if line.startswith(b"RssAnon:")), 0.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
