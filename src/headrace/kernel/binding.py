"""Views bound to what the registry knows of them: all that an engine, a load or a read needs, and no more."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from headrace.kernel.clean import condition_column
from headrace.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.definitions.rules import Rule
    from headrace.definitions.source import Source
    from headrace.kernel.plan import ViewPlan
    from headrace.schema import Type

__all__ = ["AggregateBinding", "Binding", "LatestBinding"]


@dataclass(frozen=True, eq=False)
class Binding:
    """What every view has.

    Attributes:
        name: The view's name.
        version: Its version.
        keys: The entity's join keys and their types; empty for one global row.
        source: Where its events or rows come from.
        schema: The source's frozen schema.
        zone: The calendar's zone.
        rules: What values of its features have to be, by feature; features without rules are left out.
    """

    name: str
    version: str
    keys: Schema
    source: Source
    schema: Schema
    zone: str = "UTC"
    rules: Mapping[str, tuple[Rule, ...]] = field(kw_only=True, default_factory=dict)

    @property
    def id(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def serving_delay(self) -> int:
        """Microseconds after its known instant at which an event counts in training sets."""
        return int(getattr(self.source, "serving_delay", None) or 0)

    @property
    def event_id(self) -> str | None:
        """The column that identifies an event, if any."""
        return getattr(self.source, "event_id", None)

    @cached_property
    def order_schema(self) -> Schema:
        """The columns that settle ties between an entity's events of one time.

        Its key and its timestamp are equal there: they would only lengthen the order keys that states carry.
        """
        settled = {*self.keys, self.source.timestamp} - {self.event_id}
        return Schema({name: of for name, of in self.schema.items() if name not in settled})

    @property
    def feature_types(self) -> Mapping[str, Type]:
        """Output columns and their types, companions included."""
        raise AssertionError(self.id)

    @property
    def expressions(self) -> Mapping[str, str]:
        """Row-level expressions to evaluate on each event."""
        raise AssertionError(self.id)


@dataclass(frozen=True, eq=False)
class AggregateBinding(Binding):
    """A view of windowed aggregations.

    Attributes:
        plan: Its compiled plan.
    """

    plan: ViewPlan = field(kw_only=True)

    def columns_read(self, plan: ViewPlan) -> list[str] | None:
        """The columns of the source that the plan, or a part of it, is computed from; None for all."""
        if plan.needs_order or self.event_id is not None:
            return None
        return [*self.keys, *plan.inputs]

    @cached_property
    def feature_types(self) -> Mapping[str, Type]:
        """Output columns and their types, companions included."""
        return {
            name: of for each in self.plan.features for name, of in zip(each.names, each.types, strict=True)
        }

    @cached_property
    def expressions(self) -> Mapping[str, str]:
        """Row-level expressions to evaluate on each event: the derived columns and the plan's conditions."""
        derived = {name: text for name, text in self.source.columns.items() if name not in self.schema}
        conditions = {condition_column(where): where for where in self.plan.conditions}
        return {**derived, **conditions}


@dataclass(frozen=True, eq=False)
class LatestBinding(Binding):
    """A view of latest values.

    Attributes:
        features: Columns and their types, derived columns included.
        ttl: How long after its event time a row is valid, microseconds; None for ever.
        created_at: The column that holds when a row was made, if any.
    """

    features: Mapping[str, Type] = field(kw_only=True)
    ttl: int | None = field(kw_only=True, default=None)
    created_at: str | None = field(kw_only=True, default=None)

    @property
    def feature_types(self) -> Mapping[str, Type]:
        """Columns and their types."""
        return self.features

    @cached_property
    def expressions(self) -> Mapping[str, str]:
        """Derived columns among the features."""
        return {name: text for name, text in self.source.columns.items() if name in self.features}
