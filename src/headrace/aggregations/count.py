"""count: how many events."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.algebra import Columnwise
from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.by_key import MAX_KEYS, check_limit, finish_map, keyed
from headrace.aggregations.states import Array, Events, Field, Finished, States
from headrace.lazy import numpy as np
from headrace.schema import INT64, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    """How many events there are (with `where`: for how many it is TRUE); with `by`, a map from key to count.

    Attributes:
        by: A column; the feature becomes a map from its values to their counts. Null keys are skipped.
        max_keys: How many distinct keys a state keeps in full; beyond, the value is INVALID ("truncated").
    """

    _: KW_ONLY
    by: str | None = None
    max_keys: int = MAX_KEYS
    kind: ClassVar[str] = "count"

    def __post_init__(self) -> None:
        """Check the limit of keys."""
        super().__post_init__()
        check_limit(self, self.max_keys)

    @property
    def columns(self) -> tuple[str, ...]:
        """The key column, if any."""
        return (self.by,) if self.by else ()

    def measures(self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]) -> tuple[Measure, ...]:
        """A count, or a map of counts."""
        algebra, columns = keyed(self, Counting(), (), types)
        return (Measure(algebra, columns, self.where),)

    def outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """int64, or a map from the key's type to int64."""
        return (
            Output("", Type("map", items=(self.column_type(self.by, types), INT64)) if self.by else INT64),
        )

    def finish(self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]) -> tuple[Finished, ...]:
        """The count itself."""
        (state,) = states
        if self.by:
            return (finish_map(state, Finished(state.entries[1])),)
        return (Finished(state.fixed[0]),)
