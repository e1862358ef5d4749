"""Generators of definitions: any kind, valid, with every option drawn. Needs hypothesis.

What the own fields of an aggregation are drawn from is decided by their names and annotations, so that one
that is added to the catalogue is drawn like the others.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from hypothesis import assume
from hypothesis import strategies as st

from headrace.agg import CATALOGUE
from headrace.definitions import rules
from headrace.definitions.aggregate_view import AggregateView
from headrace.definitions.base import UPDATE_FREQUENCIES, Definition
from headrace.definitions.entity import KEY_TYPES, Entity
from headrace.definitions.feature import FEATURE_TYPES
from headrace.definitions.label import ATTRIBUTIONS, Label
from headrace.definitions.latest_view import LatestView
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.rules import Rule
from headrace.definitions.service import FeatureService
from headrace.definitions.source import ON_INVALID, EventSource, TableSource
from headrace.definitions.span import Span
from headrace.definitions.stream import JsonLinesStream, KafkaStream, Push, RedisStream, Stream
from headrace.schema import Schema, Type
from headrace.testing.arguments import takes_key
from headrace.windows import HOPS, Window, calendar, duration, series, window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

    from headrace.aggregations.base import Aggregation

__all__ = [
    "aggregate_views",
    "aggregations",
    "definitions",
    "entities",
    "event_sources",
    "labels",
    "latest_views",
    "names",
    "on_demand_features",
    "services",
    "streams",
    "table_sources",
    "windows",
]

_HOP_NAMES = ("1s", "5s", "1m", "5m", "1h", "1d")
_LENGTHS = ("12s", "90s", "5m", "1h", "36h", "7d", "2w", "30d", "365d")
_TYPES = ("string", "int64", "double", "bool", "timestamp", "date", "binary", "decimal(12,4)", "list<double>")
_ZONES = (None, "UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Sao_Paulo")

_texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
_words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=8)
_numbers = st.integers(-1_000, 1_000) | st.floats(-1e6, 1e6)
_outputs: SearchStrategy[str | Type] = st.sampled_from(
    (*_TYPES, "list<list<string>>", Type("map", items=(Type("string"), Type("int64"))))
)
_hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
_spans = st.sampled_from(("0s", "1s", "90s", "1h", "7d")) | st.integers(0, 10**12).map(Span)


def names() -> SearchStrategy[str]:
    """Names of definitions: identifiers without `__`, no `_` last."""
    return st.from_regex(r"[a-zA-Zäж][a-z0-9]{0,6}(_[a-z0-9]{1,4}){0,2}", fullmatch=True)


@st.composite
def windows(draw: DrawFn) -> Window:
    """Windows of every kind."""
    match draw(st.sampled_from(("sliding", "shifted", "series", "calendar", "lifetime"))):
        case "lifetime":
            return window("all")
        case "calendar":
            return calendar(draw(st.sampled_from(("day", "week", "month"))), draw(st.integers(0, 3)))
        case "series":
            length = draw(st.sampled_from(_LENGTHS))
            fitting = [
                name for name, hop in zip(_HOP_NAMES, HOPS, strict=True) if duration(length) % hop == 0
            ]
            return series(length, draw(st.integers(1, 9)), draw(st.sampled_from(fitting)))
        case kind:
            length = draw(st.sampled_from(_LENGTHS))
            fitting = [name for name, hop in zip(_HOP_NAMES, HOPS, strict=True) if hop <= duration(length)]
            hop = draw(st.sampled_from(fitting))
            times = draw(st.integers(1, 50)) if kind == "shifted" else 0
            return window(length, hop, f"{int(hop[:-1]) * times}{hop[-1]}" if times else None)


def streams() -> SearchStrategy[Stream]:
    """Streams of every kind."""
    return st.one_of(
        st.builds(KafkaStream, _words, brokers=_words),
        st.builds(RedisStream, _words, url=_words),
        st.builds(JsonLinesStream, _words),
        st.builds(Push),
    )


@st.composite
def _value_rules(draw: DrawFn, column: str = "") -> tuple[Rule, ...]:
    """Rules on one column, or on a feature's value."""
    low, high = sorted(draw(st.tuples(_numbers, _numbers)))
    shared: dict[str, Any] = {"description": draw(_texts), "enforce": draw(st.sampled_from(("", "serve")))}
    choices = (
        rules.not_null(column, **shared),
        rules.range(column, min=low, max=high, **shared),
        rules.range(column, min="2026-01-01", **shared),
        rules.type(column, draw(st.sampled_from(_TYPES)), **shared),
        rules.regex(column, draw(_words), **shared),
        rules.custom(draw(_words), draw(_words), column=column, **shared),
        Rule("enum", column, arguments={"values": tuple(draw(st.sets(_words, min_size=1)))}, **shared),
        Rule("unique", column, **shared),
    )
    return tuple(draw(st.lists(st.sampled_from(choices), max_size=3)))


def _words_about() -> dict[str, SearchStrategy[Any]]:
    return {"description": _texts, "owner": _texts, "tags": st.lists(_words, max_size=3)}


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
    schema |= draw(st.dictionaries(names().map("c_".__add__), st.sampled_from(_TYPES), max_size=4))
    order = draw(st.permutations(list(schema)))
    options: dict[str, Any] = {name: draw(st.sampled_from((None, name))) for name in times}
    options["available_at"] = draw(st.sampled_from((None, *times)))
    return {
        **options,
        "batch": draw(st.none() | _words),
        "schema": {name: schema[name] for name in order},
        "timestamp": "ts",
        "columns": draw(st.dictionaries(names().map("d_".__add__), _words, max_size=2)),
        "rules": draw(_value_rules("n")),
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


_OWN: dict[str, Callable[[Mapping[str, Type]], SearchStrategy[Any]]] = {
    "column": lambda types: st.sampled_from([name for name, of in types.items() if of.is_number]),
    "by": lambda types: st.none() | st.sampled_from([name for name, of in types.items() if of.is_scalar]),
    "k": lambda _: st.integers(1, 1_000),
    "max_keys": lambda _: st.integers(1, 10_000),
    "gap": lambda _: st.sampled_from(("30s", "30m", "1d")),
    "half_life": lambda _: st.sampled_from(("90s", "1h", "14d")),
    "q": lambda _: st.floats(0, 1),
    "accuracy": lambda _: st.floats(0.001, 0.25),
    "edges": lambda _: st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=4, unique=True).map(sorted),
    "prior": lambda _: st.none() | st.tuples(st.floats(0, 1e6), st.floats(0.5, 1e6)),
    "windows": lambda _: st.lists(windows(), min_size=1, max_size=4, unique_by=lambda each: each.suffix),
}
"""What fields of these names are drawn from, whatever the aggregation."""

_BY_ANNOTATION: dict[str, Callable[[Mapping[str, Type]], SearchStrategy[Any]]] = {
    "str": _OWN["column"],
    "bool": lambda _: st.booleans(),
    "int": lambda _: st.integers(1, 64),
    "float": lambda _: st.floats(0.01, 0.5),
}
"""What other fields are drawn from."""

_COUNT = CATALOGUE["count"]
_REFERENCES = {"numerator", "denominator"}


@st.composite
def aggregations(
    draw: DrawFn, kind: str, name: str, types: Mapping[str, Type], counts: tuple[str, ...] = ()
) -> Aggregation:
    """An aggregation of one kind.

    Args:
        draw: Hypothesis's.
        kind: A key of the catalogue.
        name: Its name.
        types: The columns it may read.
        counts: Counts it may refer to.
    """
    made = CATALOGUE[kind]
    options: dict[str, Any] = {
        "description": draw(_texts),
        "owner": draw(_texts),
        "tags": draw(st.lists(_words, max_size=2)),
        "type": draw(st.sampled_from(("", *FEATURE_TYPES))),
        "rules": draw(_value_rules()),
    }
    for each in dataclasses.fields(made):
        skipped = {*options, "name", "written"} | ({"windows"} if not made.windowed else set())
        if each.name in skipped or (each.name == "by" and not takes_key(kind)):
            continue
        options[each.name] = draw(_field(each, types, counts))
    if counts and kind == "rate":
        options["where"] = None
    if options.get("windows", ()) and len(options["windows"]) > 1:
        options["suffix"] = True
    return made(name, **options)


def _field(
    of: dataclasses.Field[Any], types: Mapping[str, Type], counts: tuple[str, ...]
) -> SearchStrategy[Any]:
    if of.name == "where":
        return st.none() | _words
    if of.name in _REFERENCES:
        return st.sampled_from(counts)
    if of.name in _OWN:
        return _OWN[of.name](types)
    if of.type in _BY_ANNOTATION:
        return _BY_ANNOTATION[str(of.type)](types)
    if of.default is dataclasses.MISSING:
        raise AssertionError(f"headrace.testing.definitions does not know what to draw {of.name} from")
    return st.just(of.default)


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
    features: list[Aggregation] = []
    if having is not None:
        # What some aggregations refer to.
        features.append(_COUNT("shown", windows=draw(_OWN["windows"](types))))
        features.append(draw(aggregations(having, "had", types, ("shown",))))
    stems = st.from_regex(r"[a-z]{1,4}[0-9]?", fullmatch=True).filter(lambda name: name != "had")
    for name in draw(st.lists(stems, min_size=not features, max_size=4, unique=True)):
        counts = tuple(
            each.name for each in features if isinstance(each, _COUNT) and not getattr(each, "by", None)
        )
        kinds = [kind for kind, made in CATALOGUE.items() if counts or not _refers(made)]
        features.append(draw(aggregations(draw(st.sampled_from(kinds)), name, types, counts)))
    return AggregateView(
        draw(names()),
        entity=entity,
        source=source,
        features=draw(st.permutations(features)),
        update_frequency=draw(st.sampled_from(UPDATE_FREQUENCIES)),
        timezone=draw(st.sampled_from(_ZONES)),
        **_drawn(draw, _versioned()),
    )


def _refers(made: type[Aggregation]) -> bool:
    return any(each.name in _REFERENCES for each in dataclasses.fields(made))


@st.composite
def latest_views(draw: DrawFn) -> LatestView:
    """Latest-value views of tables and of events."""
    entity = draw(entities())
    source: EventSource | TableSource = draw(table_sources(entity) | event_sources(entity))
    known = [name for name in (*(source.schema or ()), *source.columns) if name not in entity.join_keys]
    features = draw(st.lists(st.sampled_from(known), min_size=1, unique=True))
    some = st.sampled_from(features)
    return LatestView(
        draw(names()),
        entity=entity,
        source=source,
        features=features,
        ttl=draw(st.none() | st.sampled_from(("1h", "365d"))),
        descriptions=draw(st.dictionaries(some, _texts, max_size=2)),
        feature_types=draw(st.dictionaries(some, st.sampled_from(FEATURE_TYPES), max_size=2)),
        rules=draw(_value_rules(features[0])),
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
        request={name: draw(st.sampled_from(_TYPES)) for name in parameters[split:]},
        output=draw(_outputs),
        source_hash=draw(_hashes),
        module_hash=draw(_hashes),
        takes_request_time=draw(st.booleans()),
        type=draw(st.sampled_from(("", *FEATURE_TYPES))),
        rules=draw(_value_rules()),
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
        where=draw(st.none() | _words),
        touches_where=draw(st.none() | _words) if touches is not None else None,
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
