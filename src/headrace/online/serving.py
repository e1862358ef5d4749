"""Where requests are answered from: the embedded store, or a copy with something to fall back on."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Protocol

from headrace.clock import SECOND
from headrace.errors import UnreachableError
from headrace.online.answer import OnlineFeatures
from headrace.online.read import driven

if TYPE_CHECKING:
    from headrace.clock import Clock
    from headrace.ports.key_value import KeyValue, OneHost

__all__ = ["Answering", "CopyServing", "EmbeddedServing", "Serving"]

Answering = Callable[[], Generator[Sequence[bytes], "Sequence[bytes | None]", OnlineFeatures]]
"""Begins to answer a request, as often as it is called; see `Served.answering`."""

REST = SECOND // 2
"""How long a copy that could not be reached is left alone where there is something to fall back on."""


class Serving(Protocol):
    """Answers requests."""

    def answer(self, request: Answering) -> OnlineFeatures:
        """The answer.

        Raises:
            UnreachableError: The store cannot be reached, and there is nothing to fall back on.
        """
        ...

    def close(self) -> None:
        """Let go of the stores."""
        ...


class EmbeddedServing:
    """From a store of this host, each request from one snapshot."""

    def __init__(self, store: OneHost) -> None:
        """From a store."""
        self._store = store

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def answer(self, request: Answering) -> OnlineFeatures:
        """See `Serving`."""
        with self._store.snapshot() as snapshot:
            return driven(request(), snapshot)


class CopyServing:
    """From a copy; while that cannot be reached, from the fallback."""

    def __init__(self, copy: KeyValue, clock: Clock, fallback: Serving | None = None) -> None:
        """From a copy.

        Args:
            copy: The copy.
            clock: Tells when a copy that could not be reached is asked again.
            fallback: What answers meanwhile; None for nothing.
        """
        self._copy = copy
        self._clock = clock
        self._fallback = fallback
        self._resting_until = 0

    def close(self) -> None:
        """Let go of the copy and the fallback."""
        self._copy.close()
        if self._fallback is not None:
            self._fallback.close()

    def answer(self, request: Answering) -> OnlineFeatures:
        """See `Serving`. A request that the copy breaks off begins anew: it is answered by one store."""
        if self._fallback is None:
            return driven(request(), self._copy)
        if self._clock.now() >= self._resting_until:
            try:
                return driven(request(), self._copy)
            except UnreachableError:
                self._resting_until = self._clock.now() + REST
        return self._fallback.answer(request)
