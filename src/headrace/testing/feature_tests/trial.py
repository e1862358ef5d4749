"""A trial: definitions in a registry of their own, asked over literal events, in history and online."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.clock import SystemClock
from headrace.errors import HeadraceError, UnknownNameError
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
from headrace.testing.feature_tests.question import question_of
from headrace.testing.feature_tests.served import served
from headrace.wiring import open_trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import Self

    from headrace.definitions.base import Definition
    from headrace.retrieval.plan import RetrievalPlan
    from headrace.testing.feature_tests.case import FeatureTest
    from headrace.testing.feature_tests.question import Question

__all__ = ["Trial"]


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
        self._sources = [each.name for each in registry.list("source")]
        self._functions = [each.name for each in registry.list("on_demand")]

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
        for name in test.events:
            if name not in self._sources:
                raise UnknownNameError.of("source", name, self._sources)
        question = question_of(test, self._names, self._functions)
        views = [each.binding for each in question.plan.views]
        logs = {each.id: Log(each, test.events.get(each.source.name, ())) for each in views}
        reason = _offline_only(test, question.plan)
        past = self._history(question)
        present = None if reason else served(question, self._engine, logs)
        failures, values = [], 0
        for number, row in enumerate(question.rows):
            for feature in [each for each in question.features if each in row]:
                place = question.features[feature]
                wanted = _wanted(test, question, feature, row)
                offline = past[place][number]
                online = None if present is None else present[place][number]
                values += 1
                if not _holds(wanted, offline, online):
                    entity = question.asking(row)
                    events = _counted(question.plan, logs, place, entity, row[AT])
                    failures.append(Failure(feature, entity, row[AT], wanted, offline, online, events))
        return Outcome(test, values, failures, reason)

    def _history(self, question: Question) -> list[list[Answer]]:
        """What history answers: for each member of the plan, one answer for each row."""
        plan = question.plan
        types = {**plan.keys, **plan.request}
        rows = [{**question.asking(row), AT: row[AT]} for row in question.rows]
        spine = Spine.read(raw_table(rows, Schema({**types, AT: TIMESTAMP}), "rows asked for"), AT, types)
        prints = self._names.fingerprints(member.reference.definition for member in plan.members)
        made = Making(self._engine, "local", SystemClock().now(), None, prints, self._directory)
        found = historical(plan, spine, made, lambda _what, _share: None)
        answers = []
        for member in plan.members:
            values = found.to_arrow()[member.output].to_pylist(maps_as_pydicts="strict")
            statuses = found.origin.statuses[member.output]
            answers.append(
                [
                    Answer(plain(value, member.type), STATUS_NAMES[status])
                    for value, status in zip(values, statuses, strict=True)
                ]
            )
        return answers


def _offline_only(test: FeatureTest, plan: RetrievalPlan) -> str:
    """Why serving cannot be asked for the same answer; empty where it can."""
    if not test.online:
        return "the test says so"
    delayed = [each.binding.source.name for each in plan.views if each.binding.serving_delay]
    return f"source {delayed[0]!r} has a serving_delay, which shifts history only" if delayed else ""


def _wanted(test: FeatureTest, question: Question, feature: str, row: Mapping[str, Any]) -> Wanted:
    """What a row expects of a feature, in plain words."""
    written = Wanted.of(row[feature], test.tolerance)
    of = question.plan.members[question.features[feature]].type
    return written._replace(value=expected_value(written.value, of, feature))


def _holds(wanted: Wanted, offline: Answer, online: Answer | None) -> bool:
    """Whether both paths say what is wanted, and the same status."""
    if online is not None and online.status != offline.status:
        return False
    return all(
        wanted.status in {None, each.status}
        and (not wanted.has_value or agree(wanted.value, each.value, wanted.tolerance))
        for each in (offline, online)
        if each is not None
    )


def _counted(
    plan: RetrievalPlan, logs: Mapping[str, Log], place: int, entity: Mapping[str, Any], t: int
) -> list[Counted]:
    """The events behind a member of the plan, those behind what a function reads included."""
    member = plan.members[place]
    waiting = [(member.view, member.reference.feature if member.view >= 0 else str(member.reference))]
    read: dict[tuple[int, str], None] = {}
    while waiting:
        view, feature = waiting.pop(0)
        if view < 0:
            waiting += plan.inputs[feature].values()
        else:
            read[view, feature] = None
    found = []
    for view, feature in read:
        events = logs[plan.views[view].binding.id].counted(feature, entity, t)
        # what a function reads is named, for there may be several
        told = f": {feature}" if member.view < 0 else ""
        found += [each._replace(source=each.source + told) for each in events]
    return found
