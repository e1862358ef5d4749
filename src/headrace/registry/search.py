"""Finding definitions and features by what is told of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from headrace.registry.entry import Entry, Feature

__all__ = ["FeatureEntry", "Query", "features_of"]


@dataclass(frozen=True)
class FeatureEntry:
    """A feature and the version of the definition that it belongs to."""

    entry: Entry
    feature: Feature

    @property
    def name(self) -> str:
        """The column."""
        return self.feature.name

    @property
    def reference(self) -> str:
        """How it is asked for: `view@version:feature`, or `name@version` of an on-demand feature."""
        return str(self.entry.key) if self.feature.itself else f"{self.entry.key}:{self.name}"

    @property
    def about(self) -> Mapping[str, Any]:
        """What is told of it: description, type, value_type, tags, owner, logic, dependencies, rules, ..."""
        return self.feature.about

    @property
    def is_active(self) -> bool:
        """Whether its version is the active one and the definition calls it active."""
        return self.entry.active and bool(self.about.get("is_active", self.entry.content.is_active))

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON values; instants are microseconds UTC."""
        return {
            **self.about,
            "name": self.name,
            "reference": self.reference,
            "view": None if self.feature.itself else self.entry.name,
            "version": self.entry.version,
            "created_at": self.feature.created_at,
            "updated_at": self.feature.updated_at,
            "is_active": self.is_active,
        }


@dataclass(frozen=True)
class Query:
    """What to look for; what is left out matches everything.

    Attributes:
        tags: Any of these.
        all_tags: All of these.
        owner: Exactly this owner.
        type: Features of this type; definitions that have such a feature.
        text: Words that all occur in name, description, tags or columns, whatever their case.
    """

    tags: Sequence[str] = ()
    all_tags: Sequence[str] = ()
    owner: str | None = None
    type: str | None = None
    text: str = ""

    def finds(self, entry: Entry) -> bool:
        """Whether a definition matches."""
        body, features = entry.body, entry.content.features
        types = {each.about.get("type") for each in features}
        return self._fits(body, types, lambda: _words(entry))

    def finds_feature(self, found: FeatureEntry) -> bool:
        """Whether a feature matches."""
        told = found.about
        words = (found.name, found.entry.name, *_told(told), *told.get("dependencies", ()))
        return self._fits(told, {told.get("type")}, lambda: words)

    def _fits(self, told: Mapping[str, Any], types: set[Any], words: Any) -> bool:
        has = set(told.get("tags") or ())
        wanted = {self.tags} if isinstance(self.tags, str) else set(self.tags)
        every = {self.all_tags} if isinstance(self.all_tags, str) else set(self.all_tags)
        if (wanted and not wanted & has) or not every <= has:
            return False
        if self.owner is not None and told.get("owner") != self.owner:
            return False
        if self.type is not None and self.type not in types:
            return False
        asked = self.text.casefold().split()
        if not asked:
            return True
        everything = "\n".join(words()).casefold()
        return all(word in everything for word in asked)


def features_of(entries: Iterable[Entry]) -> Iterator[FeatureEntry]:
    """The features of definitions, in their order."""
    for entry in entries:
        for feature in entry.content.features:
            yield FeatureEntry(entry, feature)


def _words(entry: Entry) -> Iterator[str]:
    """What a definition's text search looks through."""
    yield entry.name
    yield from _told(entry.body)
    yield from _columns(entry.body)
    for feature in entry.content.features:
        yield feature.name
        yield from _told(feature.about)
        yield from feature.about.get("dependencies", ())


def _told(about: Mapping[str, Any]) -> Iterator[str]:
    yield about.get("description") or ""
    yield from about.get("tags") or ()


def _columns(body: Mapping[str, Any]) -> Iterator[str]:
    """The columns that a source, an entity or a label speaks of."""
    for field in ("schema", "join_keys"):
        for column, _ in (body.get(field) or {}).get("columns", ()):
            yield column
    derived = body.get("columns") or {}
    yield from derived.get("items", derived) if isinstance(derived, dict) else ()
    yield from body.get("keys") or ()
