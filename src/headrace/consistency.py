"""Consistency, from names to reports: the served log replayed through the engine that makes history."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.casting import cast_column
from headrace.clock import instant
from headrace.definitions.references import parse_reference
from headrace.definitions.source import EventSource
from headrace.definitions.span import Span, span
from headrace.errors import DataError, DefinitionError, HeadraceError, StoreError
from headrace.kernel.binding import AggregateBinding, LatestBinding
from headrace.kernel.clean import KNOWN
from headrace.kernel.columns import STATUS_NAMES
from headrace.kernel.entities import Numbers
from headrace.kernel.history import History, history
from headrace.kernel.latest_values import LatestRows
from headrace.monitoring.answers import NOT_ASKED, Answers, Streamed
from headrace.monitoring.causes import TRUNCATED, VERSION
from headrace.monitoring.replay import Replay
from headrace.monitoring.report import Consistency, Lag, ViewConsistency
from headrace.online.arrow_stream import STATUS
from headrace.online.earlier import NOT_LOADED
from headrace.online.inputs import files_read
from headrace.online.layout import EPOCH
from headrace.online.log import logs
from headrace.online.manifest import read_manifest
from headrace.online.served_files import batches_between
from headrace.online.served_rows import AGE, ENTITY, REASONS
from headrace.online.source import SourceStream
from headrace.ports.engine import Asked, Held
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from headrace.aggregations.states import Array
    from headrace.definitions.source import Source
    from headrace.kernel.binding import Binding
    from headrace.kernel.columns import Column
    from headrace.parts import Parts
    from headrace.ports.engine import Progress

__all__ = ["Question", "check", "last_report", "span_of"]

_LOG = logging.getLogger("headrace.consistency")

_ROWS = 100_000
"""How many answers are replayed at once."""

_REPORT = ".headrace/consistency.json"
"""Where the newest report lies, in the project's directory."""


class Question(NamedTuple):
    """What is to be checked.

    Attributes:
        since: The first instant of serving, microseconds UTC.
        until: The first instant after.
        views: Names of views, `name` or `name@version`; None for all that were served.
        most: How many answers of a view are looked into for causes, of every batch.
    """

    since: int
    until: int
    views: Sequence[str] | None
    most: int


def span_of(
    last: str | None,
    since: str | int | dt.datetime | None,
    until: str | int | dt.datetime | None,
    now: int,
) -> tuple[int, int]:
    """The span that is asked for, its end excluded.

    Args:
        last: How far back, such as `"1d"`, the default.
        since: Its beginning, in place of `last`.
        until: Its end; what was served until now by default.
        now: The clock.

    Raises:
        DataError: Both beginnings are given, or one cannot be read.
    """
    end = now + 1 if until is None else instant(until)
    if since is not None:
        if last is not None:
            raise DataError("Both last and since are given.", remedy="Give one of them.")
        return instant(since), end
    try:
        return end - int(span(last or "1d")), end
    except DefinitionError as error:
        raise DataError(error.message, asked=last, remedy=error.remedy) from None


def check(parts: Parts, asked: Question, progress: Progress) -> Consistency:
    """Replay what was served in a span; see `FeatureStore.consistency`."""
    log = parts.served_log
    if log is None:
        raise StoreError(
            "There is no served log to replay.",
            remedy='Set [serving] log = ".headrace/served" in headrace.toml.',
        )
    log.flush()
    report = Consistency(asked.since, asked.until)
    checking = _Checking(parts, asked, report, progress)
    for rows in batches_between(log.directory, asked.since, asked.until, _ROWS):
        checking.take(rows)
    checking.end()
    if asked.views is None:
        _keep(parts, report)
    return report


def last_report(directory: Path) -> dict[str, Any] | None:
    """The newest report on all views of a project, as it was written; None before the first."""
    try:
        found: dict[str, Any] = json.loads((directory / _REPORT).read_bytes())
    except FileNotFoundError:
        return None
    return found


def _keep(parts: Parts, report: Consistency) -> None:
    """Keep a report for servers to tell: whole or not at all."""
    path = parts.settings.directory / _REPORT
    beside = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(exist_ok=True)
        beside.write_text(json.dumps({**report.to_dict(), "checked_at": parts.clock.now()}))
        beside.replace(path)
    except OSError as error:  # whoever asked has the report; servers go on with the one before
        _LOG.error("The report cannot be kept for servers: %s: %s.", path, error.strerror)


class _Checking:
    """One run over the log."""

    def __init__(self, parts: Parts, asked: Question, report: Consistency, progress: Progress) -> None:
        self._parts = parts
        self._asked = asked
        self._report = report
        self._progress = progress
        self._wanted = (
            None if asked.views is None else [parse_reference(each, "view") for each in asked.views]
        )
        self._views: dict[str, tuple[Binding, ViewConsistency]] = {}
        self._now = parts.clock.now()

    def take(self, rows: pa.Table) -> None:
        """Replay some rows of the log."""
        for field in rows.schema:
            if not pa.types.is_struct(field.type) or not self._is_wanted(field.name):
                continue
            if field.type.get_field_index("positions") < 0:
                self._report.not_replayed[field.name] = "what it was made of was not noted yet"
                continue
            found = self._view(field.name)
            if found is not None:
                self._judge(*found, rows)
        for name in rows.column_names:
            if name.endswith(STATUS) and ":" not in name:
                self._report.not_replayed[name.removesuffix(STATUS)] = "a function of the project"

    def end(self) -> None:
        """Measure what needs all that was found."""
        lags: dict[str, Lag | None] = {}
        for binding, told in self._views.values():
            name = binding.source.name
            if name not in lags:
                lags[name] = _lag(self._parts, binding.source, self._asked.since, self._asked.until)
            told.lag = lags[name]
        self._report.views = sorted((told for _, told in self._views.values()), key=lambda each: each.view)

    def _is_wanted(self, view: str) -> bool:
        if self._wanted is None:
            return True
        of = parse_reference(view, "view")
        return any(each.name == of.name and each.version in {"", of.version} for each in self._wanted)

    def _view(self, name: str) -> tuple[Binding, ViewConsistency] | None:
        if name in self._views:
            return self._views[name]
        of = parse_reference(name, "view")
        try:
            binding = _without_delay(self._parts.names.view(of.name, of.version))
        except HeadraceError as error:
            self._report.not_replayed[name] = error.message
            return None
        goals = self._parts.settings.monitoring
        objective = goals.mismatches_of.get(of.name, goals.mismatches)
        delay = self._parts.names.view(of.name, of.version).serving_delay
        told = ViewConsistency(
            name,
            binding.source.name,
            objective,
            _judged_until(binding.source, self._now),
            serving_delay=delay,
        )
        self._views[name] = binding, told
        return self._views[name]

    def _judge(self, binding: Binding, told: ViewConsistency, rows: pa.Table) -> None:
        mine = rows.filter(rows.column(told.view).is_valid())
        due = pc.less_equal(mine.column("t").cast(pa.int64()), told.judged_until)
        told.waiting += mine.num_rows - (pc.sum(due).as_py() or 0)
        mine = mine.filter(due).combine_chunks()
        names = [name for name in binding.feature_types if f"{told.view}:{name}" in mine.column_names]
        if not mine.num_rows or not names:
            return
        answers = _answers(binding, told.view, names, mine)
        record = _Record(self._parts)
        expected = self._expected(binding, names, answers, record)
        Replay(binding, record, self._asked.most).judge(answers, expected, told)

    def _expected(
        self, binding: Binding, names: Sequence[str], answers: Answers, record: _Record
    ) -> Mapping[str, Column]:
        """What history says."""
        if binding.source.batch is not None:
            asked = Asked(binding, names, answers.keys, answers.t)
            return self._parts.engine.features(asked, self._progress).columns
        # Without a batch the log of the stream is all there is.
        entities = Numbers(answers.keys, binding.keys)
        events, owner = record.batch(binding, entities, int(answers.t.max()))
        if isinstance(binding, AggregateBinding):
            plan = binding.plan.only(names).trimmed()
            found = history(binding, plan, History(events, owner, entities.asked, answers.t))
            return {name: found[name] for name in names}
        assert isinstance(binding, LatestBinding)  # noqa: S101 - the two kinds there are
        return LatestRows(binding, events, owner).values(names, entities.asked, answers.t)


def _without_delay(binding: Binding) -> Binding:
    """The view with events counting from their known instant on, as serving takes them."""
    source = binding.source
    if not isinstance(source, EventSource) or not source.serving_delay:
        return binding
    return dataclasses.replace(binding, source=dataclasses.replace(source, serving_delay=Span(0)))


def _judged_until(source: Source, now: int) -> int:
    """Up to which instant the batch holds all that answers should count, by the source's own word."""
    if source.batch is None:
        return now
    declared = getattr(source, "complete_until", None)
    return now - int(getattr(source, "lateness", 0)) if declared is None else min(declared, now)


def _answers(binding: Binding, view: str, names: Sequence[str], rows: pa.Table) -> Answers:
    """What rows of the log say of one view."""
    state = rows.column(view).combine_chunks()

    def instants(name: str, default: int) -> Array:
        return _integers(state.field(name), default)

    columns = {name: cast_column(rows.column(ENTITY + name), of, name) for name, of in binding.keys.items()}
    keys = pa.table(columns) if columns else pa.table({"": pa.nulls(rows.num_rows)})
    prefix = f"{view}:"
    return Answers(
        keys,
        _integers(rows.column("t"), 0),
        _integers(rows.column("served_at"), 0),
        instants("known", FOREVER_AGO),
        instants("loaded_at", FOREVER_AGO),
        instants("frontier", FOREVER_AGO),
        instants("segments", -1),
        [dict(each or ()) for each in state.field("positions").to_pylist()],
        {name: _one(rows.column(prefix + name)) for name in names},
        {name: _statuses(rows.column(prefix + name + STATUS)) for name in names},
        [_reasons(each, prefix) for each in rows.column(REASONS).to_pylist()],
        {name: _integers(rows.column(prefix + name + AGE), -1) for name in names},
    )


def _one(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)


def _integers(column: pa.Array | pa.ChunkedArray, default: int) -> Array:
    found: Array = pc.fill_null(column.cast(pa.int64()), default).to_numpy()
    return found


def _statuses(column: pa.ChunkedArray) -> Array:
    """Statuses as codes."""
    coded = pc.index_in(column, value_set=pa.array(STATUS_NAMES))
    found: Array = pc.fill_null(coded, NOT_ASKED).to_numpy().astype(np.uint8)
    return found


def _reasons(told: Sequence[tuple[str, str]] | None, prefix: str) -> dict[str, str]:
    """Why values of one view were INVALID, causes in their own words."""
    known = {NOT_LOADED: VERSION, "truncated": TRUNCATED}
    return {
        name.removeprefix(prefix): known.get(reason, reason)
        for name, reason in told or ()
        if name.startswith(prefix)
    }


class _Record:
    """What batch and stream say of entities; see `headrace.monitoring.answers.Record`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._streams: dict[str, SourceStream] = {}

    def batch(self, binding: Binding, entities: Numbers, before: int) -> tuple[pa.Table, Array]:
        """The events of some entities known before an instant."""
        if binding.source.batch is not None:
            return self._read(binding, entities, before, None)
        streamed = self.stream(binding, entities)
        assert streamed is not None  # noqa: S101 - a view without a batch has a stream
        kept = streamed.events.column(KNOWN).to_numpy() < before
        return streamed.events.filter(pa.array(kept)), streamed.entity[kept]

    def late(
        self, binding: Binding, entities: Numbers, known: int, loaded_at: int
    ) -> tuple[pa.Table, Array] | None:
        """The events with `known` before K that reached the batch after a load."""
        files = None if binding.source.batch is None else self._parts.engine.files(binding.source)
        if files is None:
            return None
        store = self._parts.online
        if read_manifest(store).of(binding.id).loaded_at == loaded_at:
            read = files_read(store, binding.id)
            held = {each.name: None for each in files if each in read}
        else:  # an earlier load, of which only the time is known
            held = {each.name: None for each in files if each.changed // 1_000 < loaded_at}
        return self._read(binding, entities, known, Held(known, held))

    def _read(
        self, binding: Binding, entities: Numbers, before: int, held: Held | None
    ) -> tuple[pa.Table, Array]:
        tables, owners = [], []
        for part in self._parts.engine.parts(binding, before, held):
            owner = entities.of(part.events)
            mine = owner >= 0
            tables.append(part.events.filter(pa.array(mine)))
            owners.append(owner[mine])
        return pa.concat_tables(tables), np.concatenate(owners)

    def stream(self, binding: Binding, entities: Numbers) -> Streamed | None:
        """What the stream brought of some entities."""
        if not binding.source.has_stream:
            return None
        store = self._parts.online
        zone = self._parts.settings.project.timezone
        ingest = SourceStream(binding.source, [binding], EPOCH, None, zone).ingest
        tables, owners, places, fresh = [], [], [], []
        for log, entry, counts in ingest.brought(store, binding.id, lambda each: entities.of(each) >= 0):
            tables.append(entry.events.replace_schema_metadata(None))
            owners.append(entities.of(entry.events))
            at = FOREVER_AGO if entry.applied is None else entry.applied
            places.append(np.tile([[log.partition], [entry.offset], [at]], entry.events.num_rows))
            fresh.append(counts)
        complete = max(log.complete_from(store) for log in logs(store, binding.source.name))
        if not tables:
            nothing = ingest.nothing(binding.id)
            empty = np.zeros(0, dtype=np.int64)
            return Streamed(nothing, empty, empty, empty, empty, np.zeros(0, dtype=bool), complete)
        partition, offset, applied = np.concatenate(places, axis=1)
        return Streamed(
            pa.concat_tables(tables), np.concatenate(owners), partition, offset, applied,
            np.concatenate(fresh), complete,
        )  # fmt: skip


def _lag(parts: Parts, source: Source, since: int, until: int) -> Lag | None:
    """How long events known in a span took to be visible; None where no log tells."""
    if not source.has_stream:
        return None
    found = []
    for log in logs(parts.online, source.name):
        for entry in log.entries(parts.online):
            if entry.applied is not None:
                known = entry.events.column(KNOWN).to_numpy()
                known = known[(known >= since) & (known < until)]
                found.append(np.maximum(entry.applied - known, 0))
    lags = np.concatenate([np.zeros(0, dtype=np.int64), *found])
    if not len(lags):
        return None
    p50, p90, p99 = np.percentile(lags, (50, 90, 99), method="inverted_cdf").tolist()
    return Lag(len(lags), int(p50), int(p90), int(p99), int(lags.max()))
