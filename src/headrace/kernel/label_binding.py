"""Labels bound to what the registry knows of their sources: all that an engine needs to make them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from headrace.aggregations.sum import Sum
from headrace.kernel.binding import Binding
from headrace.kernel.clean import condition_column
from headrace.schema import INT64, Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.definitions.label import Label
    from headrace.schema import Type

__all__ = ["EventsBinding", "LabelBinding"]


@dataclass(frozen=True, eq=False)
class EventsBinding(Binding):
    """One side of a label: its events, or its touches.

    Attributes:
        where: SQL condition; only events where it is TRUE count.
        value: A column that is read of each event, with its type.
    """

    where: str | None = field(kw_only=True, default=None)
    value: tuple[str, Type] | None = field(kw_only=True, default=None)

    @property
    def lateness(self) -> int:
        """Microseconds after which what was known is in the batch."""
        return int(getattr(self.source, "lateness", 0))

    @property
    def complete_until(self) -> int | None:
        """The instant up to which the batch holds all, microseconds; None if it does not say."""
        return getattr(self.source, "complete_until", None)

    @property
    def columns_read(self) -> list[str] | None:
        """The columns of the source that count for something; None for all.

        Copies of an event may differ in what is read of it, and the one that counts is chosen by all columns.
        """
        if self.event_id is None:
            return [*self.keys, *([self.value[0]] if self.value else [])]
        return None if self.where is not None or self.value is not None else [*self.keys, self.event_id]

    @cached_property
    def content(self) -> Schema:
        """The source's columns that are read again once entities are numbered, and decide between copies."""
        read = self.columns_read
        wanted = {self.event_id, self.value[0] if self.value else None}
        return Schema(
            {
                name: of
                for name, of in self.schema.items()
                if (read is None or name in read) and (name in wanted or name not in self.keys)
            }
        )

    @cached_property
    def expressions(self) -> Mapping[str, str]:
        """Row-level expressions to evaluate on each event: derived columns and the condition."""
        read_derived = self.where is not None or (self.value is not None and self.value[0] not in self.schema)
        found = dict(self.source.columns) if read_derived else {}
        if self.where is not None:
            found[condition_column(self.where)] = self.where
        return found


@dataclass(frozen=True, eq=False)
class LabelBinding:
    """A label.

    Attributes:
        label: The definition.
        events: The events that make it.
        touches: What they are credited to; None where those are the spine's rows.
    """

    label: Label
    events: EventsBinding
    touches: EventsBinding | None

    @property
    def id(self) -> str:
        """`name@version`."""
        return f"{self.label.name}@{self.label.version}"

    @property
    def keys(self) -> Schema:
        """The columns that events, touches and spine share."""
        return self.events.keys

    @property
    def sides(self) -> tuple[EventsBinding, ...]:
        """What is read."""
        return (self.events,) if self.touches is None else (self.events, self.touches)

    @property
    def touch_id(self) -> tuple[str, Type] | None:
        """The column by which a spine may name a touch, with its type."""
        touches = self.touches
        if touches is None or touches.event_id is None:
            return None
        return touches.event_id, touches.schema[touches.event_id]

    @cached_property
    def total(self) -> Sum | None:
        """What sums up the label's values; None where events only count."""
        return Sum(self.label.name, self.label.value, windows="all") if self.label.value else None

    @cached_property
    def type(self) -> Type:
        """The type of the label."""
        if self.total is None or self.events.value is None:
            return INT64
        name, of = self.events.value
        return self.total.outputs({name: of})[0].type
