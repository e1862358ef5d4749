"""The local engine: DuckDB reads and cleans, the kernel computes."""

from __future__ import annotations

import os
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.engines.local.buckets import gathered
from headrace.engines.local.ids import FileIds
from headrace.engines.local.labels import answer_label
from headrace.engines.local.loads import LoadParts, named, stamped
from headrace.kernel.binding import AggregateBinding, LatestBinding
from headrace.kernel.clean import TIME
from headrace.kernel.duplicates import without_copies
from headrace.kernel.entities import Numbers
from headrace.kernel.history import PART, features_of
from headrace.kernel.latest_values import LatestRows
from headrace.kernel.parts import Chunk, Part, Parts, numbered
from headrace.ports.engine import Answered
from headrace.reading.batch import batch_files
from headrace.reading.schema import infer_schema
from headrace.reading.source import Reading, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from headrace.definitions.source import Source
    from headrace.kernel.binding import Binding
    from headrace.kernel.columns import Column
    from headrace.kernel.label_binding import EventsBinding
    from headrace.ports import engine as ports
    from headrace.ports.engine import AnsweredLabel, Asked, AskedLabel, Progress
    from headrace.schema import Schema

__all__ = ["LocalEngine"]

_CACHE = ".headrace/cache/ids"
"""Where hashes of event ids are kept, a directory for each source."""

_DEFAULT_MEMORY = 4 << 30
_PROCESS = 192 << 20
"""What the process takes whatever it works on: Python, libraries, DuckDB's threads, chunks in the making."""

_SHARE = 4
"""Events may fill one part in this many of the rest: states need as much again, answers take their part."""

_READING = 2
"""DuckDB may use one part in this many of the budget while it reads."""

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
    answer: Callable[[Part], Mapping[str, Column]]


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
        self,
        binding: Binding,
        columns: list[str] | None,
        files: Sequence[Path] | None = None,
        *,
        rejected: list[pa.Table] | None = None,
        on_clean: Callable[[str, pa.Table], None] | None = None,
        having: tuple[str, pa.Array] | None = None,
    ) -> Reading:
        """The clean events of a view's source.

        Args:
            binding: The view.
            columns: The columns of the source wanted; None for all.
            files: Those of the batch's files to read; None for all.
            rejected: Rejected rows are appended when found.
            on_clean: Is handed the clean rows of each file.
            having: A column and values: rows that have none of them may be left out, and no expression is
                evaluated.
        """
        return read(
            binding.source,
            binding.schema,
            columns=columns,
            expressions=binding.expressions if having is None else None,
            keys=tuple(binding.keys),
            zone=binding.zone,
            directory=self._directory,
            memory=self._memory and self._memory // _READING,
            threads=self._threads,
            on_rejected=None if rejected is None else rejected.append,
            files=files,
            on_clean=on_clean,
            having=having,
        )

    @property
    def _budget(self) -> int:
        memory = self._memory or _DEFAULT_MEMORY
        return max(memory - _PROCESS, memory // _SHARE) // _SHARE

    def files(self, source: Source) -> Sequence[ports.File] | None:
        """The files of a source's batch, as they lie there now; None for a table in memory."""
        files = self._files(source)
        return None if files is None else stamped(files)

    def _files(self, source: Source) -> dict[str, Path] | None:
        """The files of a source's batch by name; None for a table in memory."""
        if source.in_memory:
            return None
        return named([path.resolve() for path in batch_files(source, self._directory)], self._directory)

    def parts(
        self, binding: Binding, before: int, held: ports.Held | None = None, done: int = 0
    ) -> Iterator[ports.Part]:
        """The clean events of a view's source with `known < before`, entity by entity."""
        ids = None
        if binding.event_id is not None:
            ids = FileIds(self._directory / _CACHE, binding, binding.event_id)
        files = self._files(binding.source)
        load = LoadParts(binding, before, held, files, partial(self._read, binding), ids)
        yield from load.parts(done, self._budget, self._threads)

    def features(self, asked: Asked, progress: Progress) -> Answered:
        """Point-in-time correct features of a view."""
        binding = asked.binding
        numbers = Numbers(asked.keys, binding.keys)
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
        reading = self._read(binding, work.columns)
        batches = chain([reading.schema.empty_table()], reading)  # at least one
        with gathered(batches, chunk, self._budget, self._threads) as chunks:
            fits = all(isinstance(each, Chunk) for each in chunks)
            parts = Parts(chunks, numbers.asked, work.size if fits else PART)
            answers = parts.answers(work.answer, self._threads, lambda share: progress(binding.id, share))
        columns = {name: answers[name] for name in asked.names}
        return Answered(columns, reading.left_out, max(newest, default=None))

    def labels(self, asked: AskedLabel, progress: Progress) -> AnsweredLabel:
        """A label at every row of a spine."""

        def side(binding: EventsBinding, rejected: list[pa.Table]) -> Reading:
            return self._read(binding, binding.columns_read, rejected=rejected)

        return answer_label(asked, side, self._budget, self._threads, progress)

    def _windows(self, asked: Asked, numbers: Numbers) -> _Work:
        binding = asked.binding
        assert isinstance(binding, AggregateBinding)  # noqa: S101 - the caller looked
        plan = binding.plan.only(asked.names).trimmed()
        columns = binding.columns_read(plan)

        def answer(part: Part) -> Mapping[str, Column]:
            return features_of(binding, plan, part, numbers.asked, asked.t, binding.serving_delay)

        read_on = {*plan.inputs, binding.event_id}
        return _Work(columns, [name for name in binding.keys if name not in read_on], PART, 1.0, answer)

    def _latest(self, asked: Asked, numbers: Numbers) -> _Work:
        binding = asked.binding
        assert isinstance(binding, LatestBinding)  # noqa: S101 - the two kinds there are

        def answer(part: Part) -> Mapping[str, Column]:
            rows, entity = without_copies(*part.events(), binding.schema, binding.event_id)
            asking, t = numbers.asked[part.questions], asked.t[part.questions]
            return LatestRows(binding, rows, entity).values(asked.names, asking, t, self._threads)

        return _Work(None, [], None, _DENSE, answer)
