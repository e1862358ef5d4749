"""Servers in processes of their own: started, awaited, ended, and asked what processor time they took."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["free_port", "processor_seconds", "serving"]

START_SECONDS = 90.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.05
PROCESSES = Path("/proc")


def free_port() -> int:
    """A port of the loopback address that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(
    words: Sequence[object], port: int, log: Path, environment: Mapping[str, str], home: Path | None = None
) -> Iterator[int]:
    """Run a server while the block runs; yields its process id once connections are taken.

    Args:
        words: Its command line.
        port: Where it listens.
        log: The file for what it prints.
        environment: What it has besides this process's environment.
        home: Its working directory.

    Raises:
        RuntimeError: It ended, or took no connections in time.
    """
    with log.open("wb") as printed:
        process = subprocess.Popen(
            [*map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            cwd=home,
        )
    try:
        _await(process, port, log)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), POLL_SECONDS):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(POLL_SECONDS)
            raise RuntimeError(
                f"{process.args!r} ended with {status}: {log.read_text(errors='replace')[-2000:]}"
            )
        if time.monotonic() > give_up:
            raise RuntimeError(f"{process.args!r} took no connection in {START_SECONDS:.0f} s.")


def processor_seconds(process: int) -> float:
    """The processor time so far of a process and of those it started; 0 where there is no /proc."""
    if not PROCESSES.exists():
        return 0.0
    parents, ticks = {}, {}
    for each in PROCESSES.iterdir():
        if each.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (each / "stat").read_text().rpartition(")")[2].split()
                parents[int(each.name)] = int(fields[1])
                ticks[int(each.name)] = int(fields[11]) + int(fields[12])
    family, found = [process], 0
    for one in family:  # grows while it is walked
        found += ticks.get(one, 0)
        family += [child for child, parent in parents.items() if parent == one]
    return found / os.sysconf("SC_CLK_TCK")
