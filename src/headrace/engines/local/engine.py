"""The local engine: DuckDB reads and cleans, the kernel computes."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.engines.local.buckets import gathered, hashed_bucket
from headrace.intake.rejects import no_rejects
from headrace.kernel.binding import AggregateBinding, LatestBinding
from headrace.kernel.clean import KNOWN, TIME
from headrace.kernel.duplicates import without_copies
from headrace.kernel.entities import Numbers
from headrace.kernel.history import PART, features_of
from headrace.kernel.latest_values import LatestRows
from headrace.kernel.parts import BUCKETS, Chunk, Part, Parts, numbered
from headrace.ports import engine as ports
from headrace.ports.engine import Answered
from headrace.reading.source import infer_schema, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from headrace.aggregations.states import Array
    from headrace.definitions.source import Source
    from headrace.kernel.binding import Binding
    from headrace.kernel.columns import Column
    from headrace.ports.engine import Asked, Progress
    from headrace.schema import Schema

__all__ = ["LocalEngine"]

_DEFAULT_MEMORY = 4 << 30
_SHARE = 4
"""Events may fill one part in this many of the budget: states need as much again, answers take their part."""

_DENSE = 0.5
"""Where this share of the events is asked for, a copy of those costs more than to carry the others along."""


class _Work(NamedTuple):
    """How questions about a view are answered.

    Attributes:
        columns: The columns of the source to read, None for all.
        passed: Those that nobody reads once the entities are numbered.
        size: About how many events a part should have; None where to cut them costs more than it gains.
        dense: The share of a chunk's events that must be asked for to keep it as it lies, the others as
            events of nobody (-1).
        answer: Answers the questions of a part.
    """

    columns: list[str] | None
    passed: list[str]
    size: int | None
    dense: float
    answer: Callable[[Part], dict[str, Column]]


class LocalEngine:
    """Computes on this machine; see `headrace.ports.engine.Engine`."""

    def __init__(self, directory: Path, memory: int | None = None, threads: int | None = None) -> None:
        """For a project.

        Args:
            directory: What relative paths of sources are relative to.
            memory: Bytes it may use; None lets it decide.
            threads: How many; all processors by default.
        """
        self._directory = directory
        self._memory = memory
        self._threads = threads or os.cpu_count() or 1

    def infer_schema(self, source: Source) -> Schema:
        """The schema of a source's data."""
        return infer_schema(source, directory=self._directory, threads=self._threads)

    def _read(
        self, binding: Binding, columns: list[str] | None, rejected: list[pa.Table]
    ) -> Iterator[pa.Table]:
        """The clean events of a view's source, at least one batch; rejected rows are appended when found."""
        names = no_rejects().column_names
        reading = read(
            binding.source,
            binding.schema,
            columns=columns,
            expressions=binding.expressions,
            keys=tuple(binding.keys),
            zone=binding.zone,
            directory=self._directory,
            memory=self._memory,
            threads=self._threads,
            on_rejected=lambda rows: rejected.append(rows.select(names)),
        )
        yield reading.schema.empty_table()
        yield from reading

    @property
    def _budget(self) -> int:
        return (self._memory or _DEFAULT_MEMORY) // _SHARE

    def parts(self, binding: Binding, before: int) -> Iterator[ports.Part]:
        """The clean events of a view's source with `known < before`, entity by entity."""
        rejected: list[pa.Table] = []

        def chunk(events: pa.Table) -> Chunk:
            known: Array = events.column(KNOWN).to_numpy()
            kept = events.filter(pa.array(known < before))
            return Chunk(kept, lambda rows: hashed_bucket(rows, binding.keys))

        with gathered(self._read(binding, None, rejected), chunk, self._budget, self._threads) as chunks:
            whole = [chunk.events for chunk in chunks if isinstance(chunk, Chunk)]
            if whole:
                yield ports.Part(pa.concat_tables(whole), pa.concat_tables([no_rejects(), *rejected]), 1.0)
                return
            for bucket in range(BUCKETS):
                events = pa.concat_tables([chunk.of(bucket, bucket + 1) for chunk in chunks])
                yield ports.Part(events, pa.concat_tables([no_rejects(), *rejected]), (bucket + 1) / BUCKETS)
                rejected.clear()

    def features(self, asked: Asked, progress: Progress) -> Answered:
        """Point-in-time correct features of a view."""
        binding = asked.binding
        numbers = Numbers(asked.keys, binding.keys)
        rejected: list[pa.Table] = []
        prepared = self._windows if isinstance(binding, AggregateBinding) else self._latest
        work = prepared(asked, numbers)

        newest: list[int] = []

        def chunk(events: pa.Table) -> Chunk:
            if events.num_rows:
                newest.append(pc.max(events.column(TIME)).as_py())
            found = numbers.of(events)
            wanted = found >= 0
            if np.count_nonzero(wanted) < len(wanted) * work.dense:
                events, found = events.filter(pa.array(wanted)), found[wanted]
            made = numbered(events.drop_columns(work.passed), found)
            return made.cut() if work.size else made

        progress(binding.id, 0.0)
        with gathered(
            self._read(binding, work.columns, rejected), chunk, self._budget, self._threads
        ) as chunks:
            fits = all(isinstance(each, Chunk) for each in chunks)
            parts = Parts(chunks, numbers.asked, work.size if fits else PART)
            answers = parts.answers(work.answer, self._threads, lambda share: progress(binding.id, share))
        counts = Counter(rule for rows in rejected for rule in rows.column("rule").to_pylist())
        columns = {name: answers[name] for name in asked.names}
        return Answered(columns, dict(sorted(counts.items())), max(newest, default=None))

    def _windows(self, asked: Asked, numbers: Numbers) -> _Work:
        binding = asked.binding
        assert isinstance(binding, AggregateBinding)  # noqa: S101 - the caller looked
        plan = binding.plan.only(asked.names).trimmed()
        columns = binding.columns_read(plan)

        def answer(part: Part) -> dict[str, Column]:
            return features_of(binding, plan, part, numbers.asked, asked.t, binding.serving_delay)

        read_on = {*plan.inputs, binding.event_id}
        return _Work(columns, [name for name in binding.keys if name not in read_on], PART, 1.0, answer)

    def _latest(self, asked: Asked, numbers: Numbers) -> _Work:
        binding = asked.binding
        assert isinstance(binding, LatestBinding)  # noqa: S101 - the two kinds there are

        def answer(part: Part) -> dict[str, Column]:
            rows, entity = without_copies(*part.events(), binding.schema, binding.event_id)
            asking, t = numbers.asked[part.questions], asked.t[part.questions]
            return LatestRows(binding, rows, entity).values(asked.names, asking, t, self._threads)

        return _Work(None, [], None, _DENSE, answer)
