"""The Spark engine: questions and events of one entity meet in one task, in the order of their instants.

Files are read and cleaned in Python workers by the code that does it everywhere. Spark deals rows out by the
hash of their entity and sorts them; the streaming kernel takes them in as they come. The driver sees answers
only.
"""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from headrace.definitions.source import InMemory
from headrace.engines.spark.answers import AnswerLatest, AnswerWindows, answers
from headrace.engines.spark.copies import FirstCopies
from headrace.engines.spark.crossing import FACTS, OUTPUT, Crossing
from headrace.engines.spark.events import TASKS, ReadEvents, tasks
from headrace.engines.spark.failures import carried, sending
from headrace.engines.spark.session import open_session, unworried
from headrace.errors import StoreError
from headrace.kernel.binding import AggregateBinding, LatestBinding
from headrace.kernel.clean import condition_column
from headrace.kernel.columns import ArrowColumn
from headrace.kernel.parts import join_columns
from headrace.ports.engine import Answered
from headrace.schema import BOOL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from headrace.definitions.source import Source
    from headrace.engines.spark.crossing import Work
    from headrace.kernel.binding import Binding
    from headrace.kernel.columns import Column
    from headrace.kernel.plan import ViewPlan
    from headrace.ports.engine import AnsweredLabel, Asked, AskedLabel, Engine, File, Held, Part, Progress
    from headrace.schema import Schema, Type

__all__ = ["SparkEngine"]

_ROUNDS = 2
"""How many partitions there are for each core, so that one that is done early takes another."""


class SparkEngine:
    """Computes on Spark; see `headrace.ports.engine.Engine`."""

    def __init__(
        self,
        directory: Path,
        here: Engine,
        *,
        master: str | None = None,
        memory: int | None = None,
        partitions: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """For a project; Spark starts when it is needed.

        Args:
            directory: What relative paths of sources are relative to.
            here: Does on this machine what does not run on Spark yet: loads and labels.
            master: Where Spark runs; see `open_session`.
            memory: Bytes of heap, where Spark runs on this machine.
            partitions: Into how many parts entities are dealt out; by default twice the cores.
            settings: Further settings, as Spark names them.
        """
        self._directory = directory
        self._here = here
        self._master = master
        self._memory = memory
        self._partitions = partitions
        self._settings = dict(settings or {})
        self._opened: SparkSession | None = None

    @property
    def _session(self) -> SparkSession:
        if self._opened is None or self._opened.sparkContext._jsc is None:  # noqa: SLF001 - stopped by somebody
            self._opened = open_session(self._master, self._memory, self._settings)
        return self._opened

    def infer_schema(self, source: Source) -> Schema:
        """The schema of a source's data."""
        return self._here.infer_schema(source)

    def files(self, source: Source) -> Sequence[File] | None:
        """The files of a source's batch."""
        return self._here.files(source)

    def parts(self, binding: Binding, before: int, held: Held | None = None, done: int = 0) -> Iterator[Part]:
        """The clean events of a view's source with `known < before`, entity by entity."""
        return self._here.parts(binding, before, held, done)

    def labels(self, asked: AskedLabel, progress: Progress) -> AnsweredLabel:
        """The labels of some touches."""
        return self._here.labels(asked, progress)

    def features(self, asked: Asked, progress: Progress) -> Answered:
        """Point-in-time correct features of a view."""
        binding = asked.binding
        progress(binding.id, 0.0)
        with carried(), unworried():
            rows = self._answers(asked).collect()
        progress(binding.id, 1.0)
        facts = [json.loads(bytes(row.data)) for row in rows if row.kind == FACTS]
        left_out: Counter[str] = Counter()
        for each in facts:
            left_out.update(each["left_out"])
        newest = max((each["newest"] for each in facts if each["newest"] is not None), default=None)
        found = [answers(bytes(row.data), asked.names) for row in rows if row.kind != FACTS]
        places = np.concatenate([np.zeros(0, dtype=np.int64), *(place for place, _ in found)])
        parts = [_no_answers(binding, asked.names), *(columns for _, columns in found)]
        with ThreadPoolExecutor(1) as pool:
            return Answered(join_columns(parts, places, pool.map), dict(sorted(left_out.items())), newest)

    def _answers(self, asked: Asked) -> DataFrame:
        """Rows of `OUTPUT`: packed answers, and the facts about what was read."""
        session, binding = self._session, asked.binding
        parts = self._partitions or _ROUNDS * session.sparkContext.defaultParallelism
        # Workers are told what to read: a table in memory does not travel with the view.
        far = replace(binding, rules={}, source=replace(binding.source, batch=InMemory()))
        if isinstance(far, AggregateBinding):
            plan = far.plan.only(asked.names).trimmed()
            crossing = Crossing(_needed(far, plan))
            answer: Work = AnswerWindows(crossing, far, plan, tuple(asked.names))
            columns = far.columns_read(plan)
        else:
            assert isinstance(far, LatestBinding)  # noqa: S101 - the two kinds there are
            columns = None
            crossing = Crossing({**far.schema, **far.features})
            answer = AnswerLatest(crossing, far, tuple(asked.names))
        events = self._events(binding, far, columns, crossing, parts)
        questions = session.createDataFrame(
            crossing.questions(asked.keys, binding.keys, asked.t), Crossing.questions_ddl()
        )
        rows = events.unionByName(questions, allowMissingColumns=True)
        sorted_rows = rows.repartition(parts, "entity").sortWithinPartitions("entity", "at", "kind")
        return sorted_rows.mapInArrow(sending(answer), OUTPUT)

    def _events(
        self, binding: Binding, far: Binding, columns: list[str] | None, crossing: Crossing, parts: int
    ) -> DataFrame:
        """The events that count, each once."""
        _check_rules(binding.source)
        batch, repeats = tasks(binding, self._directory)
        todo = self._session.createDataFrame(batch, TASKS)
        if far.event_id is None:
            return todo.mapInArrow(sending(ReadEvents(far, columns, crossing, repeats)), crossing.ddl)
        whole = Crossing({**far.schema, **crossing.types}, copies=True)
        events = todo.mapInArrow(sending(ReadEvents(far, columns, whole, repeats)), whole.ddl)
        by_id = events.repartition(parts, "entity", "copy").sortWithinPartitions("entity", "copy")
        return by_id.mapInArrow(sending(FirstCopies(far, whole, crossing)), crossing.ddl)


def _check_rules(source: Source) -> None:
    """Refuse rules written in Python: a project's own modules are not there where workers run."""
    for rule in source.rules:
        if rule.function is not None:
            raise StoreError(
                f"The rule {rule} of source {source.name!r} cannot be judged in Spark's workers.",
                asked=source.name,
                remedy='Write it in SQL, or use HEADRACE_OFFLINE__ENGINE="local".',
            )


def _needed(binding: AggregateBinding, plan: ViewPlan) -> dict[str, Type]:
    """The columns of events that the kernel reads."""
    order = binding.order_schema if plan.needs_order else {}
    conditions = {condition_column(where): BOOL for where in plan.conditions}
    return {**order, **{name: plan.columns[name] for name in plan.inputs}, **conditions}


def _no_answers(binding: Binding, names: Sequence[str]) -> dict[str, Column]:
    none = np.zeros(0, dtype=np.int64)
    return {
        name: ArrowColumn(pa.array([], binding.feature_types[name].arrow()), none.astype(np.uint8), none)
        for name in names
    }
