"""Functions in processes of their own, which can be killed: at the deadline, and by their own faults."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from threading import Lock
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from headrace.retrieval.deadline import DEADLINE
from headrace.retrieval.isolated_worker import (
    INSTANTS,
    LENGTH,
    READY,
    REASONS,
    VALUES,
    stream_of,
    write_frame,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from headrace.definitions.on_demand import OnDemandFeature
    from headrace.retrieval.deadline import Deadline

__all__ = ["IsolatedFunctions"]

REST = 1.0
"""Seconds after which a worker that could not be started is started again."""
_AT_ONCE = 1 << 20


class IsolatedFunctions:
    """The worker processes of a project: one for each isolated function, started when it is first planned."""

    def __init__(self, project: Path, named: str | Sequence[str] | None) -> None:
        """None yet.

        Args:
            project: The project's directory.
            named: Its files of definitions; see `load_definitions`.
        """
        self._project = project
        self._named = named
        self._workers: dict[tuple[str, str], _Worker] = {}
        self._lock = Lock()

    def start(self, function: OnDemandFeature) -> None:
        """Start a function's worker, if there is none."""
        worker = self._worker(function)
        with worker.lock:
            worker.ensure()

    def call(
        self,
        function: OnDemandFeature,
        columns: Mapping[str, pa.Array],
        instants: Sequence[int],
        deadline: Deadline | None,
    ) -> list[tuple[Any, str]]:
        """What a function returns for some rows, one call after the other.

        Args:
            function: The function.
            columns: Parameter -> values.
            instants: The rows' instants.
            deadline: When its worker is killed; what it has not answered by then is late, all rows alike.

        Returns:
            For each row the value, and why there is none: empty if nothing is wrong.
        """
        frame = stream_of({**columns, INSTANTS: pa.array(instants, pa.int64())})
        answer = self._worker(function).ask(frame, deadline)
        if isinstance(answer, str):
            why = answer if answer == DEADLINE else f"{function.name}: {answer}"
            return [(None, why)] * len(instants)
        table = pa.ipc.open_stream(answer).read_all()
        return list(zip(table[VALUES].to_pylist(), table[REASONS].to_pylist(), strict=True))

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            workers, self._workers = list(self._workers.values()), {}
        for each in workers:
            each.close()

    def _worker(self, function: OnDemandFeature) -> _Worker:
        reference = str(function.reference)
        key = reference, function.source_hash + function.module_hash
        with self._lock:
            if key not in self._workers:
                about = {
                    "project": str(self._project),
                    "named": self._named,
                    "reference": reference,
                    "hashes": [function.source_hash, function.module_hash],
                }
                self._workers[key] = _Worker(reference, about)
            return self._workers[key]


class _EndedError(Exception):
    """The worker's process has ended."""


class _Worker:
    """The process of one function; it answers one request at a time.

    Attributes:
        lock: Held by who asks it.
    """

    def __init__(self, reference: str, about: Mapping[str, Any]) -> None:
        self.lock = Lock()
        self._reference = reference
        self._about = about
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline = -1
        self._received = b""
        self._ready = self._closed = False
        self._refused = ""
        self._rest_until = 0.0

    def ask(self, frame: bytes, deadline: Deadline | None) -> bytes | str:
        """The answer to a frame, or why there is none."""
        if not self.lock.acquire(timeout=-1 if deadline is None else max(deadline.left, 0.0)):
            return DEADLINE
        try:
            return self._asked(frame, deadline)
        except (_EndedError, BrokenPipeError):
            status = self._end()
            self._rest_until = 0.0 if self._ready else time.monotonic() + REST
            self._ready = False
            self.ensure()
            return f"its process ended, {_in_words(status)}"
        finally:
            self.lock.release()

    def _asked(self, frame: bytes, deadline: Deadline | None) -> bytes | str:
        self.ensure()
        if self._process is None:
            return self._refused or "its process has not started"
        if not self._ready:
            hello = self._receive(deadline)
            if hello is None:
                return DEADLINE  # it goes on starting
            if hello != READY:
                self._end()
                self._refused, self._rest_until = hello.decode(), time.monotonic() + REST
                return self._refused
            self._ready, self._refused = True, ""
        if deadline is not None and deadline.passed:
            return DEADLINE
        began = 0 if deadline is None else deadline.clock.now()
        assert self._process.stdin is not None  # noqa: S101 - it was started with one
        write_frame(self._process.stdin, frame)  # type: ignore[arg-type]
        answer = self._receive(deadline)
        if answer is None or (deadline is not None and deadline.missed_by(self._reference, began)):
            if answer is None:
                self._overrun(deadline, began)
            return DEADLINE
        return answer

    def _overrun(self, deadline: Deadline | None, began: int) -> None:
        """Kill what is still running, and start anew."""
        if deadline is not None:
            deadline.missed_by(self._reference, began)
        self._end()
        self._ready = False
        self.ensure()

    def ensure(self) -> None:
        """Start the process, unless there is one or it failed a moment ago."""
        if self._closed or self._process is not None or time.monotonic() < self._rest_until:
            return
        ours, self._lifeline = os.pipe()
        about = json.dumps({**self._about, "lifeline": ours})
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this Python, our module
                [sys.executable, "-m", "headrace.retrieval.isolated_worker", about],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[ours],
                start_new_session=True,
            )
        finally:
            os.close(ours)
        self._received, self._ready = b"", False

    def _receive(self, deadline: Deadline | None) -> bytes | None:
        """The next frame; None if the deadline passes before it is there.

        Raises:
            _EndedError: There is nobody to send one.
        """
        assert self._process is not None  # noqa: S101 - who asks has started it
        assert self._process.stdout is not None  # noqa: S101 - likewise
        descriptor = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while True:
            if len(self._received) >= LENGTH.size:
                end = LENGTH.size + LENGTH.unpack_from(self._received)[0]
                if len(self._received) >= end:
                    frame, self._received = self._received[LENGTH.size : end], self._received[end:]
                    return frame
            wait = None if deadline is None else max(deadline.left * 1_000, 0.0)
            if not poll.poll(wait):
                return None
            part = os.read(descriptor, _AT_ONCE)
            if not part:
                raise _EndedError
            self._received += part

    def _end(self) -> int:
        """Kill the process and what it started; returns its status."""
        process, self._process = self._process, None
        if process is None:
            return 0
        status = process.poll()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        ended = process.wait()
        os.close(self._lifeline)
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                stream and stream.close()
        return ended if status is None else status

    def close(self) -> None:
        """End it for good, also while it is asked: who asks is told that it ended."""
        self._closed = True
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        with self.lock:
            self._end()


def _in_words(status: int) -> str:
    return f"with status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"
