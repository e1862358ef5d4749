"""What the registry holds of one version of a definition, and the JSON text it is stored as."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from headrace.definitions.references import Reference
from headrace.errors import StoreError
from headrace.ports.catalog import Key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.ports.catalog import Revision

__all__ = ["Content", "Entry", "Feature", "member"]


@dataclass(frozen=True)
class Feature:
    """One output column of a definition.

    Attributes:
        name: The column.
        semantic: Fingerprint of what its values depend on, within its definition.
        about: What the registry tells of it, as JSON values: description, type, tags, owner, logic, ...
        itself: Whether the definition is the feature, as on-demand features are, and not a part of it.
        created_at: When it was first registered, microseconds UTC; None until it is.
        updated_at: When `semantic` or `about` last changed, microseconds UTC; None until it is registered.
    """

    name: str
    semantic: str
    about: Mapping[str, Any] = field(default_factory=dict, hash=False)
    itself: bool = False
    created_at: int | None = None
    updated_at: int | None = None


@dataclass(frozen=True)
class Content:
    """What is stored of a version.

    Attributes:
        body: The definition in its canonical JSON form.
        semantic: Fingerprint of everything its values depend on.
        metadata: Fingerprint of the rest.
        core: Fingerprint of what its values depend on, its features left out: equal cores may differ by
            features only.
        versioned: Whether the definition has a version of its own, or got a number from the registry.
        references: What the definition names, as written.
        features: Its output columns.
        pins: The versions its references were resolved to when this version was first applied.
        members: The features it names, each resolved to `view@version:feature`.
    """

    body: Mapping[str, Any] = field(hash=False)
    semantic: str
    metadata: str
    core: str
    versioned: bool = True
    references: tuple[Reference, ...] = ()
    features: tuple[Feature, ...] = ()
    pins: tuple[Key, ...] = ()
    members: tuple[Reference, ...] = ()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of its output columns."""
        return tuple(feature.name for feature in self.features)

    @property
    def is_active(self) -> bool:
        """Whether the definition says that it is served and kept up to date."""
        return bool(self.body.get("is_active", True))

    def registered(self, at: int) -> Content:
        """The same, features without times registered at an instant."""
        return replace(
            self,
            features=tuple(
                replace(
                    each,
                    created_at=at if each.created_at is None else each.created_at,
                    updated_at=at if each.updated_at is None else each.updated_at,
                )
                for each in self.features
            ),
        )

    def text(self) -> str:
        """The JSON text to store; ASCII, keys sorted."""
        stored = {
            "body": self.body,
            "semantic": self.semantic,
            "metadata": self.metadata,
            "core": self.core,
            "versioned": self.versioned,
            "references": [_listed(each) for each in self.references],
            "features": [
                [each.name, each.semantic, each.about, each.itself, each.created_at, each.updated_at]
                for each in self.features
            ],
            "pins": [list(each) for each in self.pins],
            "members": [_listed(each) for each in self.members],
        }
        return json.dumps(stored, sort_keys=True, separators=(",", ":"))

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Content:
        """The content that a text was made from."""
        return cls(
            body=stored["body"],
            semantic=stored["semantic"],
            metadata=stored["metadata"],
            core=stored["core"],
            versioned=stored["versioned"],
            references=tuple(Reference(*each) for each in stored["references"]),
            features=tuple(Feature(*each) for each in stored["features"]),
            pins=tuple(Key(*each) for each in stored["pins"]),
            members=tuple(Reference(*each) for each in stored["members"]),
        )


@dataclass(frozen=True)
class Entry:
    """One version of a definition, as of one of its revisions.

    Attributes:
        key: Kind, name and version.
        revision: 1, 2, ... within the version.
        change: What this revision was: `added`, `metadata`, `features`, ...
        content: What is stored of it.
        who: Who wrote this revision.
        created_at: When the version was first written, microseconds UTC.
        updated_at: When this revision was, microseconds UTC.
        active: Whether it is the active version of its name.
        declared: Whether the definitions hold it now.
    """

    key: Key
    revision: int
    change: str
    content: Content
    who: str
    created_at: int
    updated_at: int
    active: bool
    declared: bool

    @property
    def kind(self) -> str:
        """What it is: entity, source, view, ..."""
        return self.key.kind

    @property
    def name(self) -> str:
        """Its name."""
        return self.key.name

    @property
    def version(self) -> str:
        """Its version."""
        return self.key.version

    @property
    def body(self) -> Mapping[str, Any]:
        """The definition in its canonical JSON form."""
        return self.content.body

    @property
    def pins(self) -> tuple[Key, ...]:
        """The versions its references stand for."""
        return self.content.pins

    @property
    def members(self) -> tuple[str, ...]:
        """The features it names: `view@version:feature`, or `name@version` of an on-demand feature."""
        return tuple(map(str, self.content.members))

    def to_dict(self) -> dict[str, Any]:
        """The entry as JSON values."""
        return {
            **self.key._asdict(),
            "revision": self.revision,
            "change": self.change,
            "definition": self.body,
            "semantic": self.content.semantic,
            "metadata": self.content.metadata,
            "features": [
                {
                    **each.about,
                    "name": each.name,
                    "created_at": each.created_at,
                    "updated_at": each.updated_at,
                }
                for each in self.content.features
            ],
            "pins": [f"{each.kind}:{each}" for each in self.pins],
            "members": list(self.members),
            "who": self.who,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "active": self.active,
            "declared": self.declared,
        }

    @classmethod
    def of(cls, revision: Revision, *, created_at: int, active: bool, declared: bool) -> Entry:
        """The entry of a stored revision.

        Raises:
            StoreError: What is stored is not what the registry writes.
        """
        try:
            content = Content.read(revision.document)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(
                f"{revision.key.kind} {revision.key} cannot be read from the registry: {error!r}.",
                asked=revision.key,
                remedy="It was changed by other hands; restore the registry from a backup.",
            ) from error
        return cls(
            key=revision.key,
            revision=revision.number,
            change=revision.change,
            content=content,
            who=revision.who,
            created_at=created_at,
            updated_at=revision.at,
            active=active,
            declared=declared,
        )


def member(key: Key, feature: Feature) -> Reference:
    """The resolved name of a feature of a version."""
    return Reference(key.kind, key.name, key.version, "" if feature.itself else feature.name)


def _listed(reference: Reference) -> list[str]:
    return [reference.kind, reference.name, reference.version, reference.feature]
