"""first_k: the oldest k values of a column, oldest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.last_k import KOfOrder, Newest
from headrace.lazy import numpy as np

if TYPE_CHECKING:
    from headrace.aggregations.states import Array, States

__all__ = ["FirstK", "Oldest"]


@dataclass(frozen=True)
class Oldest(Newest):
    """State: entries (order key, event time, value) of the k oldest events, oldest first."""

    @staticmethod
    def rank(order: Array) -> Array:
        """The older, the nearer the front."""
        return order

    def narrow(self, states: States, starts: Array, stops: Array) -> tuple[Array, Array]:
        """Where entries lie in the order of events, the first k of a span are its oldest."""
        order = states.entries[0]
        if bool((order[1:] >= order[:-1]).all()):
            return starts, np.minimum(stops, starts + self.k)
        return starts, stops


@dataclass(frozen=True)
class FirstK(KOfOrder):
    """The oldest k values of a column, oldest first; an empty list without any.

    Attributes:
        column: The column; nulls are skipped.
        k: How many values, 1 to 1,000.
        timestamps: Whether the companion `{name}__ts` with their event times is wanted too.
    """

    kind: ClassVar[str] = "first_k"
    keeps: ClassVar[type[Newest]] = Oldest
