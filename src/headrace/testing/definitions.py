"""Generators of definitions: any kind, valid, with every option drawn. Needs hypothesis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import assume
from hypothesis import strategies as st

from headrace.definitions.aggregate_view import AggregateView
from headrace.definitions.base import UPDATE_FREQUENCIES, Definition
from headrace.definitions.entity import KEY_TYPES, Entity
from headrace.definitions.feature import FEATURE_TYPES
from headrace.definitions.label import ATTRIBUTIONS, Label
from headrace.definitions.latest_view import LatestView
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.service import FeatureService
from headrace.definitions.source import ON_INVALID, EventSource, TableSource
from headrace.definitions.span import Span
from headrace.schema import Schema, Type
from headrace.testing.definition_parts import (
    COLUMN_TYPES,
    features,
    names,
    streams,
    texts,
    value_rules,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = [
    "aggregate_views",
    "definitions",
    "entities",
    "event_sources",
    "labels",
    "latest_views",
    "on_demand_features",
    "services",
    "table_sources",
]

_outputs: SearchStrategy[str | Type] = st.sampled_from(
    (*COLUMN_TYPES, "list<list<string>>", Type("map", items=(Type("string"), Type("int64"))))
)
_ZONES = (None, "UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Sao_Paulo")
_hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
_spans = st.sampled_from(("0s", "1s", "90s", "1h", "7d")) | st.integers(0, 10**12).map(Span)


def _words_about() -> dict[str, SearchStrategy[Any]]:
    return {"description": texts, "owner": texts, "tags": st.lists(words, max_size=3)}


def _versioned() -> dict[str, SearchStrategy[Any]]:
    versions = st.from_regex(r"[0-9]{1,3}|[0-9]\.[0-9]|20[0-9]{2}-[0-9]{2}|beta_[0-9]", fullmatch=True)
    return {**_words_about(), "version": versions, "is_active": st.booleans()}


def _drawn(draw: DrawFn, options: Mapping[str, SearchStrategy[Any]]) -> dict[str, Any]:
    return {name: draw(option) for name, option in options.items()}


@st.composite
def entities(draw: DrawFn) -> Entity:
    """Entities with no key, one, or several."""
    keys = draw(
        st.none()
        | st.dictionaries(names().map("key_".__add__), st.sampled_from(KEY_TYPES), min_size=1, max_size=3)
    )
    return Entity(draw(names()), keys, **_drawn(draw, _words_about()))


@st.composite
def _source_options(draw: DrawFn, entity: Entity | None, times: tuple[str, ...]) -> dict[str, Any]:
    """What event and table sources have in common; there is always a number `n` and a text `s`."""
    schema: dict[str, Any] = {
        "ts": "timestamp",
        "n": "int64",
        "s": "string",
        **(entity.join_keys if entity else {}),
    }
    schema |= dict.fromkeys(times, "timestamp")
    schema |= draw(st.dictionaries(names().map("c_".__add__), st.sampled_from(COLUMN_TYPES), max_size=4))
    order = draw(st.permutations(list(schema)))
    options: dict[str, Any] = {name: draw(st.sampled_from((None, name))) for name in times}
    options["available_at"] = draw(st.sampled_from((None, *times)))
    return {
        **options,
        "batch": draw(st.none() | words),
        "schema": {name: schema[name] for name in order},
        "timestamp": "ts",
        "columns": draw(st.dictionaries(names().map("d_".__add__), words, max_size=2)),
        "rules": draw(value_rules("n")),
        "on_invalid": draw(st.sampled_from(ON_INVALID)),
        "allow_infinite": draw(st.booleans()),
        **_drawn(draw, _words_about()),
    }


@st.composite
def event_sources(draw: DrawFn, entity: Entity | None = None) -> EventSource:
    """Event sources that hold an entity's keys."""
    options = draw(_source_options(entity, ("available_at",)))
    return EventSource(
        draw(names()),
        **options,
        event_id=draw(st.sampled_from((None, "s", "n"))),
        serving_delay=draw(st.none() | _spans),
        lateness=draw(_spans),
        dedup_horizon=draw(_spans),
        complete_until=draw(st.none() | st.integers(0, 2**50)),
        stream=draw(st.none() | streams()),
    )


@st.composite
def table_sources(draw: DrawFn, entity: Entity | None = None) -> TableSource:
    """Table sources that hold an entity's keys."""
    return TableSource(draw(names()), **draw(_source_options(entity, ("available_at", "created_at"))))


@st.composite
def aggregate_views(draw: DrawFn, having: str | None = None) -> AggregateView:
    """Aggregate views with any aggregations of the catalogue.

    Args:
        draw: Hypothesis's.
        having: A key of the catalogue: an aggregation that is among them.
    """
    entity = draw(entities())
    source = draw(event_sources(entity))
    types = source.schema or Schema({})
    return AggregateView(
        draw(names()),
        entity=entity,
        source=source,
        features=draw(features(types, having)),
        update_frequency=draw(st.sampled_from(UPDATE_FREQUENCIES)),
        timezone=draw(st.sampled_from(_ZONES)),
        **_drawn(draw, _versioned()),
    )


@st.composite
def latest_views(draw: DrawFn) -> LatestView:
    """Latest-value views of tables and of events."""
    entity = draw(entities())
    source: EventSource | TableSource = draw(table_sources(entity) | event_sources(entity))
    known = [name for name in (*(source.schema or ()), *source.columns) if name not in entity.join_keys]
    chosen = draw(st.lists(st.sampled_from(known), min_size=1, unique=True))
    some = st.sampled_from(chosen)
    return LatestView(
        draw(names()),
        entity=entity,
        source=source,
        features=chosen,
        ttl=draw(st.none() | st.sampled_from(("1h", "365d"))),
        descriptions=draw(st.dictionaries(some, texts, max_size=2)),
        feature_types=draw(st.dictionaries(some, st.sampled_from(FEATURE_TYPES), max_size=2)),
        rules=draw(value_rules(chosen[0])),
        update_frequency=draw(st.sampled_from(UPDATE_FREQUENCIES)),
        **_drawn(draw, _versioned()),
    )


@st.composite
def on_demand_features(draw: DrawFn) -> OnDemandFeature:
    """On-demand features as the registry knows them: without their functions."""
    parameters = draw(st.lists(names(), max_size=4, unique=True))
    split = draw(st.integers(0, len(parameters)))
    version = st.sampled_from(("", "@1", "@2026-01"))
    return OnDemandFeature(
        draw(names()),
        inputs={
            name: f"{draw(names())}{draw(version)}{draw(st.sampled_from(('', ':clicks_7d')))}"
            for name in parameters[:split]
        },
        request={name: draw(st.sampled_from(COLUMN_TYPES)) for name in parameters[split:]},
        output=draw(_outputs),
        source_hash=draw(_hashes),
        module_hash=draw(_hashes),
        takes_request_time=draw(st.booleans()),
        type=draw(st.sampled_from(("", *FEATURE_TYPES))),
        rules=draw(value_rules()),
        **_drawn(draw, _versioned()),
    )


@st.composite
def services(draw: DrawFn) -> FeatureService:
    """Services over views, parts of views and on-demand features."""
    members: list[Any] = []
    for each in draw(
        st.lists(aggregate_views() | latest_views() | on_demand_features(), min_size=1, max_size=3)
    ):
        if isinstance(each, OnDemandFeature) or draw(st.booleans()):
            members.append(each)
        else:
            chosen = draw(st.lists(st.sampled_from(each.feature_names), min_size=1, unique=True))
            members.append(each[tuple(chosen)])
    kept: dict[Any, Any] = {}
    for member in members:
        kept.setdefault(getattr(member, "view", member).reference, member)
    service = FeatureService(draw(names()), features=list(kept.values()), **_drawn(draw, _versioned()))
    held = [each for used in service.uses for each in (used, *used.uses)]
    assume(len({each.reference for each in held}) == len(held))
    return service


@st.composite
def labels(draw: DrawFn) -> Label:
    """Labels with and without touches."""
    source = draw(event_sources())
    touches = draw(st.none() | event_sources().filter(lambda each: each.name != source.name))
    value = draw(st.sampled_from((None, "n")))
    return Label(
        draw(names()),
        source=source,
        touches=touches,
        keys=draw(st.permutations(["n", "s"])),
        within=draw(st.sampled_from(("1h", "7d", "30d"))),
        attribution=draw(st.sampled_from(ATTRIBUTIONS)),
        where=draw(st.none() | words),
        touches_where=draw(st.none() | words) if touches is not None else None,
        value=value,
        count=value is None and draw(st.booleans()),
        reported_within=draw(st.sampled_from((None, "1d"))),
        **_drawn(draw, _versioned()),
    )


def definitions() -> SearchStrategy[Definition]:
    """Definitions of every kind."""
    return st.one_of(
        entities(),
        event_sources(),
        table_sources(),
        aggregate_views(),
        latest_views(),
        on_demand_features(),
        services(),
        labels(),
    )
