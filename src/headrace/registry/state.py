"""The registry at one counter: its entries, what is active, and what follows from both."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from headrace.definitions.graph import KINDS
from headrace.errors import UnknownNameError
from headrace.registry.entry import Entry
from headrace.registry.versions import natural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from headrace.definitions.base import Definition
    from headrace.ports.catalog import Key, Snapshot, Stack
    from headrace.registry.entry import Content

__all__ = ["State", "closure", "live"]


class State:
    """One snapshot, read.

    Attributes:
        counter: The registry's counter.
        declared: The versions that the definitions hold.
        stacks: Active versions by (kind, name).
        definitions: Definitions made from entries so far.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        """Read a snapshot; nothing is parsed before it is asked for."""
        self.counter = snapshot.counter
        self.declared = snapshot.declared
        self.stacks: Mapping[tuple[str, str], Stack] = snapshot.stacks
        self.definitions: dict[Key, Definition] = {}
        self._snapshot = snapshot
        self._entries: dict[Key, Entry] = {}
        self._versions: dict[tuple[str, str], list[str]] = {}
        for key in sorted(snapshot.latest, key=lambda key: natural(key.version)):
            self._versions.setdefault(key[:2], []).append(key.version)

    def __contains__(self, key: object) -> bool:
        """Whether the version was ever registered."""
        return key in self._snapshot.latest

    def get(self, key: Key) -> Entry | None:
        """The newest revision of a version; None if it was never registered."""
        return self[key] if key in self._snapshot.latest else None

    def __getitem__(self, key: Key) -> Entry:
        """The newest revision of a version."""
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = Entry.of(
                self._snapshot.latest[key],
                created_at=self._snapshot.created[key],
                active=self.active(key.kind, key.name) == key.version,
                declared=key in self.declared,
            )
        return entry

    @property
    def entries(self) -> list[Entry]:
        """Every version ever registered, removed ones included."""
        return [self[key] for key in self._snapshot.latest]

    def active(self, kind: str, name: str) -> str | None:
        """The active version of a name; None where there is none."""
        stack = self.stack(kind, name)
        return stack[-1] if stack else None

    def stack(self, kind: str, name: str) -> tuple[str, ...]:
        """The versions of a name that were active, in the order they became so; the last is active now."""
        found = self.stacks.get((kind, name))
        return found.versions if found else ()

    def versions(self, kind: str, name: str) -> list[str]:
        """Every version a name ever had, in natural order."""
        return self._versions.get((kind, name), [])

    def is_gone(self, key: Key) -> bool:
        """Whether its name was removed: neither the definitions nor an active version hold it."""
        return key[:2] not in self.stacks and key not in self.declared

    def names(self, kind: str | None = None) -> list[str]:
        """The names in use, of one kind or of all."""
        return sorted({name for of, name in self.stacks if kind in {None, of}})

    def unknown(self, kind: str, name: str) -> UnknownNameError:
        """The error for a name that is not in use."""
        kinds = {*KINDS, *(of for of, _ in self._versions)}
        if kind not in kinds:
            return UnknownNameError.of("kind", kind, kinds)
        word, known = kind.replace("_", "-"), self.names(kind)
        if not known:
            remedy = f"There is no {word} yet: define one and run `headrace apply`."
            return UnknownNameError(f"There is no {word} named {name!r}.", asked=name, remedy=remedy)
        return UnknownNameError.of(word, name, known)

    @cached_property
    def live(self) -> frozenset[Key]:
        """The versions that are to be kept up to date: see `live`."""
        actives = (key for key in self._snapshot.latest if self[key].active)
        return live({*self.declared, *actives}, lambda key: self[key].content)


def closure(roots: Iterable[Key], content: Callable[[Key], Content]) -> frozenset[Key]:
    """The roots, and all that they are pinned to, however far."""
    found: dict[Key, None] = {}
    waiting = list(roots)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found[key] = None
            waiting += content(key).pins
    return frozenset(found)


def live(roots: Iterable[Key], content: Callable[[Key], Content]) -> frozenset[Key]:
    """What has to be kept up to date for the roots, except those that their definitions call inactive.

    Args:
        roots: The versions that are active or in the definitions.
        content: What each version holds.
    """
    return closure([key for key in roots if content(key).is_active], content)
