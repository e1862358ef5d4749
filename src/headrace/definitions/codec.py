"""The one codec between definitions and JSON, driven by the fields of their dataclasses.

Every dataclass that may stand in a document has a tag, `{"is": "window/sliding", ...}`; texts, numbers and
lists stand for themselves; a mapping is an object without a tag. Definitions inside others are references.
Reading builds the tagged classes through their constructors, which check what they are given; nothing is
imported, unpickled or evaluated.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from headrace.agg import CATALOGUE
from headrace.aggregations.base import Aggregation
from headrace.definitions.aggregate_view import AggregateView
from headrace.definitions.base import Definition
from headrace.definitions.entity import Entity
from headrace.definitions.frozen import FrozenMapping
from headrace.definitions.label import Label
from headrace.definitions.latest_view import LatestView
from headrace.definitions.message_form import FORMS as MESSAGE_FORMS
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.references import Reference
from headrace.definitions.rules import Rule
from headrace.definitions.service import FeatureService
from headrace.definitions.source import EventSource, InMemory, TableSource
from headrace.definitions.span import Span
from headrace.definitions.stream import STREAMS
from headrace.definitions.view import FeatureSelection
from headrace.errors import DefinitionError, StoreError
from headrace.schema import Schema, Type, parse_type
from headrace.windows import Calendar, Lifetime, Series, Sliding

__all__ = [
    "Field",
    "Resolver",
    "canonical_bytes",
    "decode",
    "encode",
    "encode_definition",
    "fields_of",
    "tag_of",
]

Resolver = Callable[[Reference], Definition]
"""Finds the definition that a document refers to."""

_TAG = "is"
_FORMS = (Entity, EventSource, TableSource, AggregateView, LatestView, OnDemandFeature, FeatureService, Label)
_CLASSES: dict[str, type] = {
    **{form.kind if form.form == form.kind else f"{form.kind}/{form.form}": form for form in _FORMS},
    **{f"aggregation/{kind}": each for kind, each in CATALOGUE.items()},
    **{f"messages/{form}": each for form, each in MESSAGE_FORMS.items()},
    **{f"stream/{form}": each for form, each in STREAMS.items()},
    **{f"window/{each.__name__.lower()}": each for each in (Sliding, Series, Calendar, Lifetime)},
    "in_memory": InMemory,
    "rule": Rule,
    "selection": FeatureSelection,
    "type": Type,
}
"""What may stand in a document, by tag."""

_TAGS = {each: tag for tag, each in _CLASSES.items()}

_PARTS = {"written": "none", **dict.fromkeys(("description", "type", "tags", "owner", "rules"), "metadata")}
"""The parts of an aggregation's fields; what is not named is semantic."""


_PLAIN = (bool, int, str, type(None))


class Field(NamedTuple):
    """One field of a tagged dataclass.

    Attributes:
        name: Its name.
        part: semantic, metadata or none.
        value: Its value, as documents know it.
        default: Its value where nothing was written; MISSING if something has to be.
    """

    name: str
    part: str
    value: Any
    default: Any


def fields_of(value: Any) -> Iterator[Field]:
    """The fields of a tagged dataclass that stand in documents."""
    for each in dataclasses.fields(value):
        part: Any = each.metadata.get("part", "semantic")
        if isinstance(value, Aggregation):
            part = _PARTS.get(each.name, "semantic") if each.name != "windows" or value.windowed else "none"
        form: Callable[[Any], Any] | None = each.metadata.get("form")
        held = getattr(value, each.name)
        made = each.default_factory
        default = each.default if made is dataclasses.MISSING else made()
        yield Field(
            each.name, part(value) if callable(part) else part, held if form is None else form(held), default
        )


def tag_of(value: Any) -> str:
    """The tag of a value's class.

    Raises:
        DefinitionError: Nothing of that class can stand in a document.
    """
    if type(value) not in _TAGS:
        raise DefinitionError(f"A {type(value).__name__} cannot stand in a definition.", asked=value)
    return _TAGS[type(value)]


def encode(value: Any, *, defaults: bool = True) -> Any:  # noqa: PLR0911 - one return a kind of value
    """The JSON of a value that stands in a document.

    Args:
        value: A field's value. A definition becomes a reference to it; see `encode_definition`.
        defaults: Whether fields that have their default are spelled out.

    Raises:
        DefinitionError: A number is not finite, or nothing of that class can stand in a document.
    """
    if isinstance(value, Span):
        return str(value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise DefinitionError(
                f"{value!r} cannot stand in a definition.", asked=value, remedy="Use a finite number."
            )
        return value + 0.0  # -0.0 is 0.0
    if isinstance(value, (list, tuple)):
        return [encode(each, defaults=defaults) for each in value]
    if isinstance(value, Definition):
        reference = value.reference
        version = {"version": reference.version} if reference.version else {}
        return {_TAG: f"reference/{reference.kind}", "name": reference.name, **version}
    if isinstance(value, Schema):
        return {_TAG: "schema", "columns": [[name, _encode_type(of)] for name, of in value.items()]}
    if isinstance(value, Type):
        return _encode_type(value)
    if isinstance(value, Mapping):
        items = {str(name): encode(each, defaults=defaults) for name, each in value.items()}
        return {_TAG: "mapping", "items": items} if _TAG in items else items
    return _encode_fields(value, defaults=defaults)


def encode_definition(value: Definition) -> dict[str, Any]:
    """The JSON of a definition itself, every field spelled out."""
    return {**_encode_fields(value, defaults=True), **_version(value)}


def _version(value: Definition) -> dict[str, Any]:
    return {"version": value.reference.version} if value.reference.version else {}


def _encode_fields(value: Any, *, defaults: bool) -> dict[str, Any]:
    return {_TAG: tag_of(value)} | {
        each.name: encode(each.value, defaults=defaults)
        for each in fields_of(value)
        if each.part != "none" and (defaults or each.value != each.default)
    }


def _encode_type(of: Type) -> Any:
    """The type's spelling; the fields of those that no schema can spell, such as structs."""
    try:
        if parse_type(str(of)) == of:
            return str(of)
    except DefinitionError:
        pass
    return {
        _TAG: "type",
        "name": of.name,
        "precision": of.precision,
        "scale": of.scale,
        "items": [_encode_type(each) for each in of.items],
        "names": list(of.names),
    }


def decode(value: Any, resolve: Resolver, written: str = "") -> Any:
    """The value that a JSON stands for; the inverse of `encode` and `encode_definition`.

    Args:
        value: The JSON, as `json.loads` gives it.
        resolve: Finds the definitions referred to.
        written: What errors name in place of file and line.

    Raises:
        StoreError: The JSON is not what `encode` writes, or holds what only a newer Headrace can read.
    """
    try:
        return _decode(value, resolve, written)
    except (DefinitionError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise _unreadable(f"it is malformed: {error}", written) from error


def _decode(value: Any, resolve: Resolver, written: str) -> Any:  # noqa: PLR0911 - one return a kind of value
    if isinstance(value, list):
        return tuple(_decode(each, resolve, written) for each in value)
    if not isinstance(value, dict):
        return value
    tag = value.get(_TAG, "mapping")
    of = value["items"] if _TAG in value and tag == "mapping" else value
    parts = {
        name: _decode(each, resolve, written) for name, each in of.items() if of is not value or name != _TAG
    }
    if tag == "mapping":
        return FrozenMapping(parts)
    if tag == "schema":
        return Schema(dict(parts["columns"]))
    if tag == "type":
        return Type(**{**parts, "items": tuple(map(parse_type, parts["items"]))})
    if isinstance(tag, str) and tag.startswith("reference/"):
        return resolve(Reference(tag.removeprefix("reference/"), parts["name"], parts.get("version", "")))
    return _build(tag, parts, written)


def _build(tag: Any, parts: dict[str, Any], written: str) -> Any:
    made = _CLASSES.get(tag) if isinstance(tag, str) else None
    if made is None:
        raise _unreadable(f"it holds {tag!r}, which this version of Headrace does not know", written)
    names = {each.name for each in dataclasses.fields(made)}
    unknown = sorted(set(parts) - names)
    if unknown:
        raise _unreadable(f"{tag} has no field {unknown[0]!r} in this version of Headrace", written)
    return made(**parts, **({"written": written} if "written" in names else {}))


def _unreadable(what: str, written: str) -> StoreError:
    return StoreError(
        f"{written}: the document cannot be read: {what}.",
        asked=written,
        remedy="It was written by a newer Headrace, or changed by other hands.",
    )


def canonical_bytes(value: Any) -> bytes:
    """The one spelling of a JSON: sorted keys, no blanks, floats by their shortest exact digits, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
