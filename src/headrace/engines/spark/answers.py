"""Answers, in Spark's workers: the streaming kernel over questions and events sorted by entity and instant.

Entities do not end with a batch: one with half of all events comes in hundreds of batches, between which only
its tiles are carried.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.engines.spark.crossing import FACTS, QUESTION, output, packed, unpacked
from headrace.kernel.columns import ArrowColumn, Column
from headrace.kernel.events import rows_of_events
from headrace.kernel.latest_values import StreamingLatest
from headrace.kernel.streaming import StreamingKernel, steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from headrace.aggregations.states import Array
    from headrace.engines.spark.crossing import Crossing
    from headrace.kernel.binding import AggregateBinding, LatestBinding
    from headrace.kernel.plan import ViewPlan

__all__ = ["AnswerLatest", "AnswerWindows", "answered", "answers"]


class _Stream(Protocol):
    def process(self, events: pa.Table, entity: Array, asked: Array, t: Array) -> Mapping[str, Column]:
        """Answer the questions of a batch."""
        ...


@dataclass(frozen=True)
class _Answer(ABC):
    """Sorted rows in, packed answers out.

    Attributes:
        crossing: What of the events crossed.
    """

    crossing: Crossing

    @abstractmethod
    def stream(self) -> _Stream:
        """What answers a partition's questions."""

    def cuts(self, entity: Array) -> list[tuple[int, int]]:
        """The pieces in which a batch is taken in; at least one row."""
        return [(0, len(entity))]

    def run(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Answer."""
        stream, entities = self.stream(), _Entities()
        for batch in batches:
            if not batch.num_rows:
                continue
            rows = pa.Table.from_batches([batch])
            kind: Array = rows.column("kind").to_numpy()
            for data in rows.filter(pa.array(kind == FACTS)).column("data").to_pylist():
                yield output(FACTS, data)
            entity = entities.numbers(rows.column("entity").combine_chunks())
            # What nobody asks about in this batch, nobody can ask about later, but for the last entity.
            asked = np.zeros(entity[-1] - entity[0] + 1, dtype=bool)
            asked[entity[kind == QUESTION] - entity[0]] = asked[-1] = True
            wanted = asked[entity - entity[0]] & (kind != FACTS)
            rows, entity = rows.filter(pa.array(wanted)), entity[wanted]
            for start, stop in self.cuts(entity) if len(entity) else ():
                yield from self._piece(stream, rows.slice(start, stop - start), entity[start:stop])

    def _piece(self, stream: _Stream, rows: pa.Table, entity: Array) -> Iterator[pa.RecordBatch]:
        asking: Array = rows.column("kind").to_numpy() == QUESTION
        events = self.crossing.events(rows.filter(pa.array(~asking)))
        questions = rows.select(["place", "at"]).filter(pa.array(asking))
        t: Array = questions.column("at").to_numpy()
        columns = stream.process(events, entity[~asking], entity[asking], t)
        if len(t):
            yield output(QUESTION, packed(answered(questions.column("place"), columns)))


class _Entities:
    """Ascending numbers for entities that come one after another."""

    def __init__(self) -> None:
        self._last: tuple[bytes | None, int] = None, 0

    def numbers(self, entity: pa.Array) -> Array:
        """The number of each row's entity; at least one row."""
        key, number = self._last
        fresh = np.empty(len(entity), dtype=np.int64)
        fresh[0] = number + (entity[0].as_py() != key)
        fresh[1:] = pc.not_equal(entity[1:], entity[:-1]).to_numpy(zero_copy_only=False)
        numbers: Array = np.cumsum(fresh)
        self._last = entity[-1].as_py(), int(numbers[-1])
        return numbers


@dataclass(frozen=True)
class AnswerWindows(_Answer):
    """Windowed aggregations.

    Attributes:
        binding: The view.
        plan: The features wanted.
        names: The same, by the names of their columns.
    """

    binding: AggregateBinding
    plan: ViewPlan
    names: tuple[str, ...]

    def stream(self) -> _Stream:
        """The streaming kernel."""
        return _Windows(self, StreamingKernel(self.plan))

    def cuts(self, entity: Array) -> list[tuple[int, int]]:
        """The pieces in which the kernel takes a batch."""
        return steps(self.plan, entity)


@dataclass(frozen=True)
class _Windows:
    of: AnswerWindows
    kernel: StreamingKernel

    def process(self, events: pa.Table, entity: Array, asked: Array, t: Array) -> Mapping[str, Column]:
        binding = self.of.binding
        rows = rows_of_events(
            self.of.plan, events, entity, binding.order_schema, binding.event_id,
            serving_delay=binding.serving_delay, deduplicated=True,
        )  # fmt: skip
        columns = self.kernel.process(rows, asked, t)
        return {name: columns[name] for name in self.of.names}


@dataclass(frozen=True)
class AnswerLatest(_Answer):
    """Latest values.

    Attributes:
        binding: The view.
        names: The columns wanted.
    """

    binding: LatestBinding
    names: tuple[str, ...]

    def stream(self) -> _Stream:
        """What carries the newest row."""
        return StreamingLatest(self.binding, self.names)


def answered(place: pa.Array, columns: Mapping[str, Column]) -> pa.Table:
    """Answers as a table: the questions' places, and for each feature values, statuses and newest times."""
    parts = {"place": place}
    for number, column in enumerate(columns.values()):
        parts |= {f"v{number}": column.values, f"s{number}": column.status, f"n{number}": column.newest}
    reasons = {f"v{n}": each.reason.encode() for n, each in enumerate(columns.values()) if each.reason}
    return pa.table(parts).replace_schema_metadata(reasons or None)


def answers(data: bytes, names: Sequence[str]) -> tuple[Array, dict[str, Column]]:
    """The places and columns of a packed table of answers."""
    table = unpacked(data)
    reasons = table.schema.metadata or {}

    def column(number: int) -> Column:
        values, status, newest = (table.column(f"{part}{number}").combine_chunks() for part in "vsn")
        reason = reasons.get(f"v{number}".encode(), b"").decode()
        return ArrowColumn(values, status.to_numpy(), newest.to_numpy(), reason)

    return table.column("place").to_numpy(), {name: column(number) for number, name in enumerate(names)}
