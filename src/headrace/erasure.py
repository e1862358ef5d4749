"""Erasure: a person is removed from everything that a project keeps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from headrace.casting import cast_column
from headrace.definitions.entity import Entity
from headrace.definitions.view import View
from headrace.errors import DataError, StoreError, UnknownNameError
from headrace.kernel.binding import AggregateBinding, LatestBinding
from headrace.kernel.entities import key_column
from headrace.online.copying import CopiedStore
from headrace.online.entities import array_of, by_column
from headrace.online.erased import people_of
from headrace.online.erasing import Places, erase, find, whose
from headrace.online.served_erasing import erase as erase_served
from headrace.retrieval.bind import bind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from headrace.kernel.binding import Binding
    from headrace.online.erased import Person
    from headrace.online.erasing import Found
    from headrace.parts import Parts
    from headrace.registry.registry import Registry

__all__ = ["Forgotten", "forget"]


class Forgotten(NamedTuple):
    """What was removed of some people, or would be.

    Attributes:
        entity: The entity.
        people: How many.
        dry_run: Whether nothing was removed.
        records: Records in the online store.
        events: Events in the logs of pushes.
        late: Events that waited for the next load.
        quarantined: Rows in quarantine.
        served: Rows of the served log.
        complete: Whether nothing is left that Headrace keeps.
        left: What is left, and what to do about it.
        outside: What Headrace does not keep and so has not touched.
    """

    entity: str
    people: int
    dry_run: bool
    records: int
    events: int
    late: int
    quarantined: int
    served: int
    complete: bool
    left: tuple[str, ...]
    outside: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {**self._asdict(), "left": list(self.left), "outside": list(self.outside)}


def forget(
    parts: Parts,
    name: str,
    entities: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    *,
    dry_run: bool,
) -> Forgotten:
    """Remove some people; see `FeatureStore.forget`."""
    entity, views = _defined(parts.registry, name)
    people = _people(entity, entities)
    sources = parts.names.source_names()
    places = Places({_id(each): tuple(each.entity.join_keys) for each in views}, sources)
    if dry_run:
        with parts.online.snapshot() as snapshot:
            found = find(snapshot, places, people)
    else:
        parts.registry.note("forget", "entity", name, f"{len(people)} forgotten")
        found = erase(parts.online, places, people, parts.clock)
    served = _served(parts, people, dry_run=dry_run)
    left = [] if dry_run else _cleaned(parts, found, whose(places, people))
    left += [
        f"View {view} has records, and no definition tells whose they are."
        for view in found.views
        if view not in places.views
    ]
    zone = parts.settings.project.timezone
    left += _values_of([_bound(each, zone) for each in views if _id(each) in found.views], people)
    return Forgotten(
        name, len(people), dry_run, len(found.records), found.events, found.late, found.quarantined, served,
        not (left or dry_run), tuple(left), _outside(parts, people, sources),
    )  # fmt: skip


def _defined(registry: Registry, name: str) -> tuple[Entity, list[View]]:
    """The entity of a name, and every version of every view there ever was."""
    names = [entry.name for entry in registry.list("entity")]
    if name not in names:
        raise UnknownNameError.of("entity", name, names)
    entity = registry.definition("entity", name)
    assert isinstance(entity, Entity)  # noqa: S101 - the registry keeps kinds apart
    if not entity.join_keys:
        raise DataError(
            f"Entity {name!r} has no join keys: it is nobody.",
            asked=name,
            remedy="Name an entity of people.",
        )
    views = [
        registry.definition("view", entry.name, entry.version)
        for entry in registry.list("view", versions=True)
    ]
    return entity, [each for each in views if isinstance(each, View)]


def _people(
    entity: Entity, entities: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]
) -> list[Person]:
    given, keys = by_column(entities), entity.join_keys
    if set(given) != set(keys):
        raise _other_keys(entity, given)
    if len({len(values) for values in given.values()}) > 1:
        raise DataError(
            "The columns differ in length.", asked=", ".join(given), remedy="Give each person all keys."
        )
    columns = {name: cast_column(array_of(given[name]), of, f"Column {name!r}") for name, of in keys.items()}
    people = people_of(list(keys), key_column(pa.table(columns), keys).to_pylist())
    if not people:
        raise DataError("Nobody is named.", remedy="Give the keys of at least one.")
    return list(dict.fromkeys(people))


def _other_keys(entity: Entity, given: Mapping[str, Sequence[Any]]) -> DataError:
    """The error for names that are not the join keys; it shows the values under their right names."""
    keys = entity.join_keys
    unknown, missing = (
        [name for name in given if name not in keys],
        [name for name in keys if name not in given],
    )
    values = dict(given) | dict(zip(missing, (given[name] for name in unknown), strict=False))
    form = " ".join(f"{name}={next(iter(values.get(name, ())), '...')}" for name in keys)
    what = f"has no join key {unknown[0]!r}" if unknown else f"has the join key {missing[0]!r} too"
    return DataError(
        f"Entity {entity.name!r} {what}.",
        asked=", ".join(given),
        available=list(keys),
        remedy=f"Give a value for each join key, as in: {form}.",
    )


def _id(view: View) -> str:
    return f"{view.name}@{view.version}"


def _bound(view: View, zone: str) -> Binding:
    assert view.source.schema is not None  # noqa: S101 - applying froze it
    return bind(view, view.source.schema, zone)


def _served(parts: Parts, people: Sequence[Person], *, dry_run: bool) -> int:
    """How many rows of the served log were theirs."""
    log = parts.served_log
    if log is None:
        return 0
    log.flush()
    return erase_served(log.directory, people, parts.clock.now() + 1, dry=dry_run)


def _cleaned(parts: Parts, found: Found, theirs: Callable[[bytes], bool]) -> list[str]:
    """Take what was deleted out of the copy and out of files; what could not be."""
    left = []
    if isinstance(parts.online, CopiedStore):
        try:
            parts.online.delete_now(theirs, found.records)
        except StoreError as error:
            left.append(f"Redis: {error.message} Run this again when it is there.")
    if not parts.online.scrub():
        left.append(
            "Deleted bytes may still lie in pages of the online store's file that are free: another process "
            "has it open. They are overwritten as pages are used; run this again when nothing else runs."
        )
    return left


def _values_of(views: Sequence[Binding], people: Sequence[Person]) -> list[str]:
    """The views whose records may hold the keys of people without being theirs."""
    kind = {name for name, _ in people[0]}
    return [
        f"Other entities' records of view {each.id} hold values of {', '.join(sorted(mine))}: "
        "empty its source of them, then run headrace materialize --full to an end after all that was pushed."
        for each in views
        if not kind <= set(each.keys) and kind <= {*each.keys, *_held(each)} and (mine := kind & _held(each))
    ]


def _held(view: Binding) -> set[str]:
    """The columns of its source whose values the records of a view hold, or what is derived from them."""
    if isinstance(view, LatestBinding):
        return {*view.order_schema, *view.features}
    assert isinstance(view, AggregateBinding)  # noqa: S101 - there are two kinds
    if view.plan.needs_order:
        return set(view.order_schema)
    derived = [view.source.columns.get(name, "") for name in view.plan.inputs]
    return {*view.plan.inputs, *(word for text in derived for word in re.findall(r"\w+", text))}


def _outside(parts: Parts, people: Sequence[Person], sources: Sequence[str]) -> tuple[str, ...]:
    kind = {name for name, _ in people[0]}
    told = []
    for name in sources:
        source, _ = parts.names.of_source(name)
        if kind <= set(source.schema or ()) and source.batch is not None:
            told.append(f"Source {name}: delete their rows there; until then training sets have them.")
    online = parts.settings.online
    if online.fallback not in {None, online.url, online.embedded}:
        told.append(
            "The fallback store is another one: run this in a project that has it as its online store."
        )
    told.append("Training sets and backups that were made before; served logs that the settings do not name.")
    return tuple(told)
