"""The canonical form of definitions: one document a definition, with a fingerprint in two parts.

The *semantic* part holds what decides feature values, the *metadata* part everything else. A change of the
first under an equal version is refused by plan; a change of the second is a revision that computes nothing
anew. Rules:

* A view's semantic part holds those of its entity and source, a label's those of its sources; a service names
  its members with their versions; an on-demand feature counts by the text of its function, while the hash of
  its whole module is metadata.
* Metadata are: description, owner, tags, is_active, update_frequency, where rows come from (batch, stream),
  what is expected of their arrival (serving_delay, lateness, dedup_horizon, complete_until), value rules, and
  feature types. A source's rules are semantic where they keep rows out, that is unless `on_invalid="warn"`.
* Each feature of a view has a semantic hash of its own (`Document.features`), so that a new feature is seen
  to be an addition; the order of a view's features is metadata, the order of a service's members, which
  orders its vectors, semantic.
* Fields that have their default are left out of fingerprints: an option that a later Headrace adds changes
  none of them.
* Texts (`where`, derived columns) count as written. The order of tags, schema columns and mappings does not.
* Versions are no part of either hash: equal definitions have equal hashes in all versions.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from headrace.aggregations.base import Aggregation
from headrace.definitions.aggregate_view import AggregateView
from headrace.definitions.base import Definition
from headrace.definitions.codec import (
    Resolver,
    canonical_bytes,
    decode,
    encode,
    encode_definition,
    fields_of,
    tag_of,
)
from headrace.definitions.label import Label
from headrace.definitions.references import Reference
from headrace.definitions.source import Source
from headrace.definitions.view import View
from headrace.errors import StoreError
from headrace.schema import Schema

__all__ = [
    "Document",
    "canonical_bytes",
    "document",
    "freeze",
    "from_document",
    "from_documents",
    "semantic_hash",
]

AnySource = TypeVar("AnySource", bound=Source)

_NAMING = {"windows", "suffix"}
"""What an aggregation's fields say of its features' names; each window is in the hash of its own feature."""

_EMBEDDED = {"entity", "source"}
"""Kinds without versions: whoever uses them depends on what they say, not on their name."""


@dataclass(frozen=True)
class Document:
    """A definition as the registry keeps it.

    Attributes:
        kind: entity, source, view, on_demand, service or label.
        name: Its name.
        version: Its version; empty for entities and sources, which have none.
        body: Its JSON, from which it is read back.
        semantic: sha256 of what decides feature values.
        metadata: sha256 of everything else.
        references: What it depends on, features of views one by one.
        base: Of a view: the semantic hash of all but its features; else empty.
        features: Of a view: the semantic hash of each feature.
    """

    kind: str
    name: str
    version: str
    body: dict[str, Any]
    semantic: str
    metadata: str
    references: tuple[Reference, ...] = ()
    base: str = ""
    features: Mapping[str, str] = field(default_factory=dict)

    @property
    def reference(self) -> Reference:
        """What it is called by others."""
        return Reference(self.kind, self.name, self.version)


def freeze(
    definition: Definition, resolved: Mapping[str, Schema] | None = None, timezone: str = "UTC"
) -> Definition:
    """The definition with everything settled that it left to the project.

    Args:
        definition: As written.
        resolved: Source name -> its columns, for sources that declare no schema; derived columns in it are
            passed over.
        timezone: The project's time zone, for views that name none.

    Raises:
        DefinitionError: A column that plays a role is missing, or has a type that cannot play it.
    """
    changes: dict[str, Any] = {}
    if isinstance(definition, Source):
        return _freeze_source(definition, resolved or {})
    if isinstance(definition, View):
        changes["source"] = _freeze_source(definition.source, resolved or {})
    if isinstance(definition, AggregateView):
        changes["timezone"] = definition.timezone or timezone
    if isinstance(definition, Label):
        changes["source"] = _freeze_source(definition.source, resolved or {})
        changes["touches"] = definition.touches and _freeze_source(definition.touches, resolved or {})
    if all(getattr(definition, name) is value for name, value in changes.items()):
        return definition
    return dataclasses.replace(definition, **changes)


def _freeze_source(source: AnySource, resolved: Mapping[str, Schema]) -> AnySource:
    if source.schema is not None or source.name not in resolved:
        return source
    read = {name: of for name, of in resolved[source.name].items() if name not in source.columns}
    return dataclasses.replace(source, schema=Schema(read))


def document(
    definition: Definition, resolved: Mapping[str, Schema] | None = None, timezone: str = "UTC"
) -> Document:
    """The document of a definition.

    Args:
        definition: As written.
        resolved: As in `freeze`.
        timezone: As in `freeze`.

    Raises:
        DefinitionError: As in `freeze`.
    """
    frozen = freeze(definition, resolved, timezone)
    base, features = _semantic_parts(frozen)
    reference = frozen.reference
    return Document(
        kind=reference.kind,
        name=reference.name,
        version=reference.version,
        body=encode_definition(frozen),
        semantic=_digest([base, features]),
        metadata=_digest(_metadata(frozen)),
        references=frozen.references,
        base=base if features else "",
        features=features,
    )


def from_document(of: Document, resolve: Resolver) -> Definition:
    """The definition of a document.

    Args:
        of: The document; only its kind, name, version and body are read.
        resolve: Finds the definitions it refers to.

    Returns:
        The definition; its `written` names the registry, an on-demand feature comes without its function, and
        a table in memory is an `InMemory`.

    Raises:
        StoreError: The body is not what `document` writes, or needs a newer Headrace.
    """
    place = f"registry, {of.kind} {of.reference}"
    made = decode(of.body, resolve, place)
    if not isinstance(made, Definition) or made.reference != of.reference:
        raise StoreError(
            f"{place}: the body is of something else.",
            asked=of.reference,
            remedy="It was changed by other hands.",
        )
    return made


def from_documents(documents: Mapping[Reference, Document]) -> dict[Reference, Definition]:
    """The definitions of documents that refer to each other.

    Raises:
        StoreError: A document cannot be read, or refers to one that is not among them.
    """
    made: dict[Reference, Definition] = {}

    def resolve(reference: Reference) -> Definition:
        if reference not in made:
            if reference not in documents:
                raise StoreError(
                    f"The registry refers to {reference.kind} {reference}, which it does not hold.",
                    asked=reference,
                    available=[str(each) for each in documents if each.kind == reference.kind],
                    remedy="It was changed by other hands.",
                )
            made[reference] = from_document(documents[reference], resolve)
        return made[reference]

    return {reference: resolve(reference) for reference in documents}


def semantic_hash(of: Definition) -> str:
    """A hash of what of a definition, and of those it holds, decides feature values."""
    return _digest(list(_semantic_parts(of)))


def _semantic_parts(of: Definition) -> tuple[str, dict[str, str]]:
    """The semantic hash of all but a view's features, and that of each feature."""
    if not isinstance(of, View):
        return _digest(_semantic(of, top=True)), {}
    base = {name: each for name, each in _semantic(of, top=True).items() if name != "features"}
    features = {name: _digest([_semantic(each) for each in made]) for name, made in of.ingredients.items()}
    return _digest(base), features


def _semantic(value: Any, *, top: bool = False) -> Any:  # noqa: PLR0911 - one return a kind of value
    """The JSON of what decides feature values."""
    if isinstance(value, (list, tuple)):
        return [_semantic(each) for each in value]
    if isinstance(value, Definition) and not top:
        if value.kind not in _EMBEDDED:
            return f"{value.kind} {value.reference}"
        base, features = _semantic_parts(value)
        return _digest([base, features])
    if isinstance(value, Schema):
        return sorted(encode(value)["columns"])
    if isinstance(value, Mapping):
        return {name: _semantic(each) for name, each in value.items()}
    if not dataclasses.is_dataclass(value):
        return encode(value)
    naming = _NAMING if isinstance(value, Aggregation) else ()
    return {"is": tag_of(value)} | {
        each.name: _semantic(each.value)
        for each in fields_of(value)
        if each.part == "semantic" and each.name not in naming and each.value != each.default
    }


def _metadata(value: Any, *, top: bool = True) -> Any:
    """The JSON of what does not decide feature values; nothing where there is nothing."""
    if isinstance(value, (list, tuple)):
        found = [_metadata(each, top=False) for each in value]
        return found if any(found) else None
    if not dataclasses.is_dataclass(value) or (isinstance(value, Definition) and not top):
        return None
    told: dict[str, Any] = {}
    for each in fields_of(value):
        if each.part == "metadata" and each.value != each.default:
            told[each.name] = (
                sorted(set(each.value)) if each.name == "tags" else encode(each.value, defaults=False)
            )
        elif each.part == "semantic" and (inner := _metadata(each.value, top=False)):
            told[each.name] = inner
    if isinstance(value, View):
        told["order"] = list(value.feature_names)
    return told


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical_bytes(value)).hexdigest()
