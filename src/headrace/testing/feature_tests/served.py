"""The online path of a feature test: a store loaded up to some K, pushed to after it, and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.clock import FixedClock
from headrace.kernel.columns import STATUS_NAMES
from headrace.online.layout import EPOCH
from headrace.online.materialize import Load, materialize
from headrace.online.serve import Served
from headrace.online.source import SourceStream
from headrace.testing.feature_tests.case import AT
from headrace.testing.feature_tests.comparing import plain
from headrace.testing.feature_tests.outcome import Answer
from headrace.wiring import open_trial_store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.kernel.binding import Binding
    from headrace.online.answer import OnlineFeatures
    from headrace.ports.engine import Engine
    from headrace.ports.key_value import OneHost
    from headrace.testing.feature_tests.counting import Log
    from headrace.testing.feature_tests.question import Question

__all__ = ["served"]


def served(question: Question, engine: Engine, logs: Mapping[str, Log]) -> dict[str, list[Answer]]:
    """What serving answers: one request for each instant, each to a store of its own.

    Args:
        question: What is asked.
        engine: Reads the events.
        logs: The events as each view, by its id, sees them.

    Returns:
        For each feature, one answer for each row.
    """
    answers: list[list[Any]] = [[None] * len(question.rows) for _ in question.plan.members]
    for t in dict.fromkeys(row[AT] for row in question.rows):
        numbers = [number for number, row in enumerate(question.rows) if row[AT] == t]
        entities = [question.serving(question.rows[number]) for number in numbers]
        if not question.fields:
            del entities[1:]  # whoever asks of the world as a whole asks the same
        found = _read(question, engine, logs, t, entities)
        for place, member in enumerate(question.plan.members):
            column = found.columns[member.output]
            given = [
                Answer(plain(value, member.type), STATUS_NAMES[status])
                for value, status in zip(column.to_list(), column.status, strict=True)
            ]
            for at, number in enumerate(numbers):
                answers[place][number] = given[at % len(given)]
    return {name: answers[place] for name, place in question.features.items()}


def _read(
    question: Question,
    engine: Engine,
    logs: Mapping[str, Log],
    t: int,
    entities: Sequence[Mapping[str, Any]],
) -> OnlineFeatures:
    store = open_trial_store(FixedClock(t))
    of_source: dict[str, list[Binding]] = {}
    for each in question.plan.views:
        of_source.setdefault(each.binding.source.name, []).append(each.binding)
    for views in of_source.values():
        _fill(store, engine, views, t, question, logs)
    with store.snapshot() as snapshot:
        return Served(question.plan, EPOCH).answer(snapshot, list(entities), {}, t, t)


def _fill(
    store: OneHost,
    engine: Engine,
    views: Sequence[Binding],
    t: int,
    question: Question,
    logs: Mapping[str, Log],
) -> None:
    """Load the views of one source up to the last K before an instant, and push what was known since."""
    source = views[0].source
    if not source.has_stream:
        for view in views:
            materialize(store, engine, Load(view, t, t, EPOCH), _silent)
        return
    stream = SourceStream(source, views, EPOCH)
    known = t // EPOCH * EPOCH
    for view in views:
        materialize(store, engine, Load(view, known, t, EPOCH, ingest=stream.ingest), _silent)
    # what one view has no entity for, another may
    since = set[int]().union(*(logs[view.id].known_between(known, t) for view in views))
    if since:
        rows = question.events[source.name]
        stream.push_rows(store, [rows[number] for number in sorted(since)], t)


def _silent(what: str, share: float) -> None:
    """Nobody watches."""
