"""Working out a plan: definitions against the registry as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headrace.errors import DefinitionError
from headrace.ports.catalog import Key
from headrace.registry.activation import activations
from headrace.registry.changes import Plan, Removed, Restored, Retired, SemanticChange, Unchanged, Write
from headrace.registry.compare import carried, compare, told
from headrace.registry.documents import LOADED
from headrace.registry.order import dependency_order
from headrace.registry.resolve import resolve
from headrace.registry.state import live
from headrace.registry.versions import natural, next_version

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from headrace.definitions.references import Reference
    from headrace.registry.activation import Activations
    from headrace.registry.changes import ObjectChange
    from headrace.registry.documents import Wanted
    from headrace.registry.entry import Content
    from headrace.registry.state import State

__all__ = ["plan"]


def plan(state: State, wanted: Iterable[Wanted], *, partial: bool = False) -> Plan:
    """Work out what applying definitions would do.

    Args:
        state: The registry now.
        wanted: The definitions.
        partial: Whether names that they leave out stay as they are, instead of being removed.

    Raises:
        DefinitionError: A version is defined twice, or definitions depend on each other in a circle.
        UnknownNameError: A reference names what is neither here nor in the registry.
    """
    numbered, unversioned = _numbered(state, wanted)
    active = activations(state, numbered, unversioned, partial=partial)
    resolved, pins = resolve(state, numbered, active.after)
    changes = [compare(state, key, content, pins[key]) for key, content in resolved.items()]
    left = [] if partial else _left_out(state, numbered)
    declared = {key: True for key in resolved if key not in state.declared}
    declared |= {key: False for key in left if key in state.declared}
    contents = {
        key: carried(state[key].content, now) if key in state else now for key, now in resolved.items()
    }
    alive = _alive(state, contents, active.after, declared)
    changes += _farewells(state, left, numbered, alive)
    changes = [_guarded(change, alive) if change.destructive else change for change in changes]
    return Plan(
        counter=state.counter,
        changes=tuple(changes),
        switches=active.switches,
        starts=_views(alive.keys() - state.live),
        stops=_views(state.live - alive.keys()),
        notes=(
            *active.notes,
            *_kept_pins(changes, resolved, pins),
            *_left_behind(active, {key: each for key, each in alive.items() if key not in resolved}),
        ),
        writes=tuple(_writes(state, changes, contents)),
        declared=declared,
    )


def _numbered(state: State, wanted: Iterable[Wanted]) -> tuple[dict[Key, Content], frozenset[Key]]:
    """The definitions by key, and those keys that got their version here."""
    found: dict[Key, Content] = {}
    numbered: dict[Key, Key] = {}
    for key, content in wanted:
        full = key if key.version else _number(state, key, content)
        if full in found or key in numbered:
            raise DefinitionError(
                f"{key.kind.replace('_', '-')} {full if key.version else key.name} is defined twice.",
                asked=key,
                remedy="Give one of them another name or version.",
            )
        found[full] = told(state[full].content, content) if full in state else content
        if not key.version:
            numbered[key] = full
    return found, frozenset(numbered.values())


def _number(state: State, key: Key, content: Content) -> Key:
    """The version of a definition that has none of its own: that of its like, or the next."""
    known = state.versions(key.kind, key.name)
    like = [each for each in known if state[key._replace(version=each)].content.semantic == content.semantic]
    active = state.active(key.kind, key.name)
    version = active if active in like else like[-1] if like else next_version(known)
    return key._replace(version=str(version))


def _left_out(state: State, wanted: Collection[Key]) -> list[Key]:
    """Versions in use that the definitions do not hold."""
    actives = {Key(*of, stack.versions[-1]) for of, stack in state.stacks.items()}
    left = sorted((state.declared | actives) - set(wanted))
    return dependency_order({key: state[key].pins for key in left})[::-1]


def _alive(
    state: State,
    contents: Mapping[Key, Content],
    active: Mapping[tuple[str, str], str],
    declared: Mapping[Key, bool],
) -> dict[Key, Content]:
    """What has to be kept up to date afterwards, and what it will hold."""
    roots = {Key(*of, version) for of, version in active.items()}
    roots |= {key for key in {*state.declared, *declared} if declared.get(key, True)}

    def content(key: Key) -> Content:
        return contents[key] if key in contents else state[key].content

    return {key: content(key) for key in live(roots, content)}


def _farewells(
    state: State, left: Iterable[Key], wanted: Collection[Key], alive: Mapping[Key, Content]
) -> Iterator[ObjectChange]:
    """Versions that leave the definitions: retired while their name stays, else removed."""
    names = {key[:2] for key in wanted}
    for key in left:
        lost = state[key].content.feature_names if key.kind in LOADED else ()
        if key[:2] not in names:
            values = f"; the values of its {len(lost)} features are lost" if lost else ""
            yield Removed(key, why=f"no longer in the definitions{values}", dropped=lost)
        elif key in state.declared:
            keepers = [str(other) for other in alive if key in alive[other].pins]
            kept = f", and kept up to date for {', '.join(sorted(keepers))}" if keepers else ""
            yield Retired(key, why=f"no longer in the definitions; it stays readable{kept}")


def _guarded(change: ObjectChange, alive: Mapping[Key, Content]) -> ObjectChange:
    """A change that loses something, refused when something that stays names just that."""
    if isinstance(change, Removed):
        naming = [other for other in alive if change.key in alive[other].pins]
    else:
        lost = {(*change.key, name) for name in change.dropped}
        naming = [other for other in alive if any(_as_tuple(each) in lost for each in alive[other].members)]
    if not naming:
        return change
    named = ", ".join(sorted(f"{other.kind} {other}" for other in naming))
    return replace(change, refusal=f"{named} still names it: bump or remove that first")


def _as_tuple(reference: Reference) -> tuple[str, str, str, str]:
    return reference.kind, reference.name, reference.version, reference.feature


def _kept_pins(
    changes: Iterable[ObjectChange], resolved: Mapping[Key, Content], pins: Mapping[Key, tuple[Key, ...]]
) -> Iterator[str]:
    """Notes on versions that go on with what they were first applied with, while what they name moved on."""
    for change in changes:
        now, kept = pins.get(change.key, ()), resolved[change.key].pins if change.key in resolved else ()
        if now != kept and not change.refusal:
            yield _stays(change.key, (pin for pin in kept if pin not in now))


def _left_behind(active: Activations, others: Mapping[Key, Content]) -> Iterator[str]:
    """Notes on versions that a partial apply leaves alone, while it moves on what they name.

    Args:
        active: What becomes active.
        others: What is kept up to date and is not among the definitions.
    """
    moved = {(each.kind, each.name) for each in active.switches if each.before and each.after}
    for key, content in others.items():
        if active.after.get(key[:2]) != key.version:
            continue  # an old version is there to stay as it is
        open_ = {(each.kind, each.name) for each in content.references if not each.version} & moved
        old = [pin for pin in content.pins if pin[:2] in open_ and pin.version != active.after[pin[:2]]]
        if old:
            yield _stays(key, old)


def _stays(key: Key, old: Iterable[Key]) -> str:
    return f"{key.kind} {key} stays with {', '.join(map(str, old))}; bump it to take what is active now."


def _writes(
    state: State, changes: Iterable[ObjectChange], contents: Mapping[Key, Content]
) -> Iterator[Write]:
    for change in changes:
        if isinstance(change, (Unchanged, Retired, Removed, SemanticChange)):
            continue
        content = contents[change.key]
        before = state.get(change.key)
        if isinstance(change, Restored) and before is not None and before.content == content:
            continue
        yield Write(change.key, before.revision + 1 if before else 1, change.word, content)


def _views(keys: Iterable[Key]) -> tuple[Key, ...]:
    found = (key for key in keys if key.kind in LOADED)
    return tuple(sorted(found, key=lambda key: (key.name, natural(key.version))))
