"""streak: how many local days in a row something happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.bitmap import LocalBits
from headrace.aggregations.states import Array, Finished, States
from headrace.lazy import numpy as np
from headrace.local_time import days_there_are, local_days
from headrace.schema import INT64, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Streak"]


@dataclass(frozen=True)
class Streak(Aggregation):
    """Local days in a row with an event: those up to now, and in the companion `{name}__longest` the most.

    The day of t is not over: as long as it has no event the streak that ended the day before is the current
    one. Where a window ended before t, its end takes the place of t.
    """

    kind: ClassVar[str] = "streak"

    @property
    def _days(self) -> LocalBits:
        return LocalBits("day", self.zone)

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """A bitmap of days, shared with active_days."""
        return (Measure(self._days, (), self.where),)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """int64, twice."""
        return (Output("", INT64), Output("longest", INT64))

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """The last run of days if it is not over, and the longest one."""
        current, longest = np.zeros((2, len(t)), dtype=np.int64)
        days, rows = self._days.numbers(states[0])
        if not len(days):
            return (Finished(current), Finished(longest))
        present = np.flatnonzero(np.bincount(rows, minlength=len(t)))
        # The days and those of the instants, numbered together: what a zone left out counts for nobody.
        numbered = days_there_are(np.concatenate([days, local_days(t[present], self.zone)]), self.zone)
        days, today = numbered[: len(days)], numbered[len(days) :]
        begins = np.ones(len(days), dtype=bool)
        begins[1:] = (rows[1:] != rows[:-1]) | (days[1:] != days[:-1] + 1)
        runs = np.flatnonzero(begins)
        lengths = np.diff(runs, append=len(days))
        first = np.searchsorted(rows[runs], present)
        last = np.append(first[1:], len(runs)) - 1
        longest[present] = np.maximum.reduceat(lengths, first)
        newest = days[runs[last]] + lengths[last] - 1
        current[present] = np.where(newest >= today - 1, lengths[last], 0)
        return (Finished(current), Finished(longest))
