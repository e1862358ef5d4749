"""Copies of events, in Spark's workers: of those with one id, the first counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.engines.spark.crossing import FACTS
from headrace.kernel.clean import KNOWN, TIME
from headrace.kernel.duplicates import first_copies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.engines.spark.crossing import Crossing
    from headrace.kernel.binding import Binding

__all__ = ["FirstCopies"]


@dataclass(frozen=True)
class FirstCopies:
    """Events sorted by entity and id in, each event once out; between batches one event is held back.

    Attributes:
        binding: The view.
        crossing: What of the events crossed.
        onward: What of them crosses next.
    """

    binding: Binding
    crossing: Crossing
    onward: Crossing

    def run(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Leave out copies."""
        held: pa.Table | None = None
        for batch in batches:
            rows = pa.Table.from_batches([batch])
            facts = pc.equal(rows.column("kind"), FACTS)
            for data in rows.filter(facts).column("data").to_pylist():
                yield self.onward.facts(data)
            rows = rows.filter(pc.invert(facts))
            if not rows.num_rows:
                continue
            kept = self._first(rows if held is None else pa.concat_tables([held, rows]))
            held = kept.slice(kept.num_rows - 1)  # more copies of it may follow
            yield from self._on(kept.slice(0, kept.num_rows - 1))
        if held is not None:
            yield from self._on(held)

    def _first(self, rows: pa.Table) -> pa.Table:
        events = self.crossing.events(rows)
        entity = pc.dictionary_encode(rows.column("entity").combine_chunks()).indices
        time, known = (events.column(name).to_numpy() for name in (TIME, KNOWN))
        event_id = self.binding.event_id
        assert event_id is not None  # noqa: S101 - nobody else asks
        counts = first_copies(
            entity.to_numpy().astype(np.int64), time, known, events, self.binding.schema, event_id
        )
        return rows if counts is None else rows.filter(pa.array(counts))

    def _on(self, rows: pa.Table) -> Iterator[pa.RecordBatch]:
        events, delay = self.crossing.events(rows), self.binding.serving_delay
        yield from self.onward.pack(events, rows.column("entity"), delay)
