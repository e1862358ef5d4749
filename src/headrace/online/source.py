"""A source's stream: raw rows in, cleaned, evaluated for each view, and ingested."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.definitions.canonical import semantic_hash
from headrace.errors import DataError
from headrace.intake.cleaning import Cleaner
from headrace.intake.evaluator import Evaluator
from headrace.intake.messages import MessageDecoder
from headrace.intake.raw_rows import raw_table
from headrace.intake.rejects import EXPRESSION, merged, no_rejects, rejected, rejects_of, row_texts, rules_of
from headrace.intake.row_rules import RowRules, repeated_value
from headrace.kernel.clean import COUNTS, KNOWN, TIME
from headrace.online.ingest import Evaluate, Evaluated, Ingest, Pushed
from headrace.online.ingestion import Taken
from headrace.online.layout import PUSHES
from headrace.online.partitions import Progress, put_progress
from headrace.online.pushed_rows import PushedRows, Rejects
from headrace.online.seen import SeenIds
from headrace.online.streamed_rows import StreamedRows
from headrace.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.aggregations.states import Array
    from headrace.definitions.rules import Rule
    from headrace.definitions.source import Source
    from headrace.kernel.binding import Binding
    from headrace.online.earlier import FindEarlier
    from headrace.online.partitions import Part
    from headrace.online.quarantine import Rejected
    from headrace.ports.event_stream import Messages
    from headrace.ports.key_value import Transactional, Writer

__all__ = ["SourceStream"]

_TIMED = 16
"""Of about how many events of a batch the age is told."""
_JUDGED = b"headrace.judged"
"""Where the schema of clean events says by which rules they were judged."""


class _Verdicts:
    """Judges clean events by the rules of one version of a source, once for all its views."""

    def __init__(self, mark: bytes, source: Source, schema: Schema, zone: str) -> None:
        self._mark = mark
        # A function that is not at hand judges nothing here: pushes go on, and loads of its views say so.
        known = [rule for rule in source.rules if rule.function or not rule.arguments.get("function")]
        self._rules = RowRules(replace(source, rules=tuple(known)), schema, zone)
        self._last: tuple[pa.Table, pa.Table] | None = None

    def on(self, events: pa.Table) -> pa.Table:
        """The events, with `COUNTS` where some break a rule that does not only warn."""
        if not self._rules or self._rules.warns or (events.schema.metadata or {}).get(_JUDGED) == self._mark:
            return events
        last = self._last
        if last is None or last[0] is not events:
            self._last = last = (events, self._judged(events))
        return last[1]

    def _judged(self, events: pa.Table) -> pa.Table:
        values = {name: events.column(name).combine_chunks() for name in self._rules.inputs}
        faults = self._rules.faults(values or {TIME: events.column(TIME).combine_chunks()}, ())
        if not faults:
            return events
        broken = np.logical_or.reduce([fault.mask for fault in faults])
        return events.append_column(COUNTS, pa.array(~broken))


class SourceStream:
    """Takes raw rows of one source."""

    def __init__(
        self,
        source: Source,
        views: Sequence[Binding],
        epoch_length: int,
        find_earlier: FindEarlier | None = None,
        zone: str = "UTC",
    ) -> None:
        """For a source and its live views.

        Args:
            source: The source.
            views: The views.
            epoch_length: Microseconds of an epoch.
            find_earlier: Finds the revision of a view that its records were made by, where it changed since.
            zone: The project's time zone.

        Raises:
            DataError: The source has no stream.
        """
        if not source.has_stream:
            raise DataError(
                f"Source {source.name!r} has no stream.",
                asked=source.name,
                remedy="Give it stream=hr.Push() and run: headrace apply.",
            )
        assert source.schema is not None  # noqa: S101 - applying froze it
        self._source = source
        self._name = source.name
        self._schema = source.schema
        self._rules = RowRules(source, source.schema, zone)
        self._mark = _mark(source, zone)
        self._verdicts: dict[bytes, _Verdicts] = {}
        self._unique = [
            rule for rule in source.rules if rule.kind == "unique" and source.on_invalid != "warn"
        ]
        self._cleaner = self._cleaning((), self._rules)
        self._times = Cleaner(source, source.schema, (), columns=(), checked=())
        keys = dict.fromkeys(tuple(each.keys) for each in views)
        self._keyed = [(names, self._cleaning(names)) for names in keys if names]
        self._always_keyed = all(keys)
        self._pushing = threading.Lock()  # what an ingestion remembers is of one push after another
        self._find_earlier = find_earlier
        self._views = [(each, self._evaluate(each)) for each in views]
        self._epoch_length = epoch_length
        self._ingests: dict[int, Ingest] = {}
        self._decoder = MessageDecoder(source.schema, source.message_form)

    @property
    def ingest(self) -> Ingest:
        """The ingestion of pushes, which also knows how to replay the logs of all partitions."""
        return self._ingest(PUSHES)

    def _ingest(self, partition: int) -> Ingest:
        if partition not in self._ingests:
            self._ingests[partition] = Ingest(
                self._name,
                self._views,
                self._epoch_length,
                partition=partition,
                find_earlier=self._earlier,
                unique=self._nothing_taken,
            )
        return self._ingests[partition]

    def _cleaning(self, keys: Sequence[str], rules: RowRules | None = None) -> Cleaner:
        return Cleaner(self._source, self._schema, keys, rules=rules, what=f"push to {self._name!r}")

    def _nothing_taken(self) -> dict[Rule, SeenIds]:
        horizon = int(getattr(self._source, "dedup_horizon", 0))
        return {rule: SeenIds(Schema({}), self._schema, rule.column, horizon) for rule in self._unique}

    def _earlier(self, binding: Binding, fingerprint: str) -> tuple[Binding, Evaluate] | None:
        found = None if self._find_earlier is None else self._find_earlier(binding, fingerprint)
        return None if found is None else (found.binding, self._evaluate(found.binding))

    def _evaluate(self, binding: Binding) -> Evaluate:
        evaluator = Evaluator(
            binding.schema, binding.expressions, binding.zone, allow_infinite=binding.source.allow_infinite
        )

        verdicts = self._verdicts_for(binding)

        def evaluate(events: pa.Table) -> Evaluated:
            found = evaluator.evaluate(events)
            whole = verdicts.on(events)
            for name, column in zip(found.columns.column_names, found.columns.columns, strict=True):
                whole = whole.append_column(name, column)
            # As in a load: where one failed it is null, so that the row does not count for what reads it.
            return Evaluated(whole, found.failed)

        return evaluate

    def _verdicts_for(self, binding: Binding) -> _Verdicts:
        """What judges events for a view by the version of the source that it reads, as its loads do.

        A push is judged by the source as it is now, and what it takes is in the log: for a view of an earlier
        version, or one of a later version that is built from the log, that may be more than its rules let
        through. What the source rejects now is in no view; that of an earlier version has it by a load.
        """
        mark = _mark(binding.source, binding.zone)
        if mark not in self._verdicts:
            self._verdicts[mark] = _Verdicts(mark, binding.source, binding.schema, binding.zone)
        return self._verdicts[mark]

    def push_rows(self, store: Transactional, rows: Any, now: int) -> Pushed:
        """Take raw rows.

        Args:
            store: The online store.
            rows: Dicts, Arrow, pandas or polars.
            now: The clock.

        Raises:
            DataError: The rows lack a column of the source; or some are invalid, and it rejects the whole.
        """
        with self._pushing:
            raw = raw_table(rows, self._schema, f"push to {self._name!r}")
            return self._push(store, PushedRows(self._source, raw), now)[0]

    def take(self, store: Transactional, messages: Messages, part: Part, now: int) -> Taken:
        """Take a batch of a stream; once only, whoever takes it again.

        Args:
            store: The online store.
            messages: The batch, which comes right after what was taken of its partition before.
            part: The partition, and who writes it.
            now: The clock.

        Raises:
            ConflictError: Somebody else has taken the partition over; nothing is written.
        """
        with self._pushing:
            rows = StreamedRows(self._source, messages, self._decoder.decode(messages.values))
            progress = Progress(messages.after, part.writer)
            pushed, events = self._push(store, rows, now, part.number, progress)
            return Taken(pushed, events.column(TIME)[:: max(events.num_rows // _TIMED, 1)].to_pylist())

    def refuse(self, store: Transactional, messages: Messages, part: Part, reason: str, now: int) -> None:
        """Put a batch of a stream into quarantine, unread.

        Args:
            store: The online store.
            messages: The batch.
            part: The partition, and who writes it.
            reason: Why, in words.
            now: The clock.

        Raises:
            ConflictError: Somebody else has taken the partition over; nothing is written.
        """
        rows = StreamedRows(self._source, messages, self._decoder.refused(messages.values, reason))
        with store.transaction() as tx:
            put_progress(tx, self._name, part.number, Progress(messages.after, part.writer))
            rows.write(tx, Rejects(no_rejects(), []), (), 0, now)

    def replay(self, store: Transactional, rows: Sequence[tuple[bytes, Rejected]], now: int) -> Pushed:
        """Take rows out of quarantine that can be used now, and push them; in one transaction.

        Args:
            store: The online store.
            rows: Pushed rows in quarantine, and their keys; some that another process has taken out meanwhile
                are left alone.
            now: The clock.
        """
        with self._pushing:
            pushed = PushedRows.again(self._source, self._schema, rows)
            return self._push(store, pushed, now)[0]

    def _push(
        self,
        store: Transactional,
        pushed: PushedRows,
        now: int,
        partition: int = PUSHES,
        progress: Progress | None = None,
    ) -> tuple[Pushed, pa.Table]:
        """Take rows into a partition: what became of them, and the clean ones."""
        begun = time.monotonic_ns()
        cleaned = self._cleaner.clean(pushed.raw)
        spoiled = cleaned.rejected.column("ordinal").to_numpy()
        events, keyless, useful = self._with_key(pushed.raw, cleaned.rows, spoiled)
        places = np.delete(np.arange(pushed.raw.num_rows), spoiled)[useful]
        found = [cleaned.rejected, *keyless]
        pushed.refuse(found)

        rules: Mapping[str, int] = {}

        def beside(tx: Writer, offset: int, repeats: Mapping[Rule, Array], failed: Sequence[pa.Table]) -> int:
            nonlocal rules
            repeated = [self._repeats(pushed.raw, places[mask], rule) for rule, mask in repeats.items()]
            pushed.refuse(repeated)
            spoilt = [_failures(pushed.raw, places, each) for each in failed]
            rejects = merged([*found, *repeated, *spoilt])
            rules = rules_of(rejects)
            # Nobody asks which rows count where none is rejected.
            counted = set(places.tolist()) if rejects.num_rows else set()
            for mask in repeats.values():
                counted.difference_update(places[mask].tolist())
            return pushed.write(tx, Rejects(rejects, self._known(pushed.raw, rejects)), counted, offset, now)

        judged = events.replace_schema_metadata({_JUDGED: self._mark})
        done = self._ingest(partition).push(store, judged, now, beside, progress, begun)
        return done._replace(warned=cleaned.warned.get("", 0), rules=rules), events

    def _known(self, raw: pa.Table, rejects: pa.Table) -> list[int | None]:
        """When rejected rows were known, as far as their times can be read."""
        if not rejects.num_rows:
            return []
        timed = self._times.clean(raw, described=False)
        read = np.delete(np.arange(raw.num_rows), timed.rejected.column("ordinal").to_numpy())
        known = dict(zip(read.tolist(), timed.rows.column(KNOWN).to_pylist(), strict=True))
        return [known.get(place) for place in rejects.column("ordinal").to_pylist()]

    @staticmethod
    def _repeats(raw: pa.Table, places: Array, rule: Rule) -> pa.Table:
        """The rows at some places as rejected for their value, which was there before."""
        mask = np.zeros(raw.num_rows, dtype=bool)
        mask[places] = True
        return rejected(raw.combine_chunks().to_batches()[0], [repeated_value(rule, mask)], 0)

    def _with_key(
        self, raw: pa.Table, rows: pa.Table, spoiled: Array
    ) -> tuple[pa.Table, list[pa.Table], Array]:
        """The clean rows that some view has an entity for; the raw rows that lack one; which are the former.

        Args:
            raw: n raw rows.
            rows: The clean ones among them.
            spoiled: The places of the others.
        """
        keyless = []
        useful = np.full(rows.num_rows, not self._always_keyed)
        for names, cleaner in self._keyed:
            if not any(rows.column(name).null_count for name in names):
                useful[:] = True
                continue
            useful |= np.logical_and.reduce([rows.column(name).is_valid().to_numpy() for name in names])
            rejects = cleaner.clean(raw).rejected
            keyless.append(rejects.filter(pc.equal(rejects.column("rule"), "no_key")))
        return (rows if useful.all() else rows.filter(pa.array(useful))), keyless, useful


def _mark(source: Source, zone: str) -> bytes:
    """What events carry that were judged by a version of a source; the log keeps it."""
    return f"{semantic_hash(source)} {zone}".encode()


def _failures(raw: pa.Table, places: Array, failed: pa.Table) -> pa.Table:
    """Rows on which expressions failed.

    Args:
        raw: The raw rows of the push.
        places: The places of its events among them.
        failed: What the evaluator says of the events.
    """
    at = places[failed.column("ordinal").to_numpy()]
    names, reasons = (failed.column(name).to_pylist() for name in ("expression", "reason"))
    told = [
        reason if reason.startswith(name) else f"{name}: {reason}"
        for name, reason in zip(names, reasons, strict=True)
    ]
    rows = row_texts(raw.take(pa.array(at)).combine_chunks())
    return rejects_of(rows, told, [EXPRESSION] * len(rows), at.tolist())
