"""Where requests are answered from: the embedded store, or a copy with something to fall back on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from headrace.clock import SECOND
from headrace.errors import UnreachableError
from headrace.online.answer import OnlineFeatures
from headrace.online.read import driven
from headrace.telemetry import SECONDS, Histogram, span

if TYPE_CHECKING:
    from headrace.clock import Clock
    from headrace.ports.key_value import AsyncReader, KeyValue, OneHost

__all__ = ["Answering", "CopyServing", "EmbeddedServing", "Serving"]

Steps = Generator[Sequence[bytes], "Sequence[bytes | None]", OnlineFeatures]
"""A request that is being answered; see `Served.answering`."""
Got = TypeVar("Got")


class Answering(NamedTuple):
    """A request to answer.

    Attributes:
        begin: Begins to answer it, as often as it is called.
        entities: How many it asks about.
        runs_functions: Whether functions of the project run: nobody knows how long they take.
    """

    begin: Callable[[], Steps]
    entities: int
    runs_functions: bool


MANY = 1_000
"""From how many records on the event loop does not put an answer together itself."""
FEW = 256
"""Entities up to which a read of this host takes less than handing it to a thread would delay others."""
REST = SECOND // 2
"""How long a copy that could not be reached is left alone where there is something to fall back on."""
_THREADS = 32
"""How many requests that run functions are answered at a time; the others wait for their turn."""


Look = Callable[[Sequence[bytes]], "Sequence[bytes | None]"]


def _timed(look: Look, waits: Histogram) -> Look:
    """A look into a store, timed."""

    def timed(keys: Sequence[bytes]) -> Sequence[bytes | None]:
        began = perf_counter()
        with span("store read"):
            values = look(keys)
        waits.add(perf_counter() - began)
        return values

    return timed


class Serving(Protocol):
    """Answers requests.

    Attributes:
        waits: How long each look into a store took, seconds.
    """

    waits: Histogram

    def check(self) -> None:
        """Ask the store anything.

        Raises:
            StoreError: It does not answer, and there is nothing to fall back on.
        """
        ...

    def answer(self, request: Answering) -> OnlineFeatures:
        """The answer.

        Raises:
            UnreachableError: The store cannot be reached, and there is nothing to fall back on.
        """
        ...

    async def answer_async(self, request: Answering) -> OnlineFeatures:
        """The same, from an event loop."""
        ...

    def close(self) -> None:
        """Let go of the stores."""
        ...

    async def close_async(self) -> None:
        """Let go of what was opened in the running event loop."""
        ...


class _Threads:
    """Threads for what would keep an event loop waiting.

    Functions have threads of their own: if all of those hang, requests that run none go on.
    """

    def __init__(self) -> None:
        """None yet."""
        self._of_functions = ThreadPoolExecutor(_THREADS, "headrace-functions")

    async def run(self, work: Callable[[], Got], *, apart: bool) -> Got:
        """What some work returns.

        Args:
            work: The work.
            apart: Whether functions of the project run in it.
        """
        if apart:
            within = partial(copy_context().run, work)  # so that its logs and spans know of the request
            return await asyncio.get_running_loop().run_in_executor(self._of_functions, within)
        return await asyncio.to_thread(work)

    def close(self) -> None:
        """Take nothing more."""
        self._of_functions.shutdown(wait=False, cancel_futures=True)


class EmbeddedServing:
    """From a store of this host, each request from one snapshot."""

    def __init__(self, store: OneHost) -> None:
        """From a store."""
        self.waits = Histogram(SECONDS)
        self._store = store
        self._threads = _Threads()

    def check(self) -> None:
        """See `Serving`."""
        self._store.multi_get([b"ready"])

    def close(self) -> None:
        """Let go of the store."""
        self._threads.close()
        self._store.close()

    async def close_async(self) -> None:
        """See `Serving`."""

    async def answer_async(self, request: Answering) -> OnlineFeatures:
        """See `Serving`; at once, or on a thread where that would keep the loop waiting."""
        if request.entities <= FEW and not request.runs_functions:
            return self.answer(request)
        return await self._threads.run(partial(self.answer, request), apart=request.runs_functions)

    def answer(self, request: Answering) -> OnlineFeatures:
        """See `Serving`."""
        with self._store.snapshot() as snapshot:
            return driven(request.begin(), _timed(snapshot.multi_get, self.waits))


class CopyServing:
    """From a copy; while that cannot be reached, from the fallback."""

    def __init__(
        self,
        copy: KeyValue,
        reads: Callable[[], AsyncReader],
        clock: Clock,
        fallback: Serving | None = None,
    ) -> None:
        """From a copy.

        Args:
            copy: The copy.
            reads: Opens reads of the copy in the running event loop.
            clock: Tells when a copy that could not be reached is asked again.
            fallback: What answers meanwhile; None for nothing.
        """
        self.waits = Histogram(SECONDS) if fallback is None else fallback.waits
        self._copy = copy
        self._look = _timed(copy.multi_get, self.waits)
        self._open = reads
        self._reads: tuple[asyncio.AbstractEventLoop, AsyncReader] | None = None
        self._clock = clock
        self._fallback = fallback
        self._resting_until = 0
        self._threads = _Threads()

    def check(self) -> None:
        """See `Serving`."""
        try:
            self._copy.multi_get([b"ready"])
        except UnreachableError:
            if self._fallback is None:
                raise
            self._fallback.check()

    def close(self) -> None:
        """Let go of the copy and the fallback."""
        self._threads.close()
        self._copy.close()
        if self._fallback is not None:
            self._fallback.close()

    def answer(self, request: Answering) -> OnlineFeatures:
        """See `Serving`. A request that the copy breaks off begins anew: it is answered by one store."""
        if self._fallback is None:
            return driven(request.begin(), self._look)
        if self._clock.now() >= self._resting_until:
            try:
                return driven(request.begin(), self._look)
            except UnreachableError:
                self._resting_until = self._clock.now() + REST
        return self._fallback.answer(request)

    async def answer_async(self, request: Answering) -> OnlineFeatures:
        """See `Serving`."""
        if self._fallback is None:
            return await self._driven(request)
        if self._clock.now() >= self._resting_until:
            try:
                return await self._driven(request)
            except UnreachableError:
                self._resting_until = self._clock.now() + REST
        return await self._fallback.answer_async(request)

    async def close_async(self) -> None:
        """See `Serving`."""
        reads, self._reads = self._reads, None
        if reads is not None:
            await reads[1].close()

    async def _driven(self, request: Answering) -> OnlineFeatures:
        """The answer; one of many records, or of functions, is put together on a thread of its own."""
        reads, steps = self._of_this_loop(), request.begin()
        apart = request.runs_functions
        keys = next(steps)
        while True:
            began = perf_counter()
            with span("store read"):
                values = await reads.multi_get(keys)
            self.waits.add(perf_counter() - began)
            step = partial(_sent, steps, values)
            told = await self._threads.run(step, apart=apart) if apart or len(keys) > MANY else step()
            if isinstance(told, OnlineFeatures):
                return told
            keys = told

    def _of_this_loop(self) -> AsyncReader:
        loop = asyncio.get_running_loop()
        if self._reads is None or self._reads[0] is not loop:
            self._reads = loop, self._open()
        return self._reads[1]


def _sent(
    steps: Steps,
    values: Sequence[bytes | None],
) -> Sequence[bytes] | OnlineFeatures:
    """What comes of some values: more keys, or the answer."""
    try:
        return steps.send(values)
    except StopIteration as done:
        answer: OnlineFeatures = done.value
        return answer
