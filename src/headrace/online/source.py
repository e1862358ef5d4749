"""A source's stream: raw rows in, cleaned, evaluated for each view, and ingested."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.errors import DataError
from headrace.intake.cleaning import Cleaner
from headrace.intake.evaluator import Evaluator
from headrace.intake.raw_rows import raw_table
from headrace.intake.rejects import rejects_of, row_texts
from headrace.online.ingest import Evaluate, Ingest, Pushed
from headrace.online.quarantine import quarantine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.definitions.source import Source
    from headrace.kernel.binding import Binding
    from headrace.online.earlier import FindEarlier
    from headrace.ports.key_value import Transactional

__all__ = ["SourceStream"]


class SourceStream:
    """Takes raw rows of one source."""

    def __init__(
        self,
        source: Source,
        views: Sequence[Binding],
        epoch_length: int,
        find_earlier: FindEarlier | None = None,
    ) -> None:
        """For a source and its live views.

        Args:
            source: The source.
            views: The views.
            epoch_length: Microseconds of an epoch.
            find_earlier: Finds the revision of a view that its records were made by, where it changed since.

        Raises:
            DataError: The source has no stream.
        """
        if getattr(source, "stream", None) is None:
            raise DataError(
                f"Source {source.name!r} has no stream.",
                asked=source.name,
                remedy="Give it stream=hr.Push() and run: headrace apply.",
            )
        assert source.schema is not None  # noqa: S101 - applying froze it
        self._name = source.name
        self._schema = source.schema
        self._cleaner = self._cleaning(source, ())
        keys = dict.fromkeys(tuple(each.keys) for each in views)
        self._keyed = [(names, self._cleaning(source, names)) for names in keys if names]
        self._always_keyed = all(keys)
        self.failures: list[pa.Table] = []
        self._pushing = threading.Lock()  # of threads that push, each has its own failures
        self._find_earlier = find_earlier
        self.ingest = Ingest(
            source.name,
            [(each, self._evaluate(each)) for each in views],
            epoch_length,
            find_earlier=self._earlier,
        )

    def _cleaning(self, source: Source, keys: Sequence[str]) -> Cleaner:
        return Cleaner(source, self._schema, keys, what=f"push to {self._name!r}")

    def _earlier(self, binding: Binding, fingerprint: str) -> tuple[Binding, Evaluate] | None:
        found = None if self._find_earlier is None else self._find_earlier(binding, fingerprint)
        return None if found is None else (found.binding, self._evaluate(found.binding))

    def _evaluate(self, binding: Binding) -> Evaluate:
        evaluator = Evaluator(
            binding.schema, binding.expressions, binding.zone, allow_infinite=binding.source.allow_infinite
        )

        def evaluate(events: pa.Table) -> pa.Table:
            found = evaluator.evaluate(events)
            whole = events
            for name, column in zip(found.columns.column_names, found.columns.columns, strict=True):
                whole = whole.append_column(name, column)
            if found.failed is None:
                return whole
            # As in a load: the expression is null there, so that the row does not count for what reads it.
            self.failures.append(_rejects(events, found.failed))
            return whole

        return evaluate

    def push_rows(self, store: Transactional, rows: Any, now: int) -> Pushed:
        """Take raw rows.

        Args:
            store: The online store.
            rows: Dicts, Arrow, pandas or polars.
            now: The clock.

        Raises:
            DataError: The rows lack a column of the source.
        """
        with self._pushing:
            return self._push(store, rows, now)

    def _push(self, store: Transactional, rows: Any, now: int) -> Pushed:
        self.failures.clear()
        raw = raw_table(rows, self._schema, f"push to {self._name!r}")
        cleaned = self._cleaner.clean(raw)
        events, keyless = self._with_key(raw, cleaned.rows)
        pushed = self.ingest.push(store, events, now)
        rejected = pa.concat_tables([cleaned.rejected, *keyless, *self.failures])
        if rejected.num_rows:
            with store.transaction() as tx:
                quarantine(tx, self._name, rejected, now)
        return pushed._replace(rejected=rejected.num_rows)

    def _with_key(self, raw: pa.Table, rows: pa.Table) -> tuple[pa.Table, list[pa.Table]]:
        """The clean rows that some view has an entity for; the raw rows that lack one, entity by entity."""
        keyless = []
        useful = np.full(rows.num_rows, not self._always_keyed)
        for names, cleaner in self._keyed:
            if not any(rows.column(name).null_count for name in names):
                useful[:] = True
                continue
            useful |= np.logical_and.reduce([rows.column(name).is_valid().to_numpy() for name in names])
            rejected = cleaner.clean(raw).rejected
            keyless.append(rejected.filter(pc.equal(rejected.column("rule"), "no_key")))
        return rows if useful.all() else rows.filter(pa.array(useful)), keyless


def _rejects(events: pa.Table, failed: pa.Table) -> pa.Table:
    """Rows on which an expression failed, each for the first that did."""
    seen: dict[int, tuple[str, str]] = {}
    columns = (failed.column(name).to_pylist() for name in ("ordinal", "expression", "reason"))
    for ordinal, expression, reason in zip(*columns, strict=True):
        seen.setdefault(ordinal, (expression, reason))
    rows = row_texts(events.take(pa.array(list(seen), pa.int64())).combine_chunks().to_batches()[0])
    reasons = [f"{expression}: {reason}" for expression, reason in seen.values()]
    return rejects_of(rows, reasons, ["expression"] * len(seen), list(seen))
