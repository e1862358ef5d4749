"""Processes that do one thing and may be killed while they do it; see `nursery_child`."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Life:
    """A child's life.

    Attributes:
        killed: Whether it was killed.
        said: What it said before, (word, about it).
        seconds: How long it worked.
    """

    killed: bool
    said: list[tuple[str, Any]]
    seconds: float

    def __getitem__(self, word: str) -> Any:
        """What it said under a word, the last time."""
        return [about for each, about in self.said if each == word][-1]

    def all(self, word: str) -> list[Any]:
        return [about for each, about in self.said if each == word]


class Nursery:
    """Starts children."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def child(
        self,
        verb: str,
        directory: Path,
        *arguments: Any,
        fatal: int | tuple[str, int] | None = None,
        pause: tuple[str, int] | None = None,
        kill_after: float | None = None,
    ) -> Life:
        """A child that does what the verb says, until it is done or killed.

        Args:
            verb: A function of `nursery_child`.
            directory: The project.
            arguments: More of the function's arguments.
            fatal: The step at which the child kills itself.
            pause: The step at which it stops; the file `pid` in the project says who is to be sent on.
            kill_after: Kill it so many seconds after it has begun.
        """
        request = {
            "verb": verb,
            "directory": str(directory),
            "arguments": arguments,
            "fatal": fatal,
            "pause": pause,
            "kill_after": kill_after,
        }
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        life = Life(told["killed"], [(word, about) for word, about in told["said"]], told["seconds"])
        assert told["killed"] or told["ok"], life.all("error")
        return life


@contextmanager
def nursery() -> Iterator[Nursery]:
    command = [sys.executable, "-m", "tests.crash.nursery_child"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            yield Nursery(process)
        finally:
            process.kill()
