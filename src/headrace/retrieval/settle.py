"""Settling definitions: sources get frozen schemas, views are checked against them, all become documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from headrace.definitions.canonical import Document, document, freeze
from headrace.definitions.graph import check_references, gather
from headrace.definitions.label import Label
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.source import Source
from headrace.definitions.view import View
from headrace.intake.expressions import derived_types
from headrace.intake.feature_rules import FeatureRules
from headrace.intake.message_forms import check_messages
from headrace.intake.row_rules import RowRules
from headrace.retrieval.bind import bind
from headrace.retrieval.bind_label import bind_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from headrace.definitions.base import Definition
    from headrace.definitions.feature import FeatureDefinition
    from headrace.definitions.references import Reference
    from headrace.ports.engine import Engine
    from headrace.schema import Schema

__all__ = ["Settled", "settle"]


class Settled(NamedTuple):
    """Definitions, ready to be registered.

    Attributes:
        documents: All of them.
        features: What their views and on-demand features come to.
        schemas: The schemas read from data, for those who want to see them.
    """

    documents: tuple[Document, ...]
    features: tuple[FeatureDefinition, ...]
    schemas: Mapping[str, Schema]


def settle(
    definitions: Iterable[Definition],
    engine: Engine,
    zone: str,
    frozen: Mapping[str, Schema],
    offered: Mapping[Reference, tuple[str, ...]],
) -> Settled:
    """Check definitions against their data's columns and each other.

    Args:
        definitions: As written.
        engine: Reads the schemas of sources that declare none.
        zone: The project's time zone.
        frozen: Schemas frozen by an earlier apply, by source; they stay as they are.
        offered: Features of definitions that the registry has already.

    Raises:
        DefinitionError: One does not fit its source, or the others.
        UnknownNameError: A reference names what is not there.
        DataError: A source's data cannot be read.
    """
    given = gather(definitions)
    resolved: dict[str, Schema] = dict(frozen)
    read: dict[str, Schema] = {}
    for each in given:
        if isinstance(each, Source) and each.schema is None and each.name not in resolved:
            resolved[each.name] = read[each.name] = engine.infer_schema(each)
    settled = [freeze(each, resolved, zone) for each in given]
    features: list[FeatureDefinition] = []
    for each in settled:
        if isinstance(each, Source):
            assert each.schema is not None  # noqa: S101 - freeze has settled it
            RowRules(each, each.schema, zone)
            check_messages(each)
        elif isinstance(each, View):
            schema = each.source.schema
            assert schema is not None  # noqa: S101 - freeze has settled it
            binding = bind(each, schema, zone)
            if binding.zone != zone and each.is_active:
                _check_rules(each, schema, binding.zone, zone)
            types = {
                **schema,
                **derived_types(schema, each.source.columns, binding.zone, each.source.written),
            }
            features += each.outputs(types)
        elif isinstance(each, OnDemandFeature):
            FeatureRules(each.name, each.rules, each.output)  # refuses what does not fit
            features.append(each.definition)
        elif isinstance(each, Label):
            bind_label(each, zone)
    check_references(settled, offered)
    return Settled(tuple(document(each, resolved, zone) for each in given), tuple(features), read)


def _check_rules(view: View, schema: Schema, own: str, zone: str) -> None:
    """Refuse rules that would mean something else to a view: a row has one verdict, whoever reads it."""
    if RowRules(view.source, schema, own).local:
        raise view.error(
            f"rules of source {view.source.name!r} read local times: those of {zone}, the project's zone; "
            f"the view's are those of {own}.",
            asked=own,
            available=[zone],
            remedy="Leave out the view's timezone, or the local times in the rules.",
        )
