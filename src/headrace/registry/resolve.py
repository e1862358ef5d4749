"""What the references of definitions stand for: pins, and the features that services name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headrace.definitions.references import Reference
from headrace.errors import UnknownNameError
from headrace.ports.catalog import Key
from headrace.registry.entry import member
from headrace.registry.order import dependency_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.registry.entry import Content
    from headrace.registry.state import State

__all__ = ["resolve"]


def resolve(
    state: State, wanted: Mapping[Key, Content], active: Mapping[tuple[str, str], str]
) -> tuple[dict[Key, Content], dict[Key, tuple[Key, ...]]]:
    """The definitions with pins and members, each after those it names; and what today's pins would be.

    A reference without a version stands for the version that is active once the definitions are applied. A
    version that the registry has already keeps the pins and members it was first applied with.

    Args:
        state: The registry now.
        wanted: The definitions.
        active: The active version of each (kind, name) once they are applied.

    Raises:
        UnknownNameError: A reference names what is neither here nor in the registry.
        DefinitionError: Definitions depend on each other in a circle.
    """
    pins = {
        key: tuple(dict.fromkeys(_pin(key, each, state, wanted, active) for each in content.references))
        for key, content in wanted.items()
    }
    resolved: dict[Key, Content] = {}
    for key in dependency_order(pins, shown=lambda key: key.name):
        content = wanted[key]
        at = {each.definition: _pin(key, each, state, wanted, active) for each in content.references}
        offers = {pin: resolved[pin] if pin in resolved else state[pin].content for pin in pins[key]}
        members = tuple(found for each in content.references for found in _members(key, each, at, offers))
        if key in state:
            before = state[key].content
            resolved[key] = replace(content, pins=before.pins, members=before.members)
        else:
            resolved[key] = replace(content, pins=pins[key], members=members)
    return resolved, pins


def _pin(
    key: Key,
    reference: Reference,
    state: State,
    wanted: Mapping[Key, Content],
    active: Mapping[tuple[str, str], str],
) -> Key:
    of = (reference.kind, reference.name)
    pin = Key(*of, reference.version or active.get(of, ""))
    if of in active and (pin in wanted or pin in state):
        return pin
    what = reference.kind.replace("_", "-")
    if of in active:
        known = {*state.versions(*of), *(each.version for each in wanted if each[:2] == of)}
        unknown = UnknownNameError.of(f"version of {what} {reference.name!r}", reference.version, known)
    else:
        unknown = UnknownNameError.of(
            what, reference.name, [name for kind, name in active if kind == reference.kind]
        )
    raise _named_by(key, unknown)


def _members(
    key: Key, reference: Reference, pins: Mapping[Reference, Key], offers: Mapping[Key, Content]
) -> tuple[Reference, ...]:
    """The features a reference stands for: one, or all that the definition offers."""
    pin = pins[reference.definition]
    offered = offers[pin].features
    if not reference.feature:
        return tuple(member(pin, each) for each in offered)
    known = offers[pin].feature_names
    if known and reference.feature not in known:
        raise _named_by(key, UnknownNameError.of("feature", reference.feature, known))
    return (Reference(*pin, reference.feature),)


def _named_by(key: Key, unknown: UnknownNameError) -> UnknownNameError:
    return UnknownNameError(
        f"{key.kind.replace('_', '-')} {key.name!r}: {unknown.message}",
        asked=unknown.asked,
        available=unknown.available,
        remedy=unknown.remedy,
    )
