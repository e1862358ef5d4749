"""What a server did under load, as the harness keeps it."""

from __future__ import annotations

import dataclasses
import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Loaded", "Tail", "tail"]

_THOUSANDTHS = 1_000


@dataclasses.dataclass(frozen=True)
class Tail:
    """How long requests took, seconds, and how many were answered in a second.

    Attributes:
        rate: Requests answered a second.
        p50: The median.
        p99: One of a hundred took longer.
        p999: One of a thousand took longer; of fewer requests than a thousand nearly the longest.
        requests: How many were timed.
    """

    rate: float
    p50: float
    p99: float
    p999: float
    requests: int


@dataclasses.dataclass(frozen=True)
class Loaded:
    """One server under closed and open load.

    Attributes:
        closed: A few clients, each asking again as soon as it is answered: the most the server can do.
        open: Requests that come when they come, at a share of that; timed from the instant each was due.
        processor_seconds: Of the server's processes, a request of the closed load.
    """

    closed: Tail
    open: Tail
    processor_seconds: float

    def answer(self) -> dict[str, Any]:
        """The sample: its seconds are those of a request where nothing but requests is done."""
        return {
            "seconds": 1 / self.closed.rate,
            "processor_seconds": self.processor_seconds,
            "p99": self.closed.p99,
            "load": {"closed": dataclasses.asdict(self.closed), "open": dataclasses.asdict(self.open)},
        }


def tail(seconds: Sequence[float], wall: float) -> Tail:
    """Of the times of requests, and how long they took together.

    Args:
        seconds: Each request's.
        wall: From the first one's start to the last one's end.
    """
    cuts = statistics.quantiles(seconds, n=_THOUSANDTHS, method="inclusive")
    return Tail(len(seconds) / wall, cuts[499], cuts[989], cuts[998], len(seconds))
