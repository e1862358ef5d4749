"""Binding definitions to their sources: a view and a frozen schema become what the kernel can run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.definitions.aggregate_view import AggregateView
from headrace.definitions.latest_view import LatestView
from headrace.intake.expressions import check_condition, derived_types
from headrace.intake.feature_rules import FeatureRules
from headrace.kernel.binding import AggregateBinding, Binding, LatestBinding
from headrace.kernel.plan import compile_view

if TYPE_CHECKING:
    from headrace.definitions.view import View
    from headrace.schema import Schema

__all__ = ["bind"]


def bind(view: View, schema: Schema, zone: str) -> Binding:
    """The view, checked against its source's schema and compiled.

    Args:
        view: The definition.
        schema: The source's frozen schema.
        zone: The project's time zone, for views without one of their own.

    Raises:
        DefinitionError: A column, expression or condition does not fit the schema; the text names file and
            line.
    """
    source = view.source
    zone = getattr(view, "timezone", None) or zone
    for role in (*view.entity.join_keys, source.timestamp, *filter(None, (source.available_at,))):
        if role not in schema:
            raise view.error(
                f"there is no column {role!r} in source {source.name!r}.",
                asked=role,
                available=list(schema),
                remedy="Name one of the source's columns.",
            )
    types = {**schema, **derived_types(schema, source.columns, zone, source.written)}
    outputs = view.outputs(types)
    rules = {each.name: each.rules for each in outputs if each.rules}
    for output in outputs:
        if output.rules:
            FeatureRules(output.name, output.rules, output.type)  # refuses what does not fit
    if isinstance(view, AggregateView):
        plan = compile_view(view.features, types, zone)
        for each in view.features:
            if each.where is not None:
                check_condition(each.where, types, zone, each.written)
        return AggregateBinding(
            view.name, view.version, view.entity.join_keys, source, schema, zone, plan=plan, rules=rules
        )
    assert isinstance(view, LatestView)  # noqa: S101 - the two kinds of view there are
    features = {each.name: each.type for each in outputs}
    created = getattr(source, "created_at", None)
    return LatestBinding(
        view.name, view.version, view.entity.join_keys, source, schema, zone,
        features=features, ttl=view.ttl, created_at=created, rules=rules,
    )  # fmt: skip
