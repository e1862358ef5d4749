"""Where a registry keeps what it knows: versions, their revisions, which is active, and who did what.

A catalog compares nothing and resolves nothing. It hands out one consistent `Snapshot`, and takes one
`Change` whole or not at all: `commit` is a compare-and-set on the registry's counter. Kinds are data: a
catalog never asks what a kind is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Activation", "Catalog", "Change", "Event", "Key", "Revision", "Run", "Snapshot", "Stack"]


class Key(NamedTuple):
    """What a version of an object is called."""

    kind: str
    name: str
    version: str

    def __str__(self) -> str:
        """The name as people write it."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Revision:
    """One state of a version; a version's first is number 1, and none is ever changed or deleted.

    Attributes:
        key: The version it belongs to.
        number: 1, 2, ... within the version.
        change: Why it was written, in a word (`added`, `metadata`, `features`, ...).
        content: What the registry stored, JSON text of one object; a catalog returns exactly this text.
        who: Who wrote it.
        at: When, microseconds UTC.
    """

    key: Key
    number: int
    change: str
    content: str
    who: str
    at: int

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The content, parsed on first use."""
        parsed: dict[str, Any] = json.loads(self.content)
        return parsed


class Stack(NamedTuple):
    """Which version of a name is active, and what was active before.

    Attributes:
        versions: Active versions in the order they became so; the last is active now.
        how: What made it so: `apply`, `activate` or `rollback`.
        who: Who did.
        at: When, microseconds UTC.
    """

    versions: tuple[str, ...]
    how: str
    who: str
    at: int


class Activation(NamedTuple):
    """A new stack for a name; None when the name has no active version any more."""

    kind: str
    name: str
    stack: Stack | None


class Event(NamedTuple):
    """One line of the audit log.

    Attributes:
        counter: The registry's counter after the change this line belongs to.
        action: `add`, `revise`, `declare`, `retire`, `remove`, `activate`, `deactivate`, `rollback`.
        kind: The object's kind.
        name: Its name.
        version: The version acted on.
        note: The rest in words: the revision written, the version that was active before, ...
        who: Who did it.
        at: When, microseconds UTC.
    """

    counter: int
    action: str
    kind: str
    name: str
    version: str
    note: str
    who: str
    at: int


@dataclass(frozen=True)
class Change:
    """What one commit writes.

    Attributes:
        expected: The counter the change was worked out against.
        revisions: New revisions.
        declared: Versions whose place in the definitions changes: True where they are written there, False
            where no more.
        activations: Names whose active version changes.
        events: Lines for the audit log, in order; the catalog gives them the new counter.
    """

    expected: int
    revisions: tuple[Revision, ...] = ()
    declared: Mapping[Key, bool] = field(default_factory=dict)
    activations: tuple[Activation, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """Everything the registry holds at one counter.

    Attributes:
        counter: Counts commits; equal counters mean equal contents.
        latest: The newest revision of every version.
        created: When each version's first revision was written, microseconds UTC.
        declared: The versions that are written in the definitions now.
        stacks: Active versions by (kind, name).
    """

    counter: int
    latest: Mapping[Key, Revision]
    created: Mapping[Key, int]
    declared: frozenset[Key]
    stacks: Mapping[tuple[str, str], Stack]


@dataclass(frozen=True)
class Run:
    """The last good load of a view version.

    Attributes:
        key: The view version.
        end: The load's K, microseconds UTC: it holds every event known before.
        finished: When it was finished, microseconds UTC.
        details: Counts and names worth keeping, as JSON values.
    """

    key: Key
    end: int
    finished: int
    details: Mapping[str, Any] = field(default_factory=dict)


class Catalog(Protocol):
    """Storage of one registry, shared by threads and processes.

    Every method raises StoreError when the storage cannot be reached, read or written.
    """

    def counter(self) -> int:
        """How many commits there were; cheap enough to poll."""
        ...

    def snapshot(self) -> Snapshot:
        """Everything, as of one counter."""
        ...

    def commit(self, change: Change) -> int:
        """Write a change whole and count one further; or write nothing.

        Returns:
            The new counter.

        Raises:
            ConflictError: The counter is no longer `change.expected`.
            StoreError: A revision of that number is there already.
        """
        ...

    def revisions(self, kind: str, name: str) -> Sequence[Revision]:
        """Every revision of every version of a name, oldest first; empty for a name never seen."""
        ...

    def events(
        self, kind: str | None = None, name: str | None = None, since: int = 0, limit: int | None = None
    ) -> Sequence[Event]:
        """The audit log after the counter `since`, oldest first.

        Args:
            kind: Only this kind.
            name: Only this name.
            since: Only commits after this counter.
            limit: Only that many of the newest lines.
        """
        ...

    def record(self, run: Run) -> None:
        """Keep a run as its view's last good load, unless a later one is there; the counter stays."""
        ...

    def runs(self) -> Sequence[Run]:
        """The last good load of each view version that has one."""
        ...

    def close(self) -> None:
        """Let go of connections and files; closing twice is harmless."""
        ...
