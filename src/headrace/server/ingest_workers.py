"""Processes that ingest, watched by the one that started them: who dies is started again.

A process of its own, so that no batch ever keeps a request waiting. Partitions are shared among them, and
with those that others started, by `headrace.online.shares`.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from headrace.config import read_settings
from headrace.ingesting import Ingested
from headrace.online.tallies import read, together
from headrace.wiring import open_seats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["ingesting"]

_LOG = logging.getLogger("headrace.ingest")

_REST = 0.5, 30.0
"""Seconds until a process that died is started again, at first and at most."""
_WELL = 60.0
"""Seconds after which a process that dies had begun well: it is not held against the next."""
_ENDING = 40.0
"""Seconds in which a process must have ended when it is told to: a little more than its batches have."""


@contextmanager
def ingesting(
    project: Path, workers: int, sources: Sequence[str] = ()
) -> Iterator[Callable[[], list[Ingested]]]:
    """While the block runs, streams are followed by processes of their own; in the end they finish first.

    Args:
        project: The project's directory.
        workers: How many.
        sources: Names of sources; none for all that have a stream.

    Yields:
        What came of each source so far; all of it after the block.

    Raises:
        StoreError: Too many processes ingest on this host.
    """
    seats = open_seats(read_settings(project))
    with ExitStack() as ending:
        files = []
        for _ in range(workers):
            files.append(seats.take())
            ending.callback(seats.leave, files[-1])
        before = together(map(read, files))
        all_ = [_Worker(number, project, file, sources) for number, file in enumerate(files, 1)]
        for each in all_:
            ending.callback(each.wait)
        for each in all_:
            each.start()
            ending.callback(each.end)

        def came() -> list[Ingested]:
            now = together(map(read, files))
            return [
                Ingested.of(name, tally.minus(before[name]) if name in before else tally)
                for name, tally in now.items()
            ]

        yield came


class _Worker:
    """One process, and the next in its place."""

    def __init__(self, number: int, project: Path, file: Path, sources: Sequence[str]) -> None:
        """Not yet there; `number` is what messages call it, `file` where it counts."""
        self._number = number
        self._command = [
            sys.executable,
            "-m",
            "headrace.server.ingest_worker",
            str(project),
            str(file),
            *sources,
        ]
        self._done = threading.Event()
        self._starting = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._watch = threading.Thread(target=self._run, name=f"headrace-ingest-{number}", daemon=True)

    def start(self) -> None:
        """Start it, again and again."""
        self._watch.start()

    def end(self) -> None:
        """Tell it to end."""
        with self._starting:
            self._done.set()
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()

    def wait(self) -> None:
        """Wait until it has ended; one that does not is killed.

        That harms nothing: a batch is in the store wholly or not at all.
        """
        self._watch.join(_ENDING)
        if self._watch.is_alive() and self._process is not None:
            _LOG.error("Ingestion worker %d does not end; it is killed.", self._number)
            self._process.kill()
            self._watch.join()

    def _run(self) -> None:
        rest = _REST[0]
        while not self._done.is_set():
            begun = time.monotonic()
            end = self._live()
            if self._done.is_set():
                return
            if time.monotonic() - begun >= _WELL:
                rest = _REST[0]
            _LOG.error("Ingestion worker %d %s; it is started again in %g s.", self._number, end, rest)
            self._done.wait(rest)
            rest = min(rest * 2, _REST[1])

    def _live(self) -> str:
        """Start a process and wait for its end; how it came to it."""
        try:
            process = self._started()
        except OSError as error:
            return f"cannot be started ({error.strerror})"
        if process is None:
            return "is not wanted"
        code = process.wait()
        if code < 0:
            return f"(process {process.pid}) was killed by {signal.Signals(-code).name}"
        return f"(process {process.pid}) ended with code {code}"

    def _started(self) -> subprocess.Popen[bytes] | None:
        """The process, unless the end has come."""
        with self._starting:
            if self._done.is_set():
                return None
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()
            # a session of its own: Ctrl+C is for the parent, whose end closes the pipe
            self._process = subprocess.Popen(  # noqa: S603 - our own program, its words one by one
                self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
            )
            return self._process
