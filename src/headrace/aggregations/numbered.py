"""Values sorted into numbered places: what quantiles and histograms keep."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

from headrace.aggregations.count import Counting
from headrace.aggregations.grouped import Grouped
from headrace.aggregations.states import Array, Events, States, Values
from headrace.schema import INT64, Type

if TYPE_CHECKING:
    from headrace.aggregations.algebra import Fixed

__all__ = ["Numbered"]


@dataclass(frozen=True)
class Numbered(Grouped):
    """State: how many values each numbered place holds; places without any are not kept.

    Attributes:
        of: The column's type.
    """

    inner: Fixed = field(default_factory=Counting)
    key: Type = INT64
    _: KW_ONLY
    of: Type

    @abstractmethod
    def number(self, column: Array) -> Array:
        """The place of each value, int64, by the value alone; what does not count may be anything."""

    def lift(self, events: Events) -> States:
        """One entry: the place of the value."""
        places = self.number(events.values[0].data)
        return super().lift(events._replace(values=(Values(places, INT64),)))
