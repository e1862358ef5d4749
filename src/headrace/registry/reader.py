"""Reading the registry: definitions, features, history, lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.definitions.references import Reference, parse_reference
from headrace.errors import UnknownNameError
from headrace.ports.catalog import Key
from headrace.registry.documents import LOADED, definition_of, revived
from headrace.registry.entry import Entry
from headrace.registry.lineage import Lineage, Node, lineage
from headrace.registry.order import dependency_order
from headrace.registry.search import FeatureEntry, Query, features_of
from headrace.registry.state import State, closure
from headrace.registry.versions import natural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.definitions.base import Definition
    from headrace.ports.catalog import Catalog, Event, Run

__all__ = ["RegistryReader", "found"]


class RegistryReader:
    """What is defined, in which version, since when and by whom.

    It may be shared by threads. It asks the catalog for its counter, and for more only when that moved.

    Every method raises StoreError when the catalog cannot be used.
    """

    def __init__(self, catalog: Catalog) -> None:
        """Read a catalog."""
        self._catalog = catalog
        self._state: State | None = None

    def counter(self) -> int:
        """Counts changes; cheap enough to poll. While it stands, every answer below stands."""
        return self._catalog.counter()

    def state(self) -> State:
        """The registry as it is now; the same object while nothing changes."""
        state = self._state
        if state is None or state.counter != self._catalog.counter():
            state = self._state = State(self._catalog.snapshot())
        return state

    def get(self, kind: str, name: str, version: str | None = None) -> Entry:
        """A version of a definition.

        Args:
            kind: entity, source, view, on_demand, service, ...
            name: Its name.
            version: Its version; None for the active one. Versions stay readable, even after their name is
                removed.

        Raises:
            UnknownNameError: There is none; the nearest names are offered.
        """
        return found(self.state(), kind, name, version)

    def definition(self, kind: str, name: str, version: str | None = None) -> Definition:
        """The definition itself, made from the registry alone.

        Inside it are the versions of others that it was applied with.

        Raises:
            UnknownNameError: There is none.
            StoreError: It was written by a newer Headrace, or changed by other hands.
        """
        state = self.state()
        return definition_of(state, found(state, kind, name, version).key)

    def definition_at(self, revision: Entry) -> Definition:
        """The definition as a revision that `history` gave has it.

        Raises:
            StoreError: As in `definition`.
        """
        return revived(self.state(), revision)

    def features(
        self,
        *,
        tags: Sequence[str] = (),
        all_tags: Sequence[str] = (),
        owner: str | None = None,
        type: str | None = None,  # noqa: A002 - the contract's word
        text: str = "",
        versions: bool = False,
    ) -> list[FeatureEntry]:
        """Features, in the order of their definitions; with the arguments of `list`."""
        query = Query(tags, all_tags, owner, type, text)
        entries = sorted((each for each in self.state().entries if versions or each.active), key=_by_name)
        return [each for each in features_of(entries) if query.finds_feature(each)]

    def feature(self, reference: str) -> FeatureEntry:
        """A feature by `view:feature`, `view@2:feature`, or the name of an on-demand feature.

        Raises:
            DefinitionError: The text is no reference.
            UnknownNameError: There is no such view, version or feature.
        """
        asked = parse_reference(reference)
        entry = self.get(asked.kind, asked.name, asked.version or None)
        name = asked.feature or asked.name
        for found in features_of([entry]):
            if found.name == name:
                return found
        raise UnknownNameError.of(f"feature of {entry.kind} {entry.key}", name, entry.content.feature_names)

    def offers(self) -> dict[Reference, tuple[str, ...]]:
        """The names of all features by version of a definition: what references of new ones may name too."""
        return {
            Reference(*entry.key): entry.content.feature_names
            for entry in self.state().entries
            if entry.content.features
        }

    def history(self, kind: str, name: str) -> list[Entry]:
        """Every revision of every version of a name, oldest first, with who wrote it and when.

        Raises:
            UnknownNameError: The registry never held the name.
        """
        state = self.state()
        revisions = self._catalog.revisions(kind, name)
        if not revisions:
            raise state.unknown(kind, name)
        created = {each.key: each.at for each in revisions if each.number == 1}
        active = state.active(kind, name)
        return [
            Entry.of(
                each,
                created_at=created[each.key],
                active=each.key.version == active,
                declared=each.key in state.declared,
            )
            for each in revisions
        ]

    def audit(
        self, kind: str | None = None, name: str | None = None, *, since: int = 0, limit: int | None = None
    ) -> Sequence[Event]:
        """Who did what and when, oldest first.

        Args:
            kind: Only this kind.
            name: Only this name.
            since: Only after this counter.
            limit: Only that many of the newest lines.
        """
        return self._catalog.events(kind, name, since, limit)

    # --- following
    # -----------------------------------------------------------------------------------------------

    def lineage(self, reference: str, kind: str | None = None) -> Lineage:
        """What a definition or feature comes from, and what comes from it.

        Args:
            reference: `name`, `name@version` or `view:feature`; without a version, the active one.
            kind: Its kind, where several kinds have that name; None means each of them.

        Raises:
            UnknownNameError: There is none.
        """
        state = self.state()
        asked = parse_reference(reference, "")
        kinds = [kind] if kind else [asked.kind] if asked.kind else _kinds(state, asked.name)
        entries = [found(state, each, asked.name, asked.version or None) for each in kinds]
        if asked.feature:
            start = [
                Node(
                    "feature",
                    f"{entries[0].key}:{self.feature(str(entries[0].key) + ':' + asked.feature).name}",
                )
            ]
        else:
            start = [Node(each.kind, str(each.key)) for each in entries]
        drawn = state.live | closure([each.key for each in entries], lambda key: state[key].content)
        ordered = dependency_order({key: state[key].pins for key in sorted(drawn)})
        return lineage({key: state[key].content for key in ordered}, start)

    def dependency_order(self) -> list[Entry]:
        """What is kept up to date, each after all that it is made from."""
        state = self.state()
        return [state[key] for key in dependency_order({key: state[key].pins for key in sorted(state.live)})]

    def list_live_views(self) -> list[Entry]:
        """The view versions to load, ingest and serve.

        They are the active ones, those in the definitions, and all that an active service or one in the
        definitions names; except those that only definitions with `is_active=False` ask for.
        """
        state = self.state()
        return sorted((state[key] for key in state.live if key.kind in LOADED), key=_by_name)

    def runs(self) -> dict[Key, Run]:
        """The last good load of each view version that has one."""
        return {run.key: run for run in self._catalog.runs()}

    # last, because below it `list` would name this method

    def list(
        self,
        kind: str | None = None,
        *,
        tags: Sequence[str] = (),
        all_tags: Sequence[str] = (),
        owner: str | None = None,
        type: str | None = None,  # noqa: A002 - the contract's word
        text: str = "",
        versions: bool = False,
    ) -> list[Entry]:
        """Definitions, sorted by kind, name and version.

        Args:
            kind: Only this kind.
            tags: With any of these tags.
            all_tags: With all of these tags.
            owner: Of this owner.
            type: With a feature of this type.
            text: With all these words in name, description, tags or columns.
            versions: Every version ever registered; otherwise the active one of each name.
        """
        query = Query(tags, all_tags, owner, type, text)
        state = self.state()
        entries = [each for each in state.entries if (versions or each.active) and kind in {None, each.kind}]
        return sorted(filter(query.finds, entries), key=_by_name)


def found(state: State, kind: str, name: str, version: str | None = None) -> Entry:
    """The version; without one, the active one."""
    chosen = version if version is not None else state.active(kind, name)
    entry = state.get(Key(kind, name, chosen)) if chosen is not None else None
    if entry is not None:
        return entry
    known = state.versions(kind, name)
    if version is not None and known:
        raise UnknownNameError.of(f"version of {kind} {name!r}", version, known)
    if known:
        raise UnknownNameError(
            f"The {kind} {name!r} was removed.",
            asked=name,
            available=[f"{name}@{each}" for each in known],
            remedy="Its versions can still be read; apply its definition to have it back.",
        )
    raise state.unknown(kind, name)


def _kinds(state: State, name: str) -> list[str]:
    """The kinds that have a name."""
    found = sorted({kind for kind, of in state.stacks if of == name})
    if not found:
        raise UnknownNameError.of("definition", name, state.names())
    return found


def _by_name(entry: Entry) -> tuple[str, str, object]:
    return entry.kind, entry.name, natural(entry.version)
