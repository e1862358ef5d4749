"""min and max: the least and the greatest value of a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.algebra import Columnwise, storage
from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.states import Array, Events, Field, Finished, States
from headrace.lazy import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.schema import Type

__all__ = ["Extreme", "Max", "Min"]

_GREATEST = (1 << 63) - 1


@dataclass(frozen=True)
class Extreme(Columnwise):
    """State: whether there is a value, and the least or greatest one (a code, for text).

    Attributes:
        of: The column's type.
        greatest: True for max, False for min.
    """

    of: Type
    greatest: bool

    @property
    def fixed(self) -> tuple[Field, ...]:  # type: ignore[override]
        """A flag and a value."""
        return (Field("any", "|u1"), storage(self.of))

    @property
    def ufuncs(self) -> tuple[np.ufunc, ...]:
        """Any, and the extreme."""
        return (np.maximum, np.maximum if self.greatest else np.minimum)

    @property
    def zeros(self) -> tuple[int | float, ...]:
        """No value: the extreme every value beats."""
        if self.of.name == "double":
            return (0, float("-inf") if self.greatest else float("inf"))
        return (0, -_GREATEST - 1 if self.greatest else _GREATEST)

    def lift(self, events: Events) -> States:
        """The value itself."""
        values = events.values[0]
        dictionaries = (None, values.dictionary)
        if events.counts is None:
            return States(events.n, (np.ones(events.n, np.uint8), values.data), None, (), dictionaries)
        data = np.where(events.counts, values.data, np.array(self.zeros[1], values.data.dtype))
        return States(events.n, (events.counts.astype(np.uint8), data), None, (), dictionaries)


@dataclass(frozen=True)
class _Extreme(Aggregation):
    column: str

    greatest: ClassVar[bool] = False

    @property
    def _columns(self) -> tuple[str, ...]:
        """The column compared."""
        return (self.column,)

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """An extreme."""
        of = self.column_type(self.column, types)
        return (Measure(Extreme(of, self.greatest), self._columns, self.where),)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """The column's own type."""
        return (Output("", self.column_type(self.column, types)),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """The extreme, null where there is no value."""
        (state,) = states
        return (Finished(state.fixed[1], state.fixed[0].astype(bool), dictionary=state.dictionaries[1]),)


@dataclass(frozen=True)
class Min(_Extreme):
    """The least value of a column; null without any.

    Attributes:
        column: The column compared; nulls are skipped. Text compares by its bytes.
    """

    kind: ClassVar[str] = "min"


@dataclass(frozen=True)
class Max(_Extreme):
    """The greatest value of a column; null without any.

    Attributes:
        column: The column compared; nulls are skipped. Text compares by its bytes.
    """

    kind: ClassVar[str] = "max"
    greatest: ClassVar[bool] = True
