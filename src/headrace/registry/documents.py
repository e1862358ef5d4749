"""From documents, and the features they come to, to what the registry compares and keeps; and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.definitions.canonical import Document, from_document
from headrace.definitions.codec import encode
from headrace.errors import StoreError
from headrace.ports.catalog import Key
from headrace.registry.entry import Content, Feature

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.definitions.base import Definition
    from headrace.definitions.feature import FeatureDefinition
    from headrace.definitions.references import Reference
    from headrace.registry.entry import Entry
    from headrace.registry.state import State

__all__ = ["LOADED", "Wanted", "definition_of", "document_of", "read", "revived"]

LOADED = frozenset({"view"})
"""The kinds whose values are stored: they are loaded, backfilled and kept up to date."""

_FEATURES = frozenset({"on_demand"})
"""The kinds that are a feature themselves."""


class Wanted(NamedTuple):
    """A definition to be registered.

    Attributes:
        key: Kind, name and version; the version is empty for kinds without versions of their own.
        content: What will be stored of it, its references not resolved yet.
    """

    key: Key
    content: Content


def read(documents: Iterable[Document], features: Iterable[FeatureDefinition] = ()) -> list[Wanted]:
    """What to register.

    Args:
        documents: The definitions.
        features: What their views and on-demand features come to, for people; one that is left out keeps
            what the registry tells of it.
    """
    told: dict[tuple[str, str, str], dict[str, Any]] = {}
    for each in features:
        of = ("view", each.view, each.version) if each.view else ("on_demand", each.name, each.version)
        told.setdefault(of, {})[each.name] = _about(each)
    return [
        _wanted(document, told.get((document.kind, document.name, document.version), {}))
        for document in documents
    ]


def document_of(entry: Entry) -> Document:
    """The document that an entry was made from."""
    content = entry.content
    return Document(
        kind=entry.kind,
        name=entry.name,
        version=entry.version if content.versioned else "",
        body=dict(content.body),
        semantic=content.semantic,
        metadata=content.metadata,
        references=content.references,
        base=content.core,
        features={each.name: each.semantic for each in content.features if not each.itself},
    )


def _wanted(document: Document, told: dict[str, Any]) -> Wanted:
    hashes = {document.name: document.semantic} if document.kind in _FEATURES else document.features
    itself = document.kind in _FEATURES
    content = Content(
        body=document.body,
        semantic=document.semantic,
        metadata=document.metadata,
        core=document.base,
        versioned=bool(document.version),
        references=document.references,
        features=tuple(
            Feature(name, semantic, told.get(name, {}), itself) for name, semantic in hashes.items()
        ),
    )
    return Wanted(Key(document.kind, document.name, document.version), content)


def _about(feature: FeatureDefinition) -> dict[str, Any]:
    """What the registry tells of a feature; not file and line, which differ by machine."""
    return {
        "description": feature.description,
        "type": feature.feature_type,
        "value_type": str(feature.type),
        "entity": feature.entity,
        "source": feature.source,
        "stem": feature.stem,
        "window": feature.window.suffix if feature.window else None,
        "aggregation": feature.aggregation.kind if feature.aggregation else None,
        "companion": feature.companion,
        "logic": feature.logic,
        "update_frequency": feature.update_frequency,
        "owner": feature.owner,
        "tags": list(feature.tags),
        "dependencies": list(feature.dependencies),
        "rules": [encode(rule) for rule in feature.rules],
        "is_active": feature.is_active,
    }


def definition_of(state: State, key: Key) -> Definition:
    """The definition of a version, with those definitions inside that it is pinned to; made once for a state.

    Raises:
        StoreError: It was written by a newer Headrace, or changed by other hands.
    """
    made = state.definitions.get(key)
    if made is None:
        made = state.definitions[key] = revived(state, state[key])
    return made


def revived(state: State, entry: Entry) -> Definition:
    """The definition of a revision, newest or not, with those inside that its version is pinned to.

    Raises:
        StoreError: As in `definition_of`.
    """
    return from_document(document_of(entry), lambda reference: _pinned(state, entry, reference))


def _pinned(state: State, entry: Entry, reference: Reference) -> Definition:
    for pin in entry.pins:
        if pin[:2] == (reference.kind, reference.name) and reference.version in {"", pin.version}:
            return definition_of(state, pin)
    raise StoreError(
        f"{entry.kind} {entry.key} refers to {reference.kind} {reference}, which it is not pinned to.",
        asked=reference,
        available=[str(pin) for pin in entry.pins],
        remedy="The registry was changed by other hands; restore it from a backup.",
    )
