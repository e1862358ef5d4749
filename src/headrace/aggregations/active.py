"""active_days, active_hours: in how many local days or hours something happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.bitmap import LocalBits
from headrace.aggregations.states import Array, Finished, States
from headrace.schema import INT64, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ActiveDays", "ActiveHours"]


@dataclass(frozen=True)
class _Active(Aggregation):
    unit: ClassVar[Literal["day", "hour"]] = "day"

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """A bitmap."""
        return (Measure(LocalBits(self.unit, self.zone), (), self.where),)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """int64."""
        return (Output("", INT64),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """The number of bits."""
        return (Finished(LocalBits(self.unit, self.zone).counts(states[0])),)


@dataclass(frozen=True)
class ActiveDays(_Active):
    """On how many local days there was an event (with `where`: one for which it is TRUE)."""

    kind: ClassVar[str] = "active_days"


@dataclass(frozen=True)
class ActiveHours(_Active):
    """In how many hours of the local wall clock there was an event (with `where`: one for which it is TRUE).

    Where clocks are put back the wall clock shows an hour twice, which counts once.
    """

    kind: ClassVar[str] = "active_hours"
    unit: ClassVar[Literal["day", "hour"]] = "hour"
