"""The values of latest-value views: whole columns at once, or batches sorted by entity and instant.

Between batches only one row is carried, the newest of the entity that is still open: all rows seen so far are
known before every later question, and no other of them can be its answer.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.kernel.clean import instants
from headrace.kernel.columns import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT, ArrowColumn, Column
from headrace.kernel.latest import created_instants, latest_rows, sort_latest
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.aggregations.states import Array
    from headrace.kernel.binding import LatestBinding

__all__ = ["LatestRows", "StreamingLatest"]


@dataclass(frozen=True, eq=False)
class LatestRows:
    """Rows of a view, each once, and whose they are.

    Attributes:
        binding: The view.
        rows: Clean rows: `__time`, `__known`, all columns of the schema and the features.
        entity: Their entity codes; -1 for nobody's.
    """

    binding: LatestBinding
    rows: pa.Table
    entity: Array

    @cached_property
    def by(self) -> Array:
        """The rows by entity and the order of latest values; nobody's are left out."""
        created_at, schema = self.binding.created_at, self.binding.schema
        created = None if created_at is None else created_instants(self.rows, created_at)
        time, known = self._instants
        return sort_latest(self.entity, time, created, known, self.rows, schema, self.binding.event_id)

    @cached_property
    def _instants(self) -> tuple[Array, Array]:
        return instants(self.rows)

    def values(self, names: Sequence[str], asked: Array, t: Array, threads: int = 1) -> dict[str, Column]:
        """The latest values of some questions.

        Args:
            names: The columns wanted.
            asked: The questions' entity codes.
            t: Their instants.
            threads: How many columns are gathered at once.
        """
        by, (time, known), ttl = self.by, self._instants, self.binding.ttl
        delay = self.binding.serving_delay
        late = delay or bool((known != time).any())
        place = latest_rows(self.entity[by], time[by], known[by] + delay if late else None, asked, t)
        there = place >= 0
        row = by[np.maximum(place, 0)] if len(by) else np.zeros(len(place), dtype=np.int64)
        newest = np.where(there, time[row] if len(by) else FOREVER_AGO, FOREVER_AGO)
        stale = np.zeros(len(there), dtype=bool) if ttl is None else there & (t - newest > ttl)
        index = pa.array(row, mask=~there | stale)
        missing = np.full(len(there), NULL_VALUE, dtype=np.uint8)
        missing[~there], missing[stale] = NOT_FOUND, OUTSIDE_MAX_AGE
        present, absent = pa.scalar(PRESENT, pa.uint8()), pa.array(missing)

        def column(name: str) -> Column:
            # One column at a time is put together: all of them at once would be a copy of everything.
            whole = self.rows.column(name).combine_chunks()
            values = pc.take(whole, index, boundscheck=False)
            return ArrowColumn(values, pc.if_else(values.is_valid(), present, absent).to_numpy(), newest)

        with ThreadPoolExecutor(threads) as pool:
            return dict(zip(names, pool.map(column, names), strict=True))


class StreamingLatest:
    """Latest values over rows and instants that arrive sorted by (entity, instant); see `StreamingKernel`."""

    def __init__(self, binding: LatestBinding, names: Sequence[str]) -> None:
        """Start with nothing carried.

        Args:
            binding: The view.
            names: The columns wanted.
        """
        self._binding = binding
        self._names = names
        self._carried: tuple[pa.Table, Array] | None = None

    def process(self, rows: pa.Table, entity: Array, asked: Array, t: Array) -> dict[str, Column]:
        """Take one batch.

        Args:
            rows: The batch's rows, each there once in all batches.
            entity: Their entity codes.
            asked: The entity codes of the batch's questions.
            t: Their instants.

        Returns:
            The values of the batch's questions, in their order.
        """
        if self._carried is not None:
            rows = pa.concat_tables([self._carried[0], rows])
            entity = np.concatenate([self._carried[1], entity])
        whole = LatestRows(self._binding, rows, entity)
        values = whole.values(self._names, asked, t)
        newest = whole.by[-1:]
        opened = max((int(codes.max()) for codes in (entity, asked) if len(codes)), default=-1)
        self._carried = None
        if len(newest) and entity[newest[0]] == opened:
            self._carried = rows.take(pa.array(newest)), entity[newest]
        return values
