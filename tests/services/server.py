"""Starting, awaiting and stopping one server."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LEASH = Path(__file__).with_name("leash.py")
POLL_SECONDS = 0.05
START_SECONDS = 60.0
STOP_SECONDS = 20.0


class ServiceFailed(Exception):  # noqa: N818 - it fails the test that asked: a service is never skipped
    """A service that could not be started, with what it printed."""


@dataclass(frozen=True)
class Command:
    """How to run a server: its words, the signal that stops it at once, and the account it runs under."""

    words: Sequence[object]
    stop_signal: str = "SIGTERM"
    user: str | None = None


@contextlib.contextmanager
def running(command: Command, log: Path, answers: Callable[[], bool]) -> Iterator[None]:
    """Run a server while the block runs.

    Args:
        command: What to run.
        log: The file for what it prints.
        answers: True once the server serves; asked every 50 ms for at most a minute.

    Raises:
        ServiceFailed: It ended, or did not answer in time; the text holds the end of its log.
    """
    leash = [sys.executable, str(LEASH), command.stop_signal, str(STOP_SECONDS / 2), command.user or "-"]
    with log.open("wb") as printed:
        process = subprocess.Popen(
            [*leash, *map(str, command.words)],
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
    assert process.stdin is not None
    try:
        _await(process, answers, log)
        yield
    finally:
        process.stdin.close()
        process.wait(STOP_SECONDS)


def _await(process: subprocess.Popen[bytes], answers: Callable[[], bool], log: Path) -> None:
    give_up = time.monotonic() + START_SECONDS
    while not answers():
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(POLL_SECONDS)  # the pause between two questions; ends early with the server
            raise ServiceFailed(f"It ended with status {status} before it answered.{_end_of(log)}")
        if time.monotonic() > give_up:
            raise ServiceFailed(f"It did not answer within {START_SECONDS:.0f} s.{_end_of(log)}")


def _end_of(log: Path) -> str:
    return "\n" + log.read_text(errors="replace")[-4000:]


def free_port(below: int = 1 << 16) -> int:
    """A TCP port on the loopback address that nothing listens on at this moment."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port < below:
            return port
