"""decayed_sum, decayed_count: sums and counts whose terms halve with age."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.algebra import Fixed, reduce_groups
from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.states import Array, Events, Field, Finished, States, lengths_of
from headrace.errors import DefinitionError
from headrace.lazy import numpy as np
from headrace.schema import DOUBLE, Type
from headrace.windows import FOREVER_AGO, duration

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Decay", "DecayedCount", "DecayedSum"]


@dataclass(frozen=True)
class Decay(Fixed):
    """State: the decayed sum as of a reference instant, the newest event time merged.

    The reference only moves forward, so that rescaling shrinks and cannot overflow.

    Attributes:
        half_life: Microseconds in which a term halves.
        of: The type of the column summed; None where every event is one.
    """

    half_life: int
    of: Type | None
    fixed = (Field("sum", "<f8"), Field("reference", "<i8"))

    def zero(self, n: int) -> States:
        """No event."""
        return States(n, (np.zeros(n), np.full(n, FOREVER_AGO, np.int64)))

    def lift(self, events: Events) -> States:
        """The value as of its own event time."""
        data = np.ones(events.n) if self.of is None else events.values[0].data / 10.0**self.of.scale
        if events.counts is None:
            return States(events.n, (data, events.time))
        return States(
            events.n, (np.where(events.counts, data, 0.0), np.where(events.counts, events.time, FOREVER_AGO))
        )

    def merge(self, left: States, right: States) -> States:
        """Both sides as of the later reference."""
        reference = np.maximum(left.fixed[1], right.fixed[1])
        total = self.at(left, reference) + self.at(right, reference)
        return States(left.n, (total, reference))

    def reduce(self, states: States, offsets: Array) -> States:
        """All states of a group as of its latest reference."""
        inside = slice(int(offsets[0]), int(offsets[-1]))
        value, own = (column[inside] for column in states.fixed)
        groups = offsets - offsets[0]
        reference = reduce_groups(np.maximum, own, groups, FOREVER_AGO)
        aged = self.at(States(len(own), (value, own)), reference.repeat(lengths_of(groups)))
        return States(len(reference), (reduce_groups(np.add, aged, groups, 0.0), reference))

    def at(self, states: States, t: Array) -> Array:
        """The sums as of `t`."""
        value, reference = states.fixed
        age = np.where(reference == FOREVER_AGO, 0, t - reference)
        return value * np.exp2(-age / self.half_life)


@dataclass(frozen=True)
class _Decayed(Aggregation):
    _: KW_ONLY
    half_life: str
    windowed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check the half-life."""
        super().__post_init__()
        try:
            length = duration(self.half_life)
        except DefinitionError as error:
            raise self.error(error.message, asked=error.asked, remedy=error.remedy) from None
        if length <= 0:
            raise self.error("the half-life must be longer than nothing.", asked=self.half_life)

    def _algebra(self, types: Mapping[str, Type]) -> Decay:
        of = [self.number(column, types) for column in self._columns]
        return Decay(duration(self.half_life), of[0] if of else None)

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """The decayed sum."""
        return (Measure(self._algebra(types), self._columns, self.where),)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """A double."""
        self._algebra(types)
        return (Output("", DOUBLE),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """The sum as of t."""
        return (Finished(self._algebra(types).at(states[0], t)),)


@dataclass(frozen=True)
class DecayedSum(_Decayed):
    """The sum of x * 2^(-(t - event_time) / half_life) over all events before t; 0.0 without any.

    Attributes:
        column: A column of numbers; nulls are skipped.
        half_life: A duration such as "14d": how long until a term counts half.
    """

    column: str
    kind: ClassVar[str] = "decayed_sum"

    @property
    def _columns(self) -> tuple[str, ...]:
        """The column summed."""
        return (self.column,)


@dataclass(frozen=True)
class DecayedCount(_Decayed):
    """The sum of 2^(-(t - event_time) / half_life) over all events before t; 0.0 without any.

    Attributes:
        half_life: A duration such as "14d": how long until an event counts half.
    """

    kind: ClassVar[str] = "decayed_count"
