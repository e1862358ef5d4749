"""Parts: events and questions cut between entities, so that each part can be worked on alone.

Entities do not know of each other. Chunks of events are cut into many small buckets of entities as they come;
neighbouring buckets of all chunks make a part of about the size wanted.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.aggregations.states import lengths_of
from headrace.kernel.clean import ENTITY
from headrace.kernel.columns import INVALID, NO_REASONS, python_values, reason_of
from headrace.kernel.entities import key_column
from headrace.kernel.sorting import grouped
from headrace.kernel.text_hash import hash_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from headrace.aggregations.states import Array
    from headrace.kernel.columns import Column
    from headrace.schema import Schema

__all__ = ["BUCKETS", "Chunk", "Events", "Part", "Parts", "bucket_runs", "hashed", "join_columns", "numbered"]

BUCKETS = 256
"""How finely entities are told apart: an entity of number, or else hash, `n` is in bucket `n % BUCKETS`."""


class Events(Protocol):
    """Events by bucket."""

    @property
    def ends(self) -> Array:
        """Where each bucket ends among the events, from 0 on; BUCKETS + 1."""
        ...

    def of(self, first: int, last: int) -> pa.Table:
        """The events of buckets `first` to `last`, the last one excluded."""
        ...


class Chunk:
    """Some events in memory, brought into the order of their buckets at first need."""

    def __init__(self, events: pa.Table, bucket: Callable[[pa.Table], Array]) -> None:
        """Events, and what tells their buckets."""
        self.events = events
        self._bucket = bucket

    @cached_property
    def ends(self) -> Array:
        """Where each bucket ends."""
        order, ends = grouped(self._bucket(self.events), BUCKETS)
        self.events = self.events.combine_chunks().take(pa.array(order))
        return ends

    def cut(self) -> Chunk:
        """The same chunk, in the order of its buckets now."""
        self.ends  # noqa: B018 - looking cuts it
        return self

    def of(self, first: int, last: int) -> pa.Table:
        """The events of some buckets, without a copy; all of them in any order."""
        if last - first == BUCKETS:
            return self.events
        start, stop = self.ends[first], self.ends[last]
        return self.events.slice(start, stop - start)


def numbered(events: pa.Table, entity: Array) -> Chunk:
    """A chunk of events, their entities' numbers beside them."""
    return Chunk(events.append_column(ENTITY, pa.array(entity)), lambda _: entity % BUCKETS)


def hashed(events: pa.Table, keys: Schema) -> Chunk:
    """A chunk of events whose entities nobody has numbered: the hash of its key tells an entity's bucket."""

    def bucket(rows: pa.Table) -> Array:
        encoded = pc.fill_null(key_column(rows, keys), b"")
        return (hash_texts(encoded) % np.uint64(BUCKETS)).astype(np.int64)

    return Chunk(events, bucket)


def bucket_runs(weight: Array, size: int) -> list[tuple[int, int]]:
    """Neighbouring buckets put together: the first of each run, and the one after its last.

    Args:
        weight: How much is in each bucket.
        size: About how much makes a run.
    """
    before = np.cumsum(weight) - weight
    starts = np.flatnonzero(np.diff(before // size, prepend=-1))
    return list(pairwise([*starts.tolist(), len(weight)]))


class Part(NamedTuple):
    """All events of some entities, and the questions about them.

    Attributes:
        chunks: Where the events are.
        first: The first of the entities' buckets.
        last: The one after the last.
        questions: Places of the questions.
    """

    chunks: Sequence[Events]
    first: int
    last: int
    questions: Array

    def events(self) -> tuple[pa.Table, Array]:
        """The events as they lie, and their entities' numbers; whoever reads them lets them go again."""
        events = pa.concat_tables([chunk.of(self.first, self.last) for chunk in self.chunks])
        return events, events.column(ENTITY).to_numpy()

    def read(self) -> tuple[pa.Table, Array]:
        """The events in one piece, and their entities' numbers."""
        events, entity = self.events()
        return events.combine_chunks(), entity


class Parts:
    """Events and questions in parts of about equal size; one is put together when it is worked on."""

    def __init__(self, chunks: Sequence[Events], asked: Array, size: int | None) -> None:
        """Cut.

        Args:
            chunks: All events, at least one chunk.
            asked: The number of each question's entity.
            size: About how many events and questions make a part; None for one part of all.
        """
        self._chunks = chunks
        self._order, self._ends = grouped(asked % BUCKETS, BUCKETS)
        self._cuts = [(0, BUCKETS)]
        if size is None:
            self._order = np.arange(len(asked))
            return
        weight = lengths_of(self._ends) + sum(lengths_of(chunk.ends) for chunk in chunks)
        self._cuts = bucket_runs(weight, size)

    def answers(
        self,
        work: Callable[[Part], Mapping[str, Column]],
        threads: int = 1,
        progress: Callable[[float], None] = lambda _: None,
    ) -> Mapping[str, Column]:
        """The columns of all questions, in their order.

        Args:
            work: Answers the questions of a part.
            threads: How many parts are worked on at once.
            progress: Hears the share done, 0 to 1.
        """
        done: list[Mapping[str, Column]] = []
        with ThreadPoolExecutor(max(threads, 1)) as pool:
            for answer in pool.map(lambda cut: work(self._part(*cut)), self._cuts):
                done.append(answer)
                progress(len(done) / len(self._cuts))
            return join_columns(done, self._order, pool.map)

    def _part(self, first: int, last: int) -> Part:
        return Part(self._chunks, first, last, self._order[self._ends[first] : self._ends[last]])


def join_columns(
    parts: Sequence[Mapping[str, Column]], order: Array, each: Callable[..., Iterable[Column]] = map
) -> Mapping[str, Column]:
    """The columns of several parts as one.

    Args:
        parts: Columns of the same names.
        order: The place in the whole of each row, part after part.
        each: Joins one column after another, or several at once.
    """
    if len(parts) == 1 and bool((order[1:] > order[:-1]).all()):
        return parts[0]
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    names = list(parts[0])
    joined = each(lambda name: _joined([part[name] for part in parts], back), names)
    return dict(zip(names, joined, strict=True))


@dataclass(eq=False)
class _Joined:
    """A column of several parts'; `newest` is put together for those who ask."""

    values: pa.Array
    status: Array
    reason: str
    reasons: Mapping[int, str]
    parts: list[Array]
    back: Array

    @cached_property
    def newest(self) -> Array:
        """See `Column`."""
        return np.concatenate(self.parts)[self.back]

    def to_list(self) -> list[Any]:
        """The values as Python has them."""
        return python_values(self.values)


def _joined(parts: Sequence[Column], back: Array) -> Column:
    """The parts' values one after another, brought into the questions' order."""
    values = pa.chunked_array([part.values for part in parts]).combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks)
    status = np.concatenate([part.status for part in parts])[back]
    told = [part.reason for part in parts if part.reason]
    reasons = _reasons(parts, back, status) if len(set(told)) > 1 else NO_REASONS
    reason = "; ".join(dict.fromkeys(reasons.values() or told))
    newest = [part.newest for part in parts]
    return _Joined(values.take(pa.array(back)), status, reason, reasons, newest, back)


def _reasons(parts: Sequence[Column], back: Array, status: Array) -> Mapping[int, str]:
    """Why each row is INVALID that is, by its part."""
    firsts = np.cumsum([0, *(len(part.status) for part in parts)])
    found = {}
    for row in np.flatnonzero(status == INVALID).tolist():
        part = int(np.searchsorted(firsts, back[row], side="right")) - 1
        found[row] = reason_of(parts[part], int(back[row] - firsts[part]))
    return found
