"""Rates: a bucket of tokens for each caller."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headrace.clock import SECOND

if TYPE_CHECKING:
    from headrace.clock import Clock

__all__ = ["Rates"]

_MOST = 10_000
"""Callers remembered; when there are more, full buckets are forgotten."""


class Rates:
    """How many requests each caller may make: a second's worth at once, then as many as the rate gives."""

    def __init__(self, clock: Clock, share: float = 1.0) -> None:
        """With full buckets.

        Args:
            clock: Tells how much time passed.
            share: This process's share of each rate: one worker of four takes a quarter of the requests.
        """
        self._clock = clock
        self._share = share
        self._buckets: dict[str, tuple[float, int, float, float]] = {}

    def take(self, who: str, rate: float) -> int:
        """Let a request through, or say when to come back.

        Args:
            who: The caller.
            rate: Requests a second.

        Returns:
            0, or the whole seconds to wait.
        """
        rate *= self._share
        now, most = self._clock.now(), max(1.0, rate)
        tokens, at, *_ = self._buckets.get(who, (most, now))
        tokens = min(most, tokens + max(0, now - at) / SECOND * rate)
        if who not in self._buckets and len(self._buckets) >= _MOST:
            self._forget_full(now)
        left = tokens - 1 if tokens >= 1 else tokens
        self._buckets[who] = (left, now, rate, most)
        return 0 if tokens >= 1 else math.ceil((1 - tokens) / rate)

    def _forget_full(self, now: int) -> None:
        self._buckets = {
            who: (tokens, at, rate, most)
            for who, (tokens, at, rate, most) in self._buckets.items()
            if tokens + (now - at) / SECOND * rate < most
        }
