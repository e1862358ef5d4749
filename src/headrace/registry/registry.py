"""The registry: definitions go in by plan and apply; they are found by name, version, tag and lineage."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from headrace.errors import ConflictError, UnknownNameError
from headrace.ports.backoff import pauses
from headrace.ports.catalog import Activation, Change, Event, Run, Stack
from headrace.registry.applying import admit, change_of
from headrace.registry.changes import Plan
from headrace.registry.documents import read
from headrace.registry.plan import plan
from headrace.registry.reader import RegistryReader, found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from headrace.clock import Clock
    from headrace.definitions.canonical import Document
    from headrace.definitions.feature import FeatureDefinition
    from headrace.ports.catalog import Catalog, Key
    from headrace.registry.entry import Entry
    from headrace.registry.state import State

__all__ = ["Applied", "Registry"]

_TRIES = 64


class Applied(NamedTuple):
    """What an apply did.

    Attributes:
        plan: What it carried out.
        counter: The registry's counter afterwards.
    """

    plan: Plan
    counter: int


class Registry(RegistryReader):
    """What is defined, in which version, since when and by whom; and the one way to change it.

    Every method raises StoreError when the catalog cannot be used.
    """

    def __init__(self, catalog: Catalog, clock: Clock, who: str) -> None:
        """Read and write a catalog.

        Args:
            catalog: Where it is kept.
            clock: Tells when something is written.
            who: Who writes, for history and audit.
        """
        super().__init__(catalog)
        self._clock = clock
        self._who = who

    def plan(
        self,
        documents: Iterable[Document],
        features: Iterable[FeatureDefinition] = (),
        *,
        partial: bool = False,
    ) -> Plan:
        """What applying definitions would do; nothing is written.

        Args:
            documents: All definitions of the project.
            features: What their views and on-demand features come to, with all that is to be told of each.
            partial: Whether names that the documents leave out stay as they are, instead of being removed.

        Raises:
            DefinitionError: A version is defined twice, or definitions depend on each other in a circle.
            UnknownNameError: A reference names what is neither here nor in the registry.
        """
        return plan(self.state(), read(documents, features), partial=partial)

    def apply(
        self,
        what: Plan | Iterable[Document],
        features: Iterable[FeatureDefinition] = (),
        *,
        allow_destructive: bool = False,
        partial: bool = False,
    ) -> Applied:
        """Carry out a plan, or plan definitions and carry that out, in one transaction.

        Where others change the registry at the same time, definitions are planned again and applied when that
        comes to the same changes. A plan that was handed in is carried out as it is or not at all.

        Args:
            what: A plan, or all definitions of the project.
            features: As in `plan`; not used with a plan.
            allow_destructive: Permission to remove objects and to drop features.
            partial: As in `plan`; not used with a plan.

        Raises:
            DefinitionError: The plan holds a change that is refused, or as in `plan`.
            DestructiveChangeError: The plan would lose something and is not allowed to.
            ConflictError: The registry changed after the plan was made; the text says what.
        """
        if isinstance(what, Plan):
            return self._carry_out(what, allow_destructive=allow_destructive)
        documents, told = tuple(what), tuple(features)
        made = self.plan(documents, told, partial=partial)
        for pause in pauses(_TRIES):
            try:
                return self._carry_out(made, allow_destructive=allow_destructive)
            except ConflictError:
                again = self.plan(documents, told, partial=partial)
                if not (again.is_empty or again == replace(made, counter=again.counter)):
                    raise
                made = again
            time.sleep(pause)
        return self._carry_out(made, allow_destructive=allow_destructive)

    def _carry_out(self, made: Plan, *, allow_destructive: bool) -> Applied:
        admit(made, allow_destructive=allow_destructive)
        if made.is_empty:
            if self.counter() != made.counter:
                raise self._conflict(made.counter)
            return Applied(made, made.counter)
        return Applied(made, self._commit(change_of(made, self._who, self._clock.now())))

    def activate(self, kind: str, name: str, version: str) -> Entry:
        """Make a version of a name the active one; applying known definitions does not undo it.

        Others may do so at the same time: of two who activate versions of one name the later wins.

        Raises:
            UnknownNameError: There is no such version.
            ConflictError: Others never stopped changing the registry.
        """

        def switched(state: State) -> Change | None:
            entry = found(state, kind, name, version)
            versions = (*state.stack(kind, name), version)
            return None if entry.active else self._switch(state, entry.key, versions, "activate")

        self._insist(switched)
        return self.get(kind, name, version)

    def rollback(self, kind: str, name: str) -> Entry:
        """Make the version active that was before the active one; again, the one before that.

        Others may change the registry at the same time, but not what this goes back from.

        Raises:
            UnknownNameError: There is no such name, or no version was active before.
            ConflictError: Another version of the name became active at the same time.
        """
        seen = self.state()
        stack = seen.stack(kind, name)

        def switched(state: State) -> Change | None:
            entry = found(state, kind, name)
            if state.stack(kind, name) != stack:
                raise self._conflict(seen.counter)
            *before, _ = stack
            if not before:
                raise UnknownNameError(
                    f"{kind} {name} has only ever been active in version {entry.version}.",
                    asked=name,
                    available=state.versions(kind, name),
                    remedy="Activate one of its versions.",
                )
            return self._switch(state, entry.key._replace(version=before[-1]), tuple(before), "rollback")

        self._insist(switched)
        return self.get(kind, name, stack[-2])

    def record_run(self, view: Key, end: int, details: Mapping[str, Any] | None = None) -> None:
        """Note that a view version was loaded, finished now.

        Args:
            view: The view version.
            end: The load's K, microseconds UTC.
            details: Counts and names worth keeping, as JSON values.
        """
        self._catalog.record(Run(view, end, self._clock.now(), details or {}))

    def note(self, action: str, kind: str, name: str, text: str) -> None:
        """Write a line into the audit log.

        Args:
            action: What is done, in a word.
            kind: To what kind of object.
            name: Its name.
            text: The rest in words.

        Raises:
            ConflictError: Others never stopped changing the registry.
        """

        def noted(state: State) -> Change:
            event = Event(0, action, kind, name, "", text, self._who, self._clock.now())
            return Change(expected=state.counter, events=(event,))

        self._insist(noted)

    def _switch(self, state: State, key: Key, versions: tuple[str, ...], how: str) -> Change:
        now, before = self._clock.now(), state.active(key.kind, key.name)
        return Change(
            expected=state.counter,
            activations=(Activation(key.kind, key.name, Stack(versions, how, self._who, now)),),
            events=(Event(0, how, *key, f"active was {before}", self._who, now),),
        )

    def _insist(self, change: Callable[[State], Change | None]) -> None:
        """Make a change to the registry as it is; where others were faster, as it is then."""
        for pause in (*pauses(_TRIES), None):
            made = change(self.state())
            if made is None:
                return
            try:
                self._commit(made)
            except ConflictError:
                if pause is None:
                    raise
                time.sleep(pause)
            else:
                return

    def _commit(self, change: Change) -> int:
        try:
            return self._catalog.commit(change)
        except ConflictError as refused:
            raise self._conflict(change.expected) from refused

    def _conflict(self, since: int) -> ConflictError:
        """The error that names what others changed since a counter."""
        events = self._catalog.events(since=since)
        done = [f"{each.who}: {each.action} {each.kind} {each.name}@{each.version}" for each in events]
        told = "; ".join(done[:5]) + (f"; and {len(done) - 5} more" if len(done) > 5 else "")
        return ConflictError(
            f"The registry changed meanwhile ({told}); nothing was written.",
            asked=since,
            available=[str(self.counter())],
            remedy="Plan again, look at it, and apply that.",
        )
