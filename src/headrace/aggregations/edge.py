"""first and last: the oldest and the newest value of a column, in the total order of events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.algebra import Chosen, storage
from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.states import Array, Events, Field, Finished, States
from headrace.lazy import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.schema import Type

__all__ = ["Edge", "First", "Last"]

_GREATEST = (1 << 63) - 1


@dataclass(frozen=True)
class Edge(Chosen):
    """State: the order key of the event at one end of the total order, and its value.

    The order key travels with the state, so that data alone breaks ties between events of different parts.

    Attributes:
        of: The column's type.
        newest: True for last, False for first.
    """

    of: Type
    newest: bool
    needs_order: ClassVar[bool] = True

    @property
    def fixed(self) -> tuple[Field, ...]:  # type: ignore[override]
        """An order key and a value."""
        return (Field("order", "<i8", coded=True, order=True), storage(self.of))

    @property
    def chooses(self) -> np.ufunc:
        """The greatest order key for last, the least for first."""
        return np.maximum if self.newest else np.minimum

    @property
    def nothing(self) -> int:
        """The order code of no event: beaten by every other."""
        return -1 if self.newest else _GREATEST

    def zero(self, n: int) -> States:
        """No event."""
        order = np.full(n, self.nothing, np.int64)
        return States(n, (order, np.full(n, self._no_value, self.fixed[1].dtype)))

    @property
    def _no_value(self) -> int:
        return -1 if self.of.is_text else 0

    def lift(self, events: Events) -> States:
        """The event's place and value."""
        values, order = events.values[0], events.order
        if order is None:
            raise AssertionError("first and last need the order of events")
        data = values.data
        if events.counts is not None:
            order = np.where(events.counts, order, self.nothing)
            data = np.where(events.counts, data, np.array(self._no_value, data.dtype))
        return States(events.n, (order, data), None, (), (events.orders, values.dictionary))


@dataclass(frozen=True)
class _Edge(Aggregation):
    column: str

    newest: ClassVar[bool] = False

    @property
    def _columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """The event at the end."""
        of = self.column_type(self.column, types)
        return (Measure(Edge(of, self.newest), self._columns, self.where),)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """The column's own type."""
        return (Output("", self.column_type(self.column, types)),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """The value, null where there is none."""
        order, data = states[0].fixed
        present = (order >= 0) & (order < _GREATEST)
        return (Finished(data, present, dictionary=states[0].dictionaries[1]),)


@dataclass(frozen=True)
class First(_Edge):
    """The oldest value of a column; null without any.

    Attributes:
        column: The column; nulls are skipped.
    """

    kind: ClassVar[str] = "first"


@dataclass(frozen=True)
class Last(_Edge):
    """The newest value of a column; null without any.

    Attributes:
        column: The column; nulls are skipped.
    """

    kind: ClassVar[str] = "last"
    newest: ClassVar[bool] = True
