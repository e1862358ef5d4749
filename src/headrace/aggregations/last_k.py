"""last_k: the newest k values of a column, newest first."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.algebra import Ragged, storage
from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.states import Array, Events, Field, Finished, States, offsets_of
from headrace.lazy import numpy as np
from headrace.schema import TIMESTAMP, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KOfOrder", "LastK", "Newest", "check_k"]

_LARGEST_K = 1000


@dataclass(frozen=True)
class Newest(Ragged):
    """State: entries (order key, event time, value) of the k newest events, newest first.

    Attributes:
        of: The column's type.
        k: How many are kept.
    """

    of: Type
    k: int
    needs_order: ClassVar[bool] = True

    @property
    def entries(self) -> tuple[Field, ...]:  # type: ignore[override]
        """Order key, event time, value."""
        return (Field("order", "<i8", coded=True, order=True), Field("time", "<i8"), storage(self.of))

    def lift(self, events: Events) -> States:
        """One entry for each event that counts."""
        values, order = events.values[0], events.order
        if order is None:
            raise AssertionError("the first and the last k need the order of events")
        columns: tuple[Array, ...] = (order, events.time, values.data)
        dictionaries = (events.orders, None, values.dictionary)
        if events.counts is None:
            return States(events.n, (), np.arange(events.n + 1, dtype=np.int64), columns, dictionaries)
        columns = tuple(column[events.counts] for column in columns)
        return States(events.n, (), offsets_of(events.counts), columns, dictionaries)

    def narrow(self, states: States, starts: Array, stops: Array) -> tuple[Array, Array]:
        """Where entries lie in the order of events, the last k of a span are its newest."""
        order = states.entries[0]
        if bool((order[1:] >= order[:-1]).all()):
            return np.maximum(starts, stops - self.k), stops
        return starts, stops

    @staticmethod
    def rank(order: Array) -> Array:
        """The newer, the nearer the front."""
        return -order

    def normalise(self, states: States) -> States:
        """In the order of their ranks, k at most."""
        rows, order = self.rows_of(states), states.entries[0]
        by = np.lexsort((self.rank(order), rows))
        lengths = np.bincount(rows, minlength=states.n)
        starts = offsets_of(lengths)[:-1]
        kept = by[np.arange(len(rows)) - np.repeat(starts, lengths) < self.k]
        entries = tuple(column[kept] for column in states.entries)
        return States(states.n, (), offsets_of(np.minimum(lengths, self.k)), entries, states.dictionaries)


def check_k(of: Aggregation, k: int) -> None:
    """Refuse a k that is none."""
    if not (isinstance(k, int) and 1 <= k <= _LARGEST_K):
        raise of.error(f"k={k!r} is out of range.", asked=k, remedy=f"Use k of 1 to {_LARGEST_K}.")


@dataclass(frozen=True)
class KOfOrder(Aggregation):
    """Up to k values of a column, by their places in the total order of events."""

    column: str
    _: KW_ONLY
    k: int
    timestamps: bool = False

    keeps: ClassVar[type[Newest]] = Newest

    def __post_init__(self) -> None:
        """Check k."""
        super().__post_init__()
        check_k(self, self.k)

    @property
    def _columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """The k values, their times and places."""
        return (Measure(self.keeps(self.column_type(self.column, types), self.k), self._columns, self.where),)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """A list of the column's type, and its times where wanted."""
        values = Output("", Type("list", items=(self.column_type(self.column, types),)))
        return (values, Output("ts", Type("list", items=(TIMESTAMP,)))) if self.timestamps else (values,)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """The lists."""
        (state,) = states
        _, time, data = state.entries
        values = Finished(data, offsets=state.offsets, dictionary=state.dictionaries[2])
        return (values, Finished(time, offsets=state.offsets)) if self.timestamps else (values,)


@dataclass(frozen=True)
class LastK(KOfOrder):
    """The newest k values of a column, newest first; an empty list without any.

    Attributes:
        column: The column; nulls are skipped.
        k: How many values, 1 to 1,000.
        timestamps: Whether the companion `{name}__ts` with their event times is wanted too.
    """

    kind: ClassVar[str] = "last_k"
