"""The local engine: DuckDB reads and cleans, the kernel computes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from headrace.engines.local.reading import infer_schema, read
from headrace.intake.rejects import no_rejects
from headrace.kernel.binding import AggregateBinding, Binding, LatestBinding
from headrace.kernel.columns import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT, Column
from headrace.kernel.entities import match_entities
from headrace.kernel.events import KNOWN, TIME
from headrace.kernel.history import History, history
from headrace.kernel.latest import created_instants, latest_rows, sort_latest
from headrace.ports.engine import Asked, Part, Progress
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from headrace.definitions.source import EventSource, TableSource
    from headrace.schema import Schema

__all__ = ["LocalEngine"]


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

    def infer_schema(self, source: EventSource | TableSource) -> Schema:
        """The schema of a source's data."""
        return infer_schema(source, directory=self._directory, threads=self._threads)

    def _read(self, binding: Binding, columns: list[str] | None) -> tuple[pa.Table, pa.Table]:
        """All clean events of a view's source, and the rejected rows."""
        rejected = [no_rejects()]
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
            on_rejected=lambda rows: rejected.append(rows.select(rejected[0].column_names)),
        )
        return reading.whole(), pa.concat_tables(rejected)

    def parts(self, binding: Binding, before: int) -> Iterator[Part]:
        """The clean events of a view's source with `known < before`, entity by entity."""
        rows, rejected = self._read(binding, None)
        kept = rows.filter(pa.array(rows.column(KNOWN).to_numpy() < before))
        yield Part(kept, rejected, 1.0)

    def features(self, asked: Asked, progress: Progress) -> tuple[Mapping[str, Column], Mapping[str, int]]:
        """Point-in-time correct features in the spine's order, and how many rows were left out by reason."""
        binding = asked.binding
        if isinstance(binding, AggregateBinding):
            columns, rejected = self._windows(binding, asked, progress)
        else:
            assert isinstance(binding, LatestBinding)  # noqa: S101 - the two kinds there are
            columns, rejected = self._latest(binding, asked)
        progress(binding.id, 1.0)
        rules = rejected.column("rule").to_pylist()
        return columns, {rule: rules.count(rule) for rule in sorted(set(rules))}

    def _windows(
        self, binding: AggregateBinding, asked: Asked, progress: Progress
    ) -> tuple[dict[str, Column], pa.Table]:
        plan = binding.plan.only(asked.names).trimmed()
        whole = plan.needs_order or binding.event_id is not None
        events, rejected = self._read(binding, None if whole else [*binding.keys, *plan.inputs])
        found, entity, _ = match_entities(events, asked.keys, binding.keys)
        wanted = found >= 0
        if not wanted.all():
            events, found = events.filter(pa.array(wanted)), found[wanted]
        question = History(events, found, entity, asked.t, int(getattr(binding.source, "serving_delay", 0)))
        answers = history(
            binding, plan, question, self._threads, progress=lambda share: progress(binding.id, share)
        )
        return {name: answers[name] for name in asked.names}, rejected

    def _latest(self, binding: LatestBinding, asked: Asked) -> tuple[dict[str, Column], pa.Table]:
        rows, rejected = self._read(binding, None)
        found, entity, _ = match_entities(rows, asked.keys, binding.keys)
        wanted = found >= 0
        rows, found = rows.filter(pa.array(wanted)).combine_chunks(), found[wanted]
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
        columns = {}
        for name in asked.names:
            values = pa.chunked_array([rows.column(name).combine_chunks().take(index)]).combine_chunks()
            status = np.where(values.is_null().to_numpy(zero_copy_only=False), NULL_VALUE, PRESENT).astype(
                np.uint8
            )
            status[~there], status[stale] = NOT_FOUND, OUTSIDE_MAX_AGE
            columns[name] = Column(values, status, newest)
        return columns, rejected
