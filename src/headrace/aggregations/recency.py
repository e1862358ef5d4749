"""recency: how long ago the newest event was."""

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

__all__ = ["Recency", "Recent"]


@dataclass(frozen=True)
class Recent(Columnwise):
    """State: the newest event time."""

    fixed = (Field("newest", "<i8"),)

    @property
    def ufuncs(self) -> tuple[np.ufunc, ...]:
        """The newest."""
        return (np.maximum,)

    @property
    def zeros(self) -> tuple[int, ...]:
        """No event."""
        return (FOREVER_AGO,)

    def lift(self, events: Events) -> States:
        """The event's time."""
        if events.counts is None:
            return States(events.n, (events.time,))
        return States(events.n, (np.where(events.counts, events.time, FOREVER_AGO),))


@dataclass(frozen=True)
class Recency(Aggregation):
    """Seconds from the newest event (with `where`: the newest where it is TRUE) to t; null without any."""

    kind: ClassVar[str] = "recency"
    windowed: ClassVar[bool] = False

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """The newest event time."""
        return (Measure(Recent(), (), self.where),)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """Seconds, a double."""
        return (Output("", DOUBLE),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """The age of the newest event."""
        newest = states[0].fixed[0]
        present = newest > FOREVER_AGO
        return (Finished((t - np.where(present, newest, t)) / SECOND, present),)
