"""From a plan to the one change that a catalog is asked to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.errors import DefinitionError, DestructiveChangeError
from headrace.ports.catalog import Activation, Change, Event, Revision, Stack
from headrace.registry.changes import Added, Removed, Restored, Retired, Unchanged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.registry.changes import ObjectChange, Plan

__all__ = ["admit", "change_of"]

_ACTIONS: dict[type[ObjectChange], str] = {
    Added: "add",
    Restored: "declare",
    Retired: "retire",
    Removed: "remove",
}
"""What the audit log calls a change; all others are `revise`."""


def admit(plan: Plan, *, allow_destructive: bool) -> None:
    """Let a plan through only when it may be applied.

    Raises:
        DefinitionError: It holds a change that is refused.
        DestructiveChangeError: It would lose something and is not allowed to.
    """
    if plan.refused:
        told = "; ".join(f"{each.key.kind} {each.key}: {each.consequence}" for each in plan.refused)
        raise DefinitionError(
            f"The plan is refused. {told}.",
            asked=", ".join(str(each.key) for each in plan.refused),
            remedy="Change the definitions and plan again.",
        )
    if plan.destructive and not allow_destructive:
        told = "; ".join(f"{each.key.kind} {each.key} {each.word}: {each.why}" for each in plan.destructive)
        raise DestructiveChangeError(
            f"Applying would lose something. {told}.",
            asked=", ".join(str(each.key) for each in plan.destructive),
            remedy="If that is meant, apply with allow_destructive=True (--allow-destructive).",
        )


def change_of(plan: Plan, who: str, at: int) -> Change:
    """What a catalog has to write so that the plan is carried out.

    Args:
        plan: A plan that may be applied.
        who: Who applies it.
        at: When, microseconds UTC.
    """
    return Change(
        expected=plan.counter,
        revisions=tuple(
            Revision(each.key, each.number, each.change, each.content.registered(at).text(), who, at)
            for each in plan.writes
        ),
        declared=plan.declared,
        activations=tuple(
            Activation(each.kind, each.name, Stack(each.versions, "apply", who, at) if each.after else None)
            for each in plan.switches
        ),
        events=tuple(_events(plan, who, at)),
    )


def _events(plan: Plan, who: str, at: int) -> Iterator[Event]:
    numbers = {each.key: each.number for each in plan.writes}
    for change in plan.changes:
        if isinstance(change, Unchanged) and change.key not in plan.declared:
            continue
        number = numbers.get(change.key)
        note = f"revision {number}: {change.why}" if number else change.why
        action = _ACTIONS.get(type(change), "revise")
        yield Event(0, action, *change.key, note, who, at)
        if plan.declared.get(change.key) and action == "revise":
            yield Event(0, "declare", *change.key, "back in the definitions", who, at)
    for switch in plan.switches:
        action = "activate" if switch.after else "deactivate"
        version = switch.after or switch.before or ""
        note = f"active was {switch.before}" if switch.before else ""
        yield Event(0, action, switch.kind, switch.name, version, note, who, at)
