"""mean_gap: how long it was from one event to the next, on average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.algebra import Columnwise
from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.states import Array, Events, Field, Finished, States
from headrace.clock import SECOND
from headrace.lazy import numpy as np
from headrace.schema import DOUBLE, Type
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Ends", "MeanGap"]


@dataclass(frozen=True)
class Ends(Columnwise):
    """State: how many events, the oldest event time and the newest."""

    fixed = (Field("n", "<i8"), Field("oldest", "<i8"), Field("newest", "<i8"))

    @property
    def ufuncs(self) -> tuple[np.ufunc, ...]:
        """Counts add; the ends move apart."""
        return (np.add, np.minimum, np.maximum)

    @property
    def zeros(self) -> tuple[int, ...]:
        """No event."""
        return (0, -FOREVER_AGO, FOREVER_AGO)

    def lift(self, events: Events) -> States:
        """One event that is both ends."""
        if events.counts is None:
            return States(events.n, (np.ones(events.n, np.int64), events.time, events.time))
        oldest, newest = (np.where(events.counts, events.time, zero) for zero in self.zeros[1:])
        return States(events.n, (events.counts.astype(np.int64), oldest, newest))


@dataclass(frozen=True)
class MeanGap(Aggregation):
    """The mean time from an event to the next, in seconds; null with fewer than two events."""

    kind: ClassVar[str] = "mean_gap"

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """How many events, the oldest and the newest."""
        return (Measure(Ends(), (), self.where),)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """Seconds, a double."""
        return (Output("", DOUBLE),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """All gaps together are as long as the time from the oldest event to the newest."""
        n, oldest, newest = states[0].fixed
        present = n > 1
        span = np.where(present, newest - np.where(present, oldest, newest), 0)
        return (Finished(span / (np.maximum(n - 1, 1) * float(SECOND)), present),)
