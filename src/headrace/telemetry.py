"""What a running process tells of itself: histograms that cost next to nothing, and spans for who traces.

A span is a piece of work with a name and a length. Nobody hears of it until somebody listens: then what they
gave is entered around each piece. The floors that do the work know no more of tracing than that.
"""

from __future__ import annotations

from bisect import bisect_left
from contextlib import nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    Spans = Callable[[str], AbstractContextManager[object]]

__all__ = ["SECONDS", "Histogram", "listen", "span"]

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of a histogram of times that requests take."""

_NOTHING = nullcontext()
_spans: Spans | None = None


class Histogram:
    """How often values fell under each bound, and what they add up to.

    Attributes:
        edges: The bounds, ascending; a value equal to one is under it.
        buckets: How many values fell under each and no lower one, then those above all, last their sum.
    """

    __slots__ = ("buckets", "edges")

    def __init__(self, edges: Sequence[float]) -> None:
        """Of nothing yet."""
        self.edges = edges
        self.buckets = [0.0] * (len(edges) + 2)

    def add(self, value: float) -> None:
        """Count a value."""
        self.buckets[bisect_left(self.edges, value)] += 1
        self.buckets[-1] += value


def span(name: str) -> AbstractContextManager[object]:
    """A block of work that who listens hears of.

    Args:
        name: What is done, `store read` say; of few different ones.
    """
    return _NOTHING if _spans is None else _spans(name)


def listen(spans: Spans | None) -> None:
    """Enter something around each span from now on; None for nothing."""
    global _spans  # noqa: PLW0603 - one process has one tracer
    _spans = spans
