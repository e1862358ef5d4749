"""Generators of what definitions are made of: names, texts, windows, streams, rules, aggregations.

Needs hypothesis. What the own fields of an aggregation are drawn from is decided by their names and
annotations, so that one that is added to the catalogue is drawn like the others.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from headrace.agg import CATALOGUE
from headrace.definitions import rules
from headrace.definitions.feature import FEATURE_TYPES
from headrace.definitions.message_form import BASE64, FRAMINGS, Avro, MessageForm, Protobuf
from headrace.definitions.rules import Rule
from headrace.definitions.stream import JsonLinesStream, KafkaStream, Push, RedisStream, Stream
from headrace.testing.arguments import takes_key
from headrace.windows import HOPS, Window, calendar, duration, series, window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

    from headrace.aggregations.base import Aggregation
    from headrace.schema import Type

__all__ = ["COLUMN_TYPES", "features", "names", "streams", "texts", "value_rules", "windows", "words"]

_HOP_NAMES = ("1s", "5s", "1m", "5m", "1h", "1d")
_LENGTHS = ("12s", "90s", "5m", "1h", "36h", "7d", "2w", "30d", "365d")
COLUMN_TYPES = (
    "string",
    "int64",
    "double",
    "bool",
    "timestamp",
    "date",
    "binary",
    "decimal(12,4)",
    "list<double>",
)

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=8)
_numbers = st.integers(-1_000, 1_000) | st.floats(-1e6, 1e6)


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


def message_forms() -> SearchStrategy[MessageForm | None]:
    """Forms of messages; None for JSON."""
    framings = st.sampled_from(FRAMINGS)
    field = st.fixed_dictionaries(
        {"name": st.from_regex("[a-z]{1,8}", fullmatch=True), "type": st.just("long")}
    )
    schema = st.builds(lambda *of: json.dumps({"type": "record", "name": "Event", "fields": of}), field)
    return st.one_of(
        st.none(),
        st.builds(Avro, schema, framing=framings),
        st.builds(Avro, schema, schema_id=st.integers(0, 1 << 31)),
        st.builds(Protobuf, st.just(f"{BASE64}Cg=="), words, framing=framings),
    )


def streams() -> SearchStrategy[Stream]:
    """Streams of every kind."""
    return st.one_of(
        st.builds(KafkaStream, words, brokers=words, messages=message_forms()),
        st.builds(RedisStream, words, url=words, partitions=st.integers(1, 64), messages=message_forms()),
        st.builds(JsonLinesStream, words),
        st.builds(Push),
    )


@st.composite
def value_rules(draw: DrawFn, column: str = "") -> tuple[Rule, ...]:
    """Rules on one column, or on a feature's value."""
    low, high = sorted(draw(st.tuples(_numbers, _numbers)))
    shared: dict[str, Any] = {"description": draw(texts), "enforce": draw(st.sampled_from(("", "serve")))}
    choices = (
        rules.not_null(column, **shared),
        rules.range(column, min=low, max=high, **shared),
        rules.range(column, min="2026-01-01", **shared),
        rules.type(column, draw(st.sampled_from(COLUMN_TYPES)), **shared),
        rules.regex(column, draw(words), **shared),
        rules.custom(draw(words), draw(words), column=column, **shared),
        Rule("enum", column, arguments={"values": tuple(draw(st.sets(words, min_size=1)))}, **shared),
        Rule("unique", column, **shared),
    )
    return tuple(draw(st.lists(st.sampled_from(choices), max_size=3)))


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
def features(draw: DrawFn, types: Mapping[str, Type], having: str | None = None) -> list[Aggregation]:
    """Any aggregations of the catalogue, of different names.

    Args:
        draw: Hypothesis's.
        types: The columns they may read.
        having: A key of the catalogue: an aggregation that is among them.
    """
    found: list[Aggregation] = []
    if having is not None:
        # What some aggregations refer to.
        found.append(_COUNT("shown", windows=draw(_OWN["windows"](types))))
        found.append(draw(_aggregations(having, "had", types, ("shown",))))
    stems = st.from_regex(r"[a-z]{1,4}[0-9]?", fullmatch=True).filter(lambda name: name != "had")
    for name in draw(st.lists(stems, min_size=not found, max_size=4, unique=True)):
        counts = tuple(
            each.name for each in found if isinstance(each, _COUNT) and not getattr(each, "by", None)
        )
        kinds = [kind for kind, made in CATALOGUE.items() if counts or not _refers(made)]
        found.append(draw(_aggregations(draw(st.sampled_from(kinds)), name, types, counts)))
    return draw(st.permutations(found))


@st.composite
def _aggregations(
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
        "description": draw(texts),
        "owner": draw(texts),
        "tags": draw(st.lists(words, max_size=2)),
        "type": draw(st.sampled_from(("", *FEATURE_TYPES))),
        "rules": draw(value_rules()),
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
        return st.none() | words
    if of.name in _REFERENCES:
        return st.sampled_from(counts)
    if of.name in _OWN:
        return _OWN[of.name](types)
    if of.type in _BY_ANNOTATION:
        return _BY_ANNOTATION[str(of.type)](types)
    if of.default is dataclasses.MISSING:
        raise AssertionError(f"headrace.testing.definition_parts does not know what to draw {of.name} from")
    return st.just(of.default)


def _refers(made: type[Aggregation]) -> bool:
    return any(each.name in _REFERENCES for each in dataclasses.fields(made))
