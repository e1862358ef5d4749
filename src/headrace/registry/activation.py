"""Which version of each name is active once definitions are applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.ports.catalog import Key
from headrace.registry.versions import natural

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from headrace.registry.state import State

__all__ = ["Activations", "Switch", "activations"]

BY_HAND = frozenset({"activate", "rollback"})
"""What a person decided: applying definitions that the registry knows already does not undo it."""


@dataclass(frozen=True)
class Switch:
    """Another version of a name becomes active.

    Attributes:
        kind: The object's kind.
        name: Its name.
        before: The version that was active; None for a new name.
        after: The version that becomes active; None when the name is removed.
        versions: The stack of active versions afterwards.
    """

    kind: str
    name: str
    before: str | None
    after: str | None
    versions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The switch as JSON values."""
        return {"kind": self.kind, "name": self.name, "before": self.before, "after": self.after}


class Activations(NamedTuple):
    """What is active afterwards.

    Attributes:
        after: The active version by (kind, name).
        switches: What changes.
        notes: What stays although the definitions might suggest otherwise, in words.
    """

    after: Mapping[tuple[str, str], str]
    switches: tuple[Switch, ...]
    notes: tuple[str, ...]


def activations(
    state: State, wanted: Collection[Key], unversioned: Collection[Key], *, partial: bool
) -> Activations:
    """Choose the active version of each name.

    A version the registry has never seen becomes active unless it is older than the active one. Otherwise the
    active version stays while the definitions hold it, and even without when a person chose it; else the
    newest of the definitions takes over.

    Args:
        state: The registry now.
        wanted: The versions in the definitions.
        unversioned: Those of them whose number the registry gave; the definitions speak of one only, which is
            active.
        partial: Whether names that the definitions leave out stay as they are.
    """
    after = {of: stack.versions[-1] for of, stack in state.stacks.items()}
    switches, notes = [], []
    by_name: dict[tuple[str, str], list[Key]] = {}
    for key in wanted:
        by_name.setdefault(key[:2], []).append(key)
    for of, keys in by_name.items():
        newest = max(keys, key=_age)
        version = newest.version if newest in unversioned else _chosen(state, keys, newest)
        before = state.active(*of)
        after[of] = version
        if before != version:
            switches.append(Switch(*of, before, version, (*state.stack(*of), version)))
        elif Key(*of, version) not in keys:
            chosen = state.stacks[of]
            notes.append(f"{newest.kind} {newest.name} stays at {version}, by {chosen.how} of {chosen.who}.")
    if not partial:
        gone = [of for of in state.stacks if of not in by_name]
        switches += [Switch(*of, before=after.pop(of), after=None, versions=()) for of in gone]
    return Activations(after, tuple(switches), tuple(notes))


def _chosen(state: State, keys: list[Key], newest: Key) -> str:
    active = state.active(newest.kind, newest.name)
    if active is None:
        return newest.version
    if newest not in state and _age(newest) > natural(active):
        return newest.version
    by_hand = state.stacks[newest.kind, newest.name].how in BY_HAND
    return active if by_hand or newest._replace(version=active) in keys else newest.version


def _age(key: Key) -> tuple[tuple[bool, int, str], ...]:
    return natural(key.version)
