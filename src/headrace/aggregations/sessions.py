"""sessions: how often somebody came, and how long they stayed."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.algebra import Ragged
from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.states import Array, Events, Field, Finished, States, lengths_of, offsets_of
from headrace.clock import SECOND
from headrace.errors import DefinitionError
from headrace.lazy import numpy as np
from headrace.schema import DOUBLE, INT64, Type
from headrace.windows import duration

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Intervals", "Sessions"]


@dataclass(frozen=True)
class Intervals(Ragged):
    """State: entries (start, end), ascending, more than the gap apart: from the first event to the last.

    Any instant of an interval lies within the gap of one of its events, so that intervals may be joined
    without the events: the intervals of a whole are those of its parts, joined where they come that near.

    Attributes:
        gap: Microseconds between two events that still belong together.
    """

    gap: int
    entries = (Field("start", "<i8"), Field("end", "<i8"))

    def lift(self, events: Events) -> States:
        """One instant for each event that counts."""
        if events.counts is None:
            offsets, time = np.arange(events.n + 1, dtype=np.int64), events.time
        else:
            offsets, time = offsets_of(events.counts), events.time[events.counts]
        return States(events.n, (), offsets, (time, time))

    def normalise(self, states: States) -> States:
        """Intervals of a row that overlap, or are at most the gap apart, become one."""
        rows, (start, end) = self.rows_of(states), states.entries
        same = rows[1:] == rows[:-1]
        if (same & (start[1:] < start[:-1])).any():
            by = np.lexsort((start, rows))
            start, end = start[by], end[by]
        if (same & (end[1:] < end[:-1])).any():
            end = _furthest(rows, end)
        fresh = np.ones(len(rows), dtype=bool)
        fresh[1:] = ~same | (start[1:] - end[:-1] > self.gap)
        first = np.flatnonzero(fresh)
        last = np.append(first[1:], len(rows))[: len(first)] - 1
        offsets = offsets_of(np.bincount(rows[first], minlength=states.n))
        return States(states.n, (), offsets, (start[first], end[last]))


def _furthest(rows: Array, end: Array) -> Array:
    """The latest end so far, row by row; rows ascend."""
    by = np.argsort(end)
    rank = np.empty(len(by), dtype=np.int64)
    rank[by] = np.arange(len(by))
    furthest: Array = end[by[np.maximum.accumulate(rows * len(by) + rank) % len(by)]]
    return furthest


@dataclass(frozen=True)
class Sessions(Aggregation):
    """How many sessions there are, and in the companion `{name}__mean_length` how long they are on average.

    A session is events of which each follows the one before by at most the gap; it lasts from its first event
    to its last, in seconds. Only events in the window count: one that was under way at its start begins
    there with the first event inside.

    Attributes:
        gap: A duration such as "30m": how long nothing may happen within a session.
    """

    _: KW_ONLY
    gap: str
    kind: ClassVar[str] = "sessions"

    def __post_init__(self) -> None:
        """Check the gap."""
        super().__post_init__()
        try:
            length = duration(self.gap)
        except DefinitionError as error:
            raise self.error(error.message, asked=error.asked, remedy=error.remedy) from None
        if length <= 0:
            raise self.error("the gap must be longer than nothing.", asked=self.gap)

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """The intervals."""
        return (Measure(Intervals(duration(self.gap)), (), self.where),)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """int64; and seconds, a double."""
        return (Output("", INT64), Output("mean_length", DOUBLE))

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """How many, and their lengths over how many."""
        (state,) = states
        assert state.offsets is not None  # noqa: S101 - ragged states have offsets by construction
        start, end = state.entries
        count = lengths_of(state.offsets)
        total = lengths_of(offsets_of(end - start)[state.offsets])
        mean = total / (np.maximum(count, 1) * float(SECOND))
        return (Finished(count), Finished(mean, count > 0))
