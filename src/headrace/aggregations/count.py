"""count: how many events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.algebra import Columnwise
from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.states import Array, Events, Field, Finished, States
from headrace.lazy import numpy as np
from headrace.schema import INT64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.schema import Type

__all__ = ["Count", "Counting"]


@dataclass(frozen=True)
class Counting(Columnwise):
    """State: n. Exact up to 2^63 events."""

    fixed = (Field("n", "<i8"),)
    subtractable: ClassVar[bool] = True

    @property
    def ufuncs(self) -> tuple[np.ufunc, ...]:
        """Counts add."""
        return (np.add,)

    @property
    def zeros(self) -> tuple[int, ...]:
        """No event."""
        return (0,)

    def lift(self, events: Events) -> States:
        """One for each event that counts."""
        if events.counts is None:
            return States(events.n, (np.broadcast_to(np.int64(1), events.n),))
        return States(events.n, (events.counts.astype(np.int64),))


@dataclass(frozen=True)
class Count(Aggregation):
    """How many events there are (with `where`: for how many it is TRUE)."""

    kind: ClassVar[str] = "count"

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """A count."""
        return (Measure(Counting(), (), self.where),)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """int64."""
        return (Output("", INT64),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """The count itself."""
        return (Finished(states[0].fixed[0]),)
