"""A load generator: keep-alive connections, one request at a time on each.

It knows just enough of HTTP to know when an answer is complete, so that it takes less of a shared machine
than the servers it is there to measure. An answer that is not 200 ends the run.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import deque
from typing import TYPE_CHECKING, cast

import uvloop

from bench.serving.loaded import Tail, tail

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

__all__ = ["AnswerError", "closed", "opened", "post"]

_OK = b"HTTP/1.1 200"
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"


class AnswerError(Exception):
    """A server's answer was not 200, or it hung up."""


def post(path: str, body: bytes) -> bytes:
    """The bytes of a request."""
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def closed(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Tail:
    """Some clients, each of which asks again as soon as it is answered.

    Args:
        port: The server's, on the loopback address.
        requests: What is asked, in turn.
        clients: How many connections.
        seconds: How long.

    Raises:
        AnswerError: An answer was not 200.
    """
    return _run(_closed(port, itertools.cycle(requests), clients, seconds))


def opened(port: int, requests: Sequence[bytes], clients: int, seconds: float, rate: float) -> Tail:
    """Requests that come when they come, as of many clients that know nothing of each other.

    Each is timed from the instant it was due, whenever a connection was free for it: a server that stands
    still is charged for all who waited.

    Args:
        port: The server's, on the loopback address.
        requests: What is asked, in turn.
        clients: How many connections.
        seconds: How long requests are due.
        rate: Requests due a second, on average; the pauses between them are exponential.

    Raises:
        AnswerError: An answer was not 200.
    """
    return _run(_opened(port, itertools.cycle(requests), clients, seconds, rate))


def _run(load: Coroutine[None, None, Tail]) -> Tail:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(load)


class _Client(asyncio.Protocol):
    """One connection: asks, and tells when the answer is complete."""

    def __init__(self, answered: Callable[[_Client], None], failed: Callable[[Exception], None]) -> None:
        self._answered = answered
        self._failed = failed
        self._head = b""
        self._missing = 0
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes, due: float) -> None:
        """Send a request that was due at an instant of `time.perf_counter`."""
        self.due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            self._head += data
            end = self._head.find(_END_OF_HEAD)
            if end < 0:
                return
            if not self._head.startswith(_OK):
                self._failed(AnswerError(self._head[:500].decode(errors="replace")))
                return
            self._missing = _length(self._head[:end]) - (len(self._head) - end - len(_END_OF_HEAD))
            self._head = b""
        if not self._missing:
            self._answered(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._failed(exc or AnswerError("The server closed a connection."))

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()


def _length(head: bytes) -> int:
    lower = head.lower()
    start = lower.index(_LENGTH) + len(_LENGTH)
    return int(lower[start:].split(b"\r\n", 1)[0])


class _Clients:
    """The connections of a run, and what is known once it is over."""

    def __init__(self) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.seconds: list[float] = []
        self.all: list[_Client] = []

    async def connect(self, port: int, many: int, answered: Callable[[_Client], None]) -> None:
        """Open connections."""
        loop = asyncio.get_running_loop()
        for _ in range(many):
            _, client = await loop.create_connection(lambda: _Client(answered, self.fail), "127.0.0.1", port)
            self.all.append(client)

    def fail(self, error: Exception) -> None:
        """End the run."""
        if not self.over.done():
            self.over.set_exception(error)

    def end(self) -> None:
        """It is over."""
        if not self.over.done():
            self.over.set_result(None)

    def close(self) -> None:
        """Hang up all connections."""
        for client in self.all:
            client.close()


async def _closed(port: int, requests: Iterator[bytes], clients: int, seconds: float) -> Tail:
    run = _Clients()
    busy = clients

    def answered(client: _Client) -> None:
        nonlocal busy
        now = time.perf_counter()
        run.seconds.append(now - client.due)
        if now < until:
            client.ask(next(requests), now)
            return
        busy -= 1
        if not busy:
            run.end()

    await run.connect(port, clients, answered)
    start = time.perf_counter()
    until = start + seconds
    for client in run.all:
        client.ask(next(requests), start)
    try:
        await run.over
    finally:
        run.close()
    return tail(run.seconds, time.perf_counter() - start)


async def _opened(port: int, requests: Iterator[bytes], clients: int, seconds: float, rate: float) -> Tail:
    run = _Clients()
    idle: list[_Client] = []
    waiting: deque[float] = deque()
    loop = asyncio.get_running_loop()
    start = time.perf_counter() + 0.01
    due = deque(_instants(start, seconds, rate))

    def answered(client: _Client) -> None:
        run.seconds.append(time.perf_counter() - client.due)
        if waiting:
            client.ask(next(requests), waiting.popleft())
            return
        idle.append(client)
        if not due and len(idle) == clients:
            run.end()

    def come() -> None:
        """Send what is due; look again at once, as timers of the loop are late by up to a millisecond."""
        now = time.perf_counter()
        while due and due[0] <= now:
            waiting.append(due.popleft())
        while waiting and idle:
            idle.pop().ask(next(requests), waiting.popleft())
        if due and not run.over.done():
            loop.call_soon(come)

    await run.connect(port, clients, answered)
    idle += run.all
    come()
    try:
        await run.over
    finally:
        run.close()
    return tail(run.seconds, time.perf_counter() - start)


def _instants(start: float, seconds: float, rate: float) -> Iterator[float]:
    """When requests are due: drawn with a fixed seed, at least two of them."""
    rng = random.Random(7)
    at = start
    for number in itertools.count():
        if at > start + seconds and number > 1:
            return
        yield at
        at += rng.expovariate(rate)
