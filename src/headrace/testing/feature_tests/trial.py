"""A trial: definitions in a registry of their own, asked over literal events, in history and online."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.clock import SystemClock
from headrace.errors import HeadraceError, UnknownNameError
from headrace.intake.raw_rows import raw_table
from headrace.kernel.columns import STATUS_NAMES
from headrace.offline.historical import Making
from headrace.offline.spine import Spine
from headrace.offline.training import training_set
from headrace.registry.registry import Registry
from headrace.resolution import Resolution
from headrace.retrieval.settle import settle
from headrace.schema import TIMESTAMP, Schema
from headrace.testing.feature_tests.case import AT, Wanted, located
from headrace.testing.feature_tests.comparing import agree, expected_value, plain
from headrace.testing.feature_tests.counting import Log
from headrace.testing.feature_tests.labels import behind
from headrace.testing.feature_tests.outcome import Answer, Counted, Failure, Outcome
from headrace.testing.feature_tests.question import Known, question_of
from headrace.testing.feature_tests.served import served
from headrace.wiring import open_trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    import pyarrow as pa

    from headrace.definitions.base import Definition
    from headrace.schema import Type
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
        self._names = Resolution(registry, registry.counter(), zone, lambda: given)
        self._sources = [each.name for each in registry.list("source")]
        self._known = Known(
            [each.name for each in registry.list("on_demand")],
            [each.name for each in registry.list("label")],
            self._engine.infer_schema,
        )

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
        question = question_of(test, self._names, self._known)
        views = [each.binding for each in question.plan.views]
        logs = {each.id: Log(each, test.events.get(each.source.name, ())) for each in views}
        reason = _offline_only(test, question)
        past = self._history(question)
        present = {} if reason else served(question, self._engine, logs)
        failures, values = [], 0
        for number, row in enumerate(question.rows):
            for name in [each for each in past if each in row]:
                wanted = Wanted.of(row[name], test.tolerance)
                wanted = wanted._replace(value=expected_value(wanted.value, question.type_of(name), name))
                offline = past[name][number]
                online = present[name][number] if name in present else None
                values += 1
                if not _holds(wanted, offline, online):
                    entity = question.asking(row)
                    events = _behind(question, logs, name, entity, row[AT])
                    failures.append(Failure(name, entity, row[AT], wanted, offline, online, events))
        return Outcome(test, values, failures, reason)

    def _history(self, question: Question) -> dict[str, list[Answer]]:
        """What history answers: for each feature and column of a label, one answer for each row."""
        plan, types = question.plan, question.types
        rows = [{**question.asking(row), AT: row[AT]} for row in question.rows]
        spine = Spine.read(raw_table(rows, Schema({**types, AT: TIMESTAMP}), "rows asked for"), AT, types)
        prints = self._names.fingerprints(member.reference.definition for member in plan.members)
        made = Making(self._engine, "local", SystemClock().now(), None, prints, self._directory)
        found = training_set(plan, spine, question.labels, made, _silent)
        table = found.to_arrow()
        answers = {}
        for name, place in question.features.items():
            member = plan.members[place]
            statuses = [STATUS_NAMES[each] for each in found.origin.statuses[member.output]]
            answers[name] = _answers(table[member.output], member.type, statuses)
        for name, column in question.columns.items():
            statuses = ["PRESENT" if each else "NULL_VALUE" for each in table[name].is_valid().to_pylist()]
            answers[name] = _answers(table[name], column.type, statuses)
        return answers


def _answers(values: pa.ChunkedArray, of: Type, statuses: Sequence[str]) -> list[Answer]:
    written = [plain(value, of) for value in values.to_pylist(maps_as_pydicts="strict")]
    return [Answer(value, status) for value, status in zip(written, statuses, strict=True)]


def _silent(what: str, share: float) -> None:
    """Nobody watches."""


def _offline_only(test: FeatureTest, question: Question) -> str:
    """Why serving cannot be asked for the same answer; empty where it can."""
    plan = question.plan
    if not test.online:
        return "the test says so"
    if not plan.members:
        return "labels are of training sets alone"
    delayed = [each.binding.source.name for each in plan.views if each.binding.serving_delay]
    return f"source {delayed[0]!r} has a serving_delay, which shifts history only" if delayed else ""


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


def _behind(
    question: Question, logs: Mapping[str, Log], name: str, entity: Mapping[str, Any], t: int
) -> list[Counted]:
    """The events behind a feature, those behind what a function reads included; or behind a label."""
    if name in question.columns:
        label = question.columns[name].label
        return behind(label, question.events, entity, t, question.labels.as_of)
    plan = question.plan
    member = plan.members[question.features[name]]
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
