"""One version of a definition, registered and written now: what differs, and what that means."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headrace.registry.changes import (
    Added,
    DroppedFeatures,
    MetadataChange,
    NewFeatures,
    ObjectChange,
    Restored,
    SemanticChange,
    Unchanged,
)
from headrace.registry.documents import LOADED
from headrace.registry.versions import next_version

if TYPE_CHECKING:
    from headrace.ports.catalog import Key
    from headrace.registry.entry import Content, Entry
    from headrace.registry.state import State

__all__ = ["carried", "compare", "told"]


def compare(state: State, key: Key, now: Content, pins: tuple[Key, ...]) -> ObjectChange:
    """What applying a definition would do.

    Args:
        state: The registry now.
        key: The version.
        now: What the definitions say of it.
        pins: What its references would stand for today.
    """
    if key not in state:
        return _added(state, key, now)
    before = state[key].content
    if _differs(before, now):
        return _refused(state, key, before, now, pins)
    added, dropped = _beside(now, before), _beside(before, now)
    fields = _fields(before, now)
    change = _same_values(state[key], now, fields, added, dropped)
    if key in state.declared:
        return change
    return _restored(state, key, now, change)


def told(before: Content, now: Content) -> Content:
    """The content, in which features that nothing is told of keep what was told before."""
    known = {each.name: each.about for each in before.features}
    features = (
        each if each.about else replace(each, about=known.get(each.name, {})) for each in now.features
    )
    return replace(now, features=tuple(features))


def carried(before: Content, now: Content) -> Content:
    """The content with the times of those features that were there before and stay as they are."""
    known = {each.name: each for each in before.features}
    features = []
    for each in now.features:
        was = known.get(each.name)
        if was is not None:
            same = (was.semantic, was.about) == (each.semantic, each.about)
            each = replace(each, created_at=was.created_at, updated_at=was.updated_at if same else None)  # noqa: PLW2901
        features.append(each)
    return replace(now, features=tuple(features))


def _added(state: State, key: Key, now: Content) -> Added:
    others = state.versions(key.kind, key.name)
    backfill = _stored(key, now.feature_names)
    why = f"a new version beside {', '.join(others)}" if others else "new"
    if backfill:
        why += f"; {_counted(backfill)} to load"
    return Added(key, why=why, added=now.feature_names, backfill=backfill)


def _differs(before: Content, now: Content) -> bool:
    """Whether values of features that both have would differ."""
    if before.semantic == now.semantic:
        return False
    if before.core != now.core or not before.features or not now.features:
        return True
    known = {each.name: each.semantic for each in before.features}
    return any(known.get(each.name, each.semantic) != each.semantic for each in now.features)


def _refused(state: State, key: Key, before: Content, now: Content, pins: tuple[Key, ...]) -> SemanticChange:
    was = {each.name: each.semantic for each in before.features}
    changed = [each.name for each in now.features if was.get(each.name, each.semantic) != each.semantic]
    moved = [f"{pin.kind} {pin.name}" for pin in pins if pin not in before.pins]
    fields = (*_fields(before, now), *moved)
    what = ", ".join(changed) or ", ".join(fields) or "what its values depend on"
    where = "was removed, and was something else" if state.is_gone(key) else f"changes values of {what}"
    bump = next_version(state.versions(key.kind, key.name))
    refusal = f'a version means one thing for ever: bump {key.name} to {bump} (version="{bump}")'
    return SemanticChange(key, why=f"version {key.version} {where}", fields=fields, refusal=refusal)


def _same_values(
    entry: Entry, now: Content, fields: tuple[str, ...], added: tuple[str, ...], dropped: tuple[str, ...]
) -> ObjectChange:
    key, before = entry.key, entry.content
    backfill = _stored(key, added)
    new = f"{_listed(added)} new; nothing else is backfilled"
    if dropped:
        why = f"the values of {', '.join(dropped)} are lost" + (f"; {new}" if added else "")
        return DroppedFeatures(key, why=why, fields=fields, added=added, dropped=dropped, backfill=backfill)
    if added:
        return NewFeatures(key, why=new, fields=fields, added=added, backfill=backfill)
    about = before.features != carried(before, now).features
    if before.metadata != now.metadata or before.semantic != now.semantic or about:
        what = ", ".join(fields) or "what is told of its features"
        return MetadataChange(key, why=f"{what}; no backfill", fields=fields)
    return Unchanged(key)


def _restored(state: State, key: Key, now: Content, change: ObjectChange) -> ObjectChange:
    """The change of a version that the definitions did not hold."""
    kept = key in state.live
    backfill = change.backfill if kept else _stored(key, now.feature_names)
    why = "back in the definitions" + (f"; {_counted(backfill)} to load" if backfill else "")
    loses = isinstance(change, DroppedFeatures) and not state.is_gone(key)  # what is gone has nothing to lose
    if loses:
        return replace(change, why=f"{why}; {change.why}", backfill=backfill)
    return Restored(key, why=why, fields=change.fields, added=change.added, backfill=backfill)


def _stored(key: Key, names: tuple[str, ...]) -> tuple[str, ...]:
    return names if key.kind in LOADED else ()


def _beside(some: Content, others: Content) -> tuple[str, ...]:
    """The names of features that only the first has."""
    known = set(others.feature_names)
    return tuple(name for name in some.feature_names if name not in known)


def _fields(before: Content, now: Content) -> tuple[str, ...]:
    """The top-level fields of the definition that differ."""
    names = sorted({*before.body, *now.body})
    return tuple(name for name in names if before.body.get(name) != now.body.get(name))


def _counted(features: tuple[str, ...]) -> str:
    return f"{len(features)} feature{'s' if len(features) != 1 else ''}"


def _listed(features: tuple[str, ...]) -> str:
    return f"{', '.join(features)} {'are' if len(features) != 1 else 'is'}"
