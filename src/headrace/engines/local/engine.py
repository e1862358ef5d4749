"""The local engine: DuckDB reads and cleans, the kernel computes."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from headrace.engines.local.buckets import Bucket, bucket_of, bucketed
from headrace.engines.local.reading import infer_schema, read
from headrace.intake.rejects import no_rejects
from headrace.kernel.binding import AggregateBinding, Binding, LatestBinding
from headrace.kernel.clean import KNOWN, TIME
from headrace.kernel.columns import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT, ArrowColumn, Column
from headrace.kernel.duplicates import without_copies
from headrace.kernel.entities import match_entities
from headrace.kernel.history import History, history, join_columns
from headrace.kernel.latest import created_instants, latest_rows, sort_latest
from headrace.ports.engine import Asked, Part, Progress
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from headrace.aggregations.states import Array
    from headrace.definitions.source import Source
    from headrace.schema import Schema

__all__ = ["LocalEngine"]

_DEFAULT_MEMORY = 4 << 30
_SHARE = 4
"""Events may fill one part in this many of the budget: states need as much again, answers take their part."""


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

    def _buckets(
        self, binding: Binding, columns: list[str] | None, rejected: list[pa.Table]
    ) -> Iterator[Bucket]:
        """The clean events of a view's source, bucket by bucket; rejected rows are appended when found."""
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
        return bucketed(reading, reading.schema, binding.keys, (self._memory or _DEFAULT_MEMORY) // _SHARE)

    def parts(self, binding: Binding, before: int) -> Iterator[Part]:
        """The clean events of a view's source with `known < before`, entity by entity."""
        found: list[pa.Table] = []
        for bucket in self._buckets(binding, None, found):
            kept = bucket.events.filter(pa.array(bucket.events.column(KNOWN).to_numpy() < before))
            rejected = pa.concat_tables([no_rejects(), *found])
            found.clear()
            yield Part(kept, rejected, (bucket.number + 1) / bucket.of)

    def features(self, asked: Asked, progress: Progress) -> tuple[Mapping[str, Column], Mapping[str, int]]:
        """Point-in-time correct features in the spine's order, and how many rows were left out by reason."""
        binding = asked.binding
        rejected: list[pa.Table] = []
        order, answers = [], []
        for bucket, mine in self._questions(asked, rejected):
            keys, t = asked.keys.take(pa.array(mine)), asked.t[mine]
            own = asked._replace(keys=keys, t=t)
            share = bucket.number / bucket.of
            progress(binding.id, share)
            if isinstance(binding, AggregateBinding):

                def hear(done: float, share: float = share, count: int = bucket.of) -> None:
                    progress(binding.id, share + done / count)

                answers.append(self._windows(binding, own, bucket.events, hear))
            else:
                assert isinstance(binding, LatestBinding)  # noqa: S101 - the two kinds there are
                answers.append(self._latest(binding, own, bucket.events))
            order.append(mine)
        progress(binding.id, 1.0)
        counts = Counter(rule for rows in rejected for rule in rows.column("rule").to_pylist())
        return join_columns(answers, np.concatenate(order)), dict(sorted(counts.items()))

    def _questions(self, asked: Asked, rejected: list[pa.Table]) -> Iterator[tuple[Bucket, Array]]:
        """Each bucket of events with the questions about its entities."""
        binding, columns = asked.binding, None
        if isinstance(binding, AggregateBinding):
            plan = binding.plan.only(asked.names).trimmed()
            if not plan.needs_order and binding.event_id is None:
                columns = [*binding.keys, *plan.inputs]
        numbers: Array | None = None
        for bucket in self._buckets(binding, columns, rejected):
            if bucket.of == 1:
                yield bucket, np.arange(len(asked.t))
                continue
            if numbers is None:
                numbers = bucket_of(asked.keys, binding.keys, bucket.of)
            mine = np.flatnonzero(numbers == bucket.number)
            yield bucket, mine

    def _windows(
        self, binding: AggregateBinding, asked: Asked, events: pa.Table, progress: Callable[[float], None]
    ) -> dict[str, Column]:
        plan = binding.plan.only(asked.names).trimmed()
        found, entity, _ = match_entities(events, asked.keys, binding.keys)
        wanted = found >= 0
        if not wanted.all():
            events, found = events.filter(pa.array(wanted)), found[wanted]
        delay = int(getattr(binding.source, "serving_delay", 0))
        question = History(events, found, entity, asked.t, delay)
        answers = history(binding, plan, question, self._threads, progress=progress)
        return {name: answers[name] for name in asked.names}

    def _latest(self, binding: LatestBinding, asked: Asked, rows: pa.Table) -> dict[str, Column]:
        found, entity, _ = match_entities(rows, asked.keys, binding.keys)
        wanted = found >= 0
        rows, found = without_copies(
            rows.filter(pa.array(wanted)), found[wanted], binding.schema, binding.event_id
        )
        rows = rows.combine_chunks()
        time, known = (rows.column(name).to_numpy() for name in (TIME, KNOWN))
        created = None if binding.created_at is None else created_instants(rows, binding.created_at)
        by = sort_latest(found, time, created, known, rows, binding.schema)
        delay = int(getattr(binding.source, "serving_delay", 0))
        late = delay or bool((known != time).any())
        place = latest_rows(found[by], time[by], known[by] + delay if late else None, entity, asked.t)
        there = place >= 0
        row = by[np.maximum(place, 0)] if len(by) else np.zeros(len(place), dtype=np.int64)
        newest = np.where(there, time[row] if len(by) else FOREVER_AGO, FOREVER_AGO)
        stale = (
            there & (asked.t - newest > binding.ttl)
            if binding.ttl is not None
            else np.zeros(len(there), dtype=bool)
        )
        index = pa.array(row, mask=~there | stale)
        columns: dict[str, Column] = {}
        for name in asked.names:
            values = pa.chunked_array([rows.column(name).combine_chunks().take(index)]).combine_chunks()
            status = np.where(values.is_null().to_numpy(zero_copy_only=False), NULL_VALUE, PRESENT).astype(
                np.uint8
            )
            status[~there], status[stale] = NOT_FOUND, OUTSIDE_MAX_AGE
            columns[name] = ArrowColumn(values, status, newest)
        return columns
