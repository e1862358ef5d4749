"""A plan: what applying definitions would do to each object, and what follows from it, as a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.ports.catalog import Key
    from headrace.registry.activation import Switch
    from headrace.registry.entry import Content

__all__ = [
    "HEADER",
    "Added",
    "DroppedFeatures",
    "MetadataChange",
    "NewFeatures",
    "ObjectChange",
    "Plan",
    "Removed",
    "Restored",
    "Retired",
    "SemanticChange",
    "Unchanged",
    "Write",
]


@dataclass(frozen=True)
class ObjectChange:
    """One version of one definition, and what becomes of it.

    Attributes:
        key: Kind, name and version.
        why: What this means, for people.
        fields: What differs in the definition.
        added: Features that are new.
        dropped: Features that would be gone.
        backfill: Features whose values have to be computed over the past by the next load; nothing else is.
        refusal: Why it cannot be applied, and what to do instead; empty when it can.
    """

    key: Key
    why: str = ""
    fields: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    backfill: tuple[str, ...] = ()
    refusal: str = ""

    word: ClassVar[str] = ""
    """What it is called in tables, JSON and the revision it writes."""
    sign: ClassVar[str] = " "
    destructive: ClassVar[bool] = False
    """Whether something stored would be lost: it then needs permission."""

    @property
    def consequence(self) -> str:
        """What follows, in a sentence."""
        return f"{self.why}; refused: {self.refusal}" if self.refusal else self.why

    def to_dict(self) -> dict[str, Any]:
        """The change as JSON values."""
        return {
            "change": self.word,
            **self.key._asdict(),
            "why": self.why,
            "fields": list(self.fields),
            "added": list(self.added),
            "dropped": list(self.dropped),
            "backfill": list(self.backfill),
            "destructive": self.destructive,
            "refusal": self.refusal,
        }


class Added(ObjectChange):
    """A version that the registry does not know yet."""

    word = "added"
    sign = "+"


class Restored(ObjectChange):
    """A version that the registry knows, and that is back in the definitions."""

    word = "restored"
    sign = "+"


class NewFeatures(ObjectChange):
    """More features in a version; only they are backfilled."""

    word = "features"
    sign = "+"


class MetadataChange(ObjectChange):
    """A change that no value depends on."""

    word = "metadata"
    sign = "~"


class SemanticChange(ObjectChange):
    """A change of values under the same version: always refused."""

    word = "semantic"
    sign = "!"


class DroppedFeatures(ObjectChange):
    """Fewer features in a version: their values would be lost."""

    word = "dropped"
    sign = "-"
    destructive = True


class Retired(ObjectChange):
    """A version that the definitions no longer hold, while they hold another of its name."""

    word = "retired"
    sign = "~"


class Removed(ObjectChange):
    """A version whose name the definitions no longer hold at all."""

    word = "removed"
    sign = "-"
    destructive = True


class Unchanged(ObjectChange):
    """Nothing to do."""

    word = "unchanged"


HEADER = ("", "kind", "object", "change", "what it means")
"""The columns of `Plan.rows`."""


class Write(NamedTuple):
    """A revision to be written: its version, its number, why, and what it holds."""

    key: Key
    number: int
    change: str
    content: Content


@dataclass(frozen=True)
class Plan:
    """What applying definitions would do to the registry as it was at a counter; nothing is done yet.

    Attributes:
        counter: The registry's counter the plan was made at; it can be applied only while that stands.
        changes: Every object, each after those it names; removed ones last.
        switches: The names whose active version changes.
        starts: Views that are kept up to date from then on, and were not.
        stops: Views that are no longer kept up to date; what is stored of them stays until it expires.
        notes: What else to know, in words.
        writes: The revisions to be written.
        declared: Versions that enter the definitions (True) or leave them (False).
    """

    counter: int
    changes: tuple[ObjectChange, ...] = ()
    switches: tuple[Switch, ...] = ()
    starts: tuple[Key, ...] = ()
    stops: tuple[Key, ...] = ()
    notes: tuple[str, ...] = ()
    writes: tuple[Write, ...] = field(default=(), repr=False)
    declared: Mapping[Key, bool] = field(default_factory=dict, repr=False, hash=False)

    @property
    def is_empty(self) -> bool:
        """Whether applying it would change nothing."""
        return not (self.writes or self.switches or self.declared or self.refused)

    @property
    def refused(self) -> tuple[ObjectChange, ...]:
        """The changes that cannot be applied."""
        return tuple(change for change in self.changes if change.refusal)

    @property
    def destructive(self) -> tuple[ObjectChange, ...]:
        """The changes that lose something and need `allow_destructive=True`."""
        return tuple(change for change in self.changes if change.destructive)

    @property
    def backfill(self) -> dict[Key, tuple[str, ...]]:
        """The features whose past the next load has to compute, by view version."""
        return {change.key: change.backfill for change in self.changes if change.backfill}

    def rows(self, *, unchanged: bool = False) -> list[tuple[str, str, str, str, str]]:
        """The plan as table rows, of the columns `HEADER`.

        Args:
            unchanged: Whether objects without a change get a row too.
        """
        return [
            (change.sign, change.key.kind, str(change.key), change.word, change.consequence)
            for change in self.changes
            if unchanged or not isinstance(change, Unchanged)
        ]

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {
            "counter": self.counter,
            "empty": self.is_empty,
            "destructive": bool(self.destructive),
            "refused": bool(self.refused),
            "changes": [change.to_dict() for change in self.changes],
            "activations": [switch.to_dict() for switch in self.switches],
            "starts": [str(key) for key in self.starts],
            "stops": [str(key) for key in self.stops],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        rows = self.rows()
        if not rows and not self.switches:
            return "No changes."
        widths = [max(len(row[column]) for row in rows) for column in range(4)] if rows else []
        lines = [
            "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]])
            for row in rows
        ]
        return "\n".join([*lines, *self.notes])
