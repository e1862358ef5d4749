"""Labels on this machine: the events and the touches of an entity are cut into the same parts."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager, ExitStack
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.engines.local.buckets import gathered
from headrace.kernel.attribution import Questions, labels_of
from headrace.kernel.clean import TIME
from headrace.kernel.entities import Numbers, key_column
from headrace.kernel.history import PART
from headrace.kernel.parts import Part, Parts, numbered
from headrace.ports.engine import AnsweredLabel, Extracted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headrace.aggregations.states import Array
    from headrace.kernel.columns import Column
    from headrace.kernel.label_binding import EventsBinding
    from headrace.kernel.parts import Chunk, Events
    from headrace.ports.engine import AskedLabel, Progress
    from headrace.reading.source import Reading

__all__ = ["answer_label"]


def answer_label(
    asked: AskedLabel,
    read: Callable[[EventsBinding, list[pa.Table]], Reading],
    budget: int,
    threads: int,
    progress: Progress,
) -> AnsweredLabel:
    """A label at every row of a spine.

    Args:
        asked: The question.
        read: Reads a side; what it rejects is appended to the list.
        budget: How many bytes of events may be held at once.
        threads: How many parts are worked on at once.
        progress: Hears how far the work is.
    """
    binding = asked.binding
    numbers = Numbers(asked.keys, binding.keys)
    whole = key_column(asked.keys, binding.keys).is_valid().to_numpy(zero_copy_only=False)
    progress(binding.id, 0.0)
    sides = [_Side(each, numbers) for each in binding.sides]
    with ExitStack() as stack:
        chunks = [stack.enter_context(side.chunks(read, budget // len(sides), threads)) for side in sides]
        parts = Parts(list(chain(*chunks)), numbers.asked, PART)

        def answer(part: Part) -> Mapping[str, Column]:
            own = [part._replace(chunks=each).read() for each in chunks]
            rows = part.questions
            questions = Questions(
                np.where(whole[rows], numbers.asked[rows], -1),
                asked.t[rows],
                None if asked.named is None else asked.named.take(pa.array(rows)),
            )
            touches = own[1] if len(own) > 1 else None
            return labels_of(binding, own[0], touches, questions, asked.as_of)

        columns = parts.answers(answer, threads, lambda share: progress(binding.id, share))
    return AnsweredLabel(columns, {each.binding.source.name: each.extracted() for each in sides})


class _Side:
    """The events of one side, those of the entities asked for."""

    def __init__(self, binding: EventsBinding, numbers: Numbers) -> None:
        self.binding = binding
        self._numbers = numbers
        self._rejected: list[pa.Table] = []
        self._newest: list[int] = []

    def chunks(
        self, read: Callable[[EventsBinding, list[pa.Table]], Reading], budget: int, threads: int
    ) -> AbstractContextManager[list[Events]]:
        """Its events in chunks, as long as the context is open."""
        reading = read(self.binding, self._rejected)
        batches = chain([reading.schema.empty_table()], reading)  # at least one
        return gathered(batches, self._chunk, budget, threads)

    def _chunk(self, events: pa.Table) -> Chunk:
        if events.num_rows:
            self._newest.append(pc.max(events.column(TIME)).as_py())
        found = self._numbers.of(events)
        wanted: Array = found >= 0
        spare = [key for key in self.binding.keys if key not in self.binding.content]
        kept = events.filter(pa.array(wanted)).drop_columns(spare)
        return numbered(kept, found[wanted]).cut()

    def extracted(self) -> Extracted:
        """What was read of it."""
        counts = Counter(rule for rows in self._rejected for rule in rows.column("rule").to_pylist())
        return Extracted(dict(sorted(counts.items())), max(self._newest, default=None))
