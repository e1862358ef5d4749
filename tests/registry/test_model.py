"""The registry against a model of plain dicts: any sequence of applies, activations and rollbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headrace.catalogs.sql import SqlCatalog
from headrace.clock import FixedClock
from headrace.errors import (
    ConflictError,
    DefinitionError,
    DestructiveChangeError,
    HeadraceError,
    UnknownNameError,
)
from headrace.ports.catalog import Key
from headrace.registry.registry import Registry
from tests.effort import cases
from tests.registry.plain import digest, naming, view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.definitions.canonical import Document
    from headrace.registry.changes import Plan

Version = tuple[str, str]  # name and version
Spec = tuple[str, dict[str, str], str]  # core, features and their meaning, owner

# Few names, versions and meanings, so that they meet: all sorts of changes are common.
_specs = st.tuples(
    st.sampled_from(["core", "core", "core", "other core"]),
    st.sets(st.sampled_from("xyz"), min_size=2).map(lambda names: dict.fromkeys(sorted(names), "m")),
    st.sampled_from(["ana", "bo"]),
)
_views = st.dictionaries(st.tuples(st.sampled_from("ab"), st.sampled_from("123")), _specs, max_size=3)
_services = st.one_of(st.just({}), st.dictionaries(st.sampled_from("12"), st.sampled_from("xyz"), max_size=2))
_edits = st.sampled_from(
    ["owner", "add", "add", "drop", "meaning", "core", "bump", "bump", "remove", "service", "leave"]
)


class _Refused(Exception):  # noqa: N818 - it is an answer, not a failure
    """What the model says instead of applying: the registry must raise the same."""

    def __init__(self, error: type[HeadraceError]) -> None:
        super().__init__(error)
        self.error = error


class _Model:
    """The rules of the registry, said of dicts. A service reads one feature of the active version of `a`."""

    def __init__(self) -> None:
        self.views: dict[Version, Spec] = {}
        self.services: dict[
            Version, tuple[str, str]
        ] = {}  # the feature, and the version of `a` it was resolved to
        self.declared: set[Version] = set()
        self.stacks: dict[str, list[str]] = {}
        self.by_hand: set[str] = set()

    def apply(self, views: Mapping[Version, Spec], services: Mapping[str, str], *, allowed: bool) -> _Model:
        """The model afterwards; self stays as it is."""
        after = _Model()
        after.views, after.services = {**self.views, **views}, dict(self.services)
        after.declared = {*views, *(("s", version) for version in services)}
        after.by_hand = set(self.by_hand)
        for name in {name for name, _ in after.declared}:
            versions = sorted(version for of, version in after.declared if of == name)
            after.stacks[name] = self._stack(name, versions, after.by_hand)
        after.by_hand &= set(after.stacks)
        for version, feature in services.items():
            after.services.setdefault(("s", version), (feature, after.stacks.get("a", ["?"])[-1]))
        self._check_references(views, services, after)
        changed = [of for of, spec in views.items() if of in self.views and _changed(self.views[of], spec)]
        meant = [
            v for v, feature in services.items() if self.services.get(("s", v), (feature,))[0] != feature
        ]
        gone = self._in_use() - {name for name, _ in after.declared}
        if changed or meant or after._dangling(self, gone):
            raise _Refused(DefinitionError)
        dropped = [
            of
            for of, spec in views.items()
            if of in self.views and of[0] in self._in_use() and set(self.views[of][1]) - set(spec[1])
        ]
        if (gone or dropped) and not allowed:
            raise _Refused(DestructiveChangeError)
        return after

    def _stack(self, name: str, versions: list[str], by_hand: set[str]) -> list[str]:
        newest, stack = versions[-1], list(self.stacks.get(name, []))
        known = (name, newest) in self.views or (name, newest) in self.services
        if (
            not stack
            or (not known and newest > stack[-1])
            or (stack[-1] not in versions and name not in by_hand)
        ):
            by_hand.discard(name)
            return [*stack, newest]
        return stack

    def _check_references(
        self, views: Mapping[Version, Spec], services: Mapping[str, str], after: _Model
    ) -> None:
        """What `a` is now must be there, with the feature, for new services as for old ones."""
        for feature in services.values():
            if "a" not in after.stacks:
                raise _Refused(UnknownNameError)
            spec = after.views["a", after.stacks["a"][-1]]
            if feature not in spec[1]:
                raise _Refused(UnknownNameError)

    def _in_use(self) -> set[str]:
        return set(self.stacks)

    def live(self) -> set[Version]:
        found = self.declared | {(name, stack[-1]) for name, stack in self.stacks.items()}
        return found | {("a", self.services[of][1]) for of in found if of[0] == "s"}

    def _dangling(self, before: _Model, gone: set[str]) -> bool:
        """Whether a service that goes on names a feature, or a view, that would be lost."""
        for of in self.live():
            if of[0] == "s":
                feature, version = self.services[of]
                was, now = before.views.get(("a", version)), self.views["a", version]
                lost = (
                    was is not None and feature in was[1] and feature not in now[1] and "a" in before.stacks
                )
                if lost or "a" in gone:
                    return True
        return False


def _changed(before: Spec, after: Spec) -> bool:
    return before[0] != after[0] or any(
        after[1].get(name, meaning) != meaning for name, meaning in before[1].items()
    )


class RegistryMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = FixedClock(0)
        self.catalog = SqlCatalog("sqlite://")
        self.registry = Registry(self.catalog, self.clock, "ana")
        self.model = _Model()
        self.old_plans: list[Plan] = []
        self.changes = 0

    def teardown(self) -> None:
        self.catalog.close()

    @rule(views=_views, services=_services, allowed=st.booleans())
    def apply(self, views: dict[Version, Spec], services: dict[str, str], allowed: bool) -> None:  # noqa: FBT001
        self._apply(views, services, allowed=allowed)

    @rule(data=st.data(), allowed=st.booleans())
    def apply_nearly_the_same(self, data: st.DataObject, allowed: bool) -> None:  # noqa: FBT001
        """What is declared now, with one thing changed: the usual way of working."""
        views = {of: self.model.views[of] for of in sorted(self.model.declared) if of[0] != "s"}
        services = {of[1]: self.model.services[of][0] for of in sorted(self.model.declared) if of[0] == "s"}
        for edit in data.draw(st.lists(_edits, max_size=2)):
            _edit(edit, views, services, data)
        self._apply(views, services, allowed=allowed)

    def _apply(self, views: dict[Version, Spec], services: dict[str, str], *, allowed: bool) -> None:
        self.clock.advance(1)
        documents = _documents(views, services)
        try:
            after = self.model.apply(views, services, allowed=allowed)
        except _Refused as refused:
            event(f"apply: {refused.error.__name__}")
            with pytest.raises(refused.error):
                self.registry.apply(documents, allow_destructive=allowed)
            return
        before = self.registry.counter()
        plan = self.registry.plan(documents)
        assert self.registry.apply(plan, allow_destructive=allowed).counter == before + (not plan.is_empty)
        for change in plan.changes:
            event(f"applied: {change.word}")
        self.model = after
        self.changes += not plan.is_empty
        self.old_plans.append(plan)
        assert self.registry.plan(documents).is_empty

    @rule(data=st.data())
    def activate(self, data: st.DataObject) -> None:
        known = sorted(of for of in {*self.model.views, *self.model.services} if of[0] in self.model.stacks)
        if not known:
            return
        name, version = data.draw(st.sampled_from(known))
        self.clock.advance(1)
        self.registry.activate(_kind(name), name, version)
        if self.model.stacks[name][-1] != version:
            self.model.stacks[name].append(version)
            self.model.by_hand.add(name)
            self.changes += 1

    @rule(name=st.sampled_from("abs"))
    def rollback(self, name: str) -> None:
        self.clock.advance(1)
        stack = self.model.stacks.get(name, [])
        if len(stack) < 2:
            with pytest.raises(UnknownNameError):
                self.registry.rollback(_kind(name), name)
            return
        stack.pop()
        self.model.by_hand.add(name)
        self.changes += 1
        assert self.registry.rollback(_kind(name), name).version == stack[-1]

    @rule(data=st.data())
    def apply_an_outdated_plan(self, data: st.DataObject) -> None:
        outdated = [plan for plan in self.old_plans if plan.counter != self.registry.counter()]
        if outdated:
            with pytest.raises(ConflictError):
                self.registry.apply(data.draw(st.sampled_from(outdated)), allow_destructive=True)

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        state = self.registry.state()
        assert self.registry.counter() == self.changes
        assert {(each.name, each.version) for each in state.entries} == {
            *self.model.views,
            *self.model.services,
        }
        assert {key[1:] for key in state.declared} == self.model.declared
        assert {name: list(stack.versions) for (_, name), stack in state.stacks.items()} == self.model.stacks
        for (name, version), (_, features, owner) in self.model.views.items():
            entry = self.registry.get("view", name, version)
            assert {each.name: each.semantic for each in entry.content.features} == {
                feature: digest(meaning) for feature, meaning in features.items()
            }
            assert entry.body["owner"] == owner
        for (name, version), (feature, pinned) in self.model.services.items():
            assert self.registry.get("service", name, version).members == (f"a@{pinned}:{feature}",)

    @invariant()
    def keeps_alive_what_is_needed(self) -> None:
        live = {(each.name, each.version) for each in self.registry.list_live_views()}
        assert live == {of for of in self.model.live() if of[0] != "s"}

    @invariant()
    def audits_every_change(self) -> None:
        """Played back, the log gives what is declared, what is active, and how often each was revised."""
        declared: set[Key] = set()
        active: dict[tuple[str, str], str] = {}
        revisions: dict[Key, int] = {}
        for line in self.registry.audit():
            key = Key(line.kind, line.name, line.version)
            match line.action:
                case "add" | "declare":
                    declared.add(key)
                case "retire" | "remove":
                    declared.discard(key)
                case "activate" | "rollback":
                    active[line.kind, line.name] = line.version
                case "deactivate":
                    del active[line.kind, line.name]
            revisions[key] = revisions.get(key, 0) + line.note.startswith("revision")
            assert line.who == "ana"
        state = self.registry.state()
        assert declared == state.declared
        assert active == {of: stack.versions[-1] for of, stack in state.stacks.items()}
        for entry in state.entries:
            assert revisions[entry.key] == entry.revision
        assert {line.counter for line in self.registry.audit()} == set(range(1, self.changes + 1))

    @invariant()
    def keeps_every_revision(self) -> None:
        for name in "abs":
            if any(of == name for of, _ in {*self.model.views, *self.model.services}):
                history = self.registry.history(_kind(name), name)
                assert [each.updated_at for each in history] == sorted(each.updated_at for each in history)
                latest = {each.key: each for each in history}
                assert latest == {
                    each.key: each for each in self.registry.state().entries if each.name == name
                }


def _edit(edit: str, views: dict[Version, Spec], services: dict[str, str], data: st.DataObject) -> None:
    """Change one thing about the definitions."""
    if edit == "service":
        services[data.draw(st.sampled_from("12"))] = data.draw(st.sampled_from("xyz"))
    elif edit == "leave":
        services.clear()
    elif not views:
        views["a", "1"] = ("core", {"x": "m", "y": "m"}, "ana")
    else:
        name, version = data.draw(st.sampled_from(sorted(views)))
        if edit in {"remove", "bump"}:
            spec = (
                views[name, version]
                if edit == "bump" and data.draw(st.booleans())
                else views.pop((name, version))
            )
            if edit == "bump":
                views[name, data.draw(st.sampled_from("123"))] = spec
        else:
            views[name, version] = _edited(edit, views[name, version], data.draw(st.sampled_from("xyz")))


def _edited(edit: str, spec: Spec, feature: str) -> Spec:
    core, features, owner = spec
    match edit:
        case "owner":
            return core, features, "bo" if owner == "ana" else "ana"
        case "add":
            return core, {feature: "m", **features}, owner
        case "drop":
            return (
                core,
                {each: meaning for each, meaning in features.items() if each != feature} or features,
                owner,
            )
        case "meaning":
            return core, {**features, feature: "n"}, owner
        case _:
            return "other core", features, owner


def _kind(name: str) -> str:
    return "service" if name == "s" else "view"


def _documents(views: Mapping[Version, Spec], services: Mapping[str, str]) -> list[Document]:
    return [
        *(view(*of, features, core=core, owner=owner) for of, (core, features, owner) in views.items()),
        *(naming("service", "s", version, f"view:a:{feature}") for version, feature in services.items()),
    ]


TestRegistryMachine = pytest.mark.soak(RegistryMachine.TestCase)
TestRegistryMachine.settings = settings(max_examples=cases(40), stateful_step_count=15)
