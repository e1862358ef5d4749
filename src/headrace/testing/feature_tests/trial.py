"""A trial: definitions in a registry of their own, asked over literal events, in history and online."""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.clock import SystemClock
from headrace.definitions.source import Source
from headrace.errors import DefinitionError, HeadraceError, UnknownNameError
from headrace.intake.raw_rows import raw_table
from headrace.kernel.columns import STATUS_NAMES
from headrace.offline.historical import Making, historical
from headrace.offline.spine import Spine
from headrace.registry.registry import Registry
from headrace.resolution import Resolution
from headrace.retrieval.settle import settle
from headrace.schema import TIMESTAMP, Schema
from headrace.testing.feature_tests.case import AT, Wanted, located
from headrace.testing.feature_tests.comparing import agree, expected_value, plain
from headrace.testing.feature_tests.counting import Log
from headrace.testing.feature_tests.outcome import Answer, Counted, Failure, Outcome
from headrace.testing.feature_tests.served import served_at
from headrace.wiring import open_trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from headrace.definitions.base import Definition
    from headrace.kernel.binding import Binding
    from headrace.retrieval.plan import RetrievalPlan
    from headrace.testing.feature_tests.case import FeatureTest

__all__ = ["Trial"]


class _Question(NamedTuple):
    """A test, its names resolved.

    Attributes:
        plan: Its features, over its events.
        features: Feature as the test calls it -> the place among the plan's members.
        rows: The rows asked for, with what is expected.
    """

    plan: RetrievalPlan
    features: Mapping[str, int]
    rows: Sequence[Mapping[str, Any]]


class Trial:
    """Definitions to be tried."""

    def __init__(
        self,
        definitions: Iterable[Definition],
        directory: Path,
        zone: str = "UTC",
        frozen: Mapping[str, Schema] | None = None,
    ) -> None:
        """Register the definitions where nobody else sees them.

        Args:
            definitions: What is tried, and what it is made of.
            directory: Where relative paths begin; data is read only for the schemas of sources without one.
            zone: The project's time zone.
            frozen: Schemas that are known already, by source.

        Raises:
            DefinitionError: A definition is wrong.
            UnknownNameError: A definition refers to what is not given.
            DataError: The schema of a source is not declared, and its data cannot be read.
        """
        given = tuple(definitions)
        self._directory = directory
        self._catalog, self._engine = open_trial(directory)
        registry = Registry(self._catalog, SystemClock(), "feature tests")
        settled = settle(given, self._engine, zone, frozen or {}, registry.offers())
        registry.apply(registry.plan(settled.documents, settled.features))
        self._names = Resolution(registry, zone, lambda: given)
        self._sources = {
            each.name: each
            for each in (registry.definition("source", entry.name) for entry in registry.list("source"))
            if isinstance(each, Source)
        }
        self._functions = {entry.name for entry in registry.list("on_demand")}

    def __enter__(self) -> Self:
        """The trial itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget everything."""
        self._catalog.close()

    def run(self, test: FeatureTest) -> Outcome:
        """Run a test; what keeps it from running is part of the outcome."""
        try:
            with located(test.written):
                return self._run(test)
        except HeadraceError as error:
            return Outcome(test, error=error)

    def _run(self, test: FeatureTest) -> Outcome:
        question = self._question(test)
        plan, rows = question.plan, question.rows
        logs = {each.binding.id: self._log(each.binding, test) for each in plan.views}
        offline = self._offline(question)
        reason = _offline_only(test, plan)
        online = None if reason else self._online(question, logs)
        failures, values = [], 0
        for number, row in enumerate(rows):
            for feature, place in question.features.items():
                if feature not in row:
                    continue
                member = plan.members[place]
                written = Wanted.of(row[feature], test.tolerance)
                wanted = written._replace(value=expected_value(written.value, member.type, feature))
                past = offline[place][number]
                now = None if online is None else online[place][number]
                values += 1
                if not _as_wanted(wanted, past) or (
                    now is not None and not (_as_wanted(wanted, now) and now.status == past.status)
                ):
                    entity = {name: row[name] for name in (*plan.keys, *plan.request)}
                    events = _counted(plan, logs, place, entity, row[AT])
                    failures.append(Failure(feature, entity, row[AT], wanted, past, now, events))
        return Outcome(test, values, failures, reason)

    # --- what is asked ---

    def _question(self, test: FeatureTest) -> _Question:
        for name in test.events:
            if name not in self._sources:
                raise UnknownNameError.of("source", name, self._sources)
        rows = test.asked()
        called = self._called(test)
        asked = {
            name: called.get(name, name)
            for row in rows
            for name in row
            if name in called or ":" in name or name in self._functions
        }
        if not asked:
            raise UnknownNameError.of("feature", next((name for name in rows[0] if name != AT), ""), called)
        plan = self._names.retrieval(self._names.choose(list(dict.fromkeys(asked.values())), None), full=True)
        views = tuple(
            dataclasses.replace(each, binding=self._with_events(each.binding, test)) for each in plan.views
        )
        plan = dataclasses.replace(plan, views=views)
        _check_names(plan, asked, rows)
        place = {reference: number for number, reference in enumerate(dict.fromkeys(asked.values()))}
        typed = _typed(rows, {**plan.keys, **plan.request})
        return _Question(plan, {name: place[reference] for name, reference in asked.items()}, typed)

    def _called(self, test: FeatureTest) -> dict[str, str]:
        """What features may be called without their view, and which they are."""
        if test.view:
            binding = self._names.view(*_name_and_version(test.view))
            return {name: f"{binding.id}:{name}" for name in binding.feature_types}
        if test.service:
            plan = self._names.retrieval(self._names.choose(None, test.service))
            return {each.output: str(each.reference) for each in plan.members}
        return {}

    def _with_events(self, binding: Binding, test: FeatureTest) -> Binding:
        """The view over the test's events."""
        rows = test.events.get(binding.source.name, ())
        for name in (name for row in rows for name in row):
            if name not in binding.schema:
                raise UnknownNameError.of(f"column of source {binding.source.name!r}", name, binding.schema)
        table = raw_table(list(rows), binding.schema, f"events of {binding.source.name!r}")
        changes: dict[str, Any] = {"batch": table}
        if getattr(binding.source, "complete_until", None) is not None:
            changes["complete_until"] = None
        return dataclasses.replace(binding, source=dataclasses.replace(binding.source, **changes))

    @staticmethod
    def _log(binding: Binding, test: FeatureTest) -> Log:
        return Log(binding, test.events.get(binding.source.name, ()))

    # --- what is answered ---

    def _offline(self, question: _Question) -> list[list[Answer]]:
        """The answers of history: for each member of the plan, one for each row."""
        plan = question.plan
        types = {**plan.keys, **plan.request}
        rows = [{name: row[name] for name in (*types, AT)} for row in question.rows]
        spine = Spine.read(raw_table(rows, Schema({**types, AT: TIMESTAMP}), "rows asked for"), AT, types)
        prints = self._names.fingerprints(member.reference.definition for member in plan.members)
        made = Making(self._engine, "local", SystemClock().now(), None, prints, self._directory)
        found = historical(plan, spine, made, lambda _what, _share: None)
        table = found.to_arrow()
        return [
            [
                Answer(plain(value, member.type), STATUS_NAMES[status])
                for value, status in zip(
                    table[member.output].to_pylist(maps_as_pydicts="strict"),
                    found.origin.statuses[member.output],
                    strict=True,
                )
            ]
            for member in plan.members
        ]

    def _online(self, question: _Question, logs: Mapping[str, Log]) -> list[list[Answer]]:
        """The answers of serving, likewise: one request for each instant."""
        plan = question.plan
        answers: list[list[Any]] = [[None] * len(question.rows) for _ in plan.members]

        def known_between(binding: Binding, begin: int, end: int) -> Sequence[Mapping[str, Any]]:
            return logs[binding.id].known_between(begin, end)

        names = (*plan.keys, *plan.request)
        for t in dict.fromkeys(row[AT] for row in question.rows):
            asking = [number for number, row in enumerate(question.rows) if row[AT] == t]
            entities = [{name: question.rows[number][name] for name in names} for number in asking]
            found = served_at(plan, self._engine, t, entities, known_between)
            for place, member in enumerate(plan.members):
                column = found.columns[member.output]
                for number, value, status in zip(asking, column.to_list(), column.status, strict=True):
                    answers[place][number] = Answer(plain(value, member.type), STATUS_NAMES[status])
        return answers


def _offline_only(test: FeatureTest, plan: RetrievalPlan) -> str:
    """Why serving cannot be asked for the same answer; empty where it can."""
    if not test.online:
        return "the test says so"
    delayed = [each.binding.source.name for each in plan.views if each.binding.serving_delay]
    return f"source {delayed[0]!r} has a serving_delay, which shifts history only" if delayed else ""


def _as_wanted(wanted: Wanted, answer: Answer) -> bool:
    if wanted.status is not None and wanted.status != answer.status:
        return False
    return not wanted.has_value or agree(wanted.value, answer.value, wanted.tolerance)


def _name_and_version(text: str) -> tuple[str, str]:
    name, _, version = text.partition("@")
    return name, version


def _check_names(plan: RetrievalPlan, asked: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Every name in a row is a feature, a key or a request field, and every row has the latter two."""
    needed = [*plan.keys, *plan.request]
    for row in rows:
        for name in row:
            if name not in asked and name not in needed and name != AT:
                raise UnknownNameError.of("feature, join key or request field", name, [*asked, *needed])
        for name in needed:
            if name not in row:
                raise DefinitionError(
                    f"It is not said for which {name!r} the features are asked for.",
                    asked=name,
                    available=difflib.get_close_matches(name, [each for each in row if each != AT], n=3),
                    remedy=f"Give {'entity' if name in plan.keys else 'context'}: {{{name}: ...}}.",
                )


def _typed(rows: Sequence[Mapping[str, Any]], types: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows, their keys and request fields as values of the declared types."""
    from headrace.casting import cast_column

    table = raw_table([{name: row[name] for name in types} for row in rows], Schema(types), "rows asked for")
    columns = {
        name: cast_column(table[name], of, f"The column {name!r}").to_pylist(maps_as_pydicts="strict")
        for name, of in types.items()
    }
    return [{**row, **{name: columns[name][number] for name in types}} for number, row in enumerate(rows)]


def _counted(
    plan: RetrievalPlan, logs: Mapping[str, Log], place: int, entity: Mapping[str, Any], t: int
) -> list[Counted]:
    """The events behind a member of the plan, those behind what a function reads included."""
    member = plan.members[place]
    places = [(member.view, member.reference.feature if member.view >= 0 else str(member.reference))]
    found: list[Counted] = []
    seen = set()
    while places:
        view, feature = places.pop(0)
        if view < 0:
            places += plan.inputs[feature].values()
            continue
        if (view, feature) not in seen:
            seen.add((view, feature))
            events = logs[plan.views[view].binding.id].counted(feature, entity, t)
            # what a function reads is named, for there may be several
            told = f": {feature}" if member.view < 0 else ""
            found += [each._replace(source=each.source + told) for each in events]
    return found
