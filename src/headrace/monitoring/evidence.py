"""The events behind some answers: what history counts, and what the answer can have been made of.

The latter is no guess: which batches of the stream an entity's records had applied, and up to which instant
of knowledge its generation reached, was noted when the answer was given. An answer that the kernel makes of
just those events is explained by the difference between the two sets of events, and each event of the
difference has a cause of its own, told by its copies.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.clock import MINUTE
from headrace.kernel.clean import KNOWN, TIME
from headrace.kernel.duplicates import first_copies
from headrace.kernel.entities import Numbers
from headrace.kernel.row_bytes import row_bytes
from headrace.schema import Schema
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.aggregations.states import Array
    from headrace.kernel.binding import Binding
    from headrace.monitoring.answers import Answers, Record, Streamed

__all__ = [
    "CLOCK",
    "CONFLICT",
    "EPOCH",
    "LAG",
    "LATE",
    "MISSING",
    "UNKNOWN",
    "Difference",
    "Evidence",
    "Explained",
]

LATE, LAG, EPOCH, CLOCK = "late arrival", "ingestion lag", "epoch", "clock"
MISSING, CONFLICT = "missing", "conflicting copies"
UNKNOWN = ""
"""In place of a cause: the data do not tell why."""

_GRACE = MINUTE
"""A batch this long in the log and still not in a record was not on its way: the record is missing."""


class Difference(NamedTuple):
    """Events by which an answer differs from history, all for one cause.

    Attributes:
        cause: The cause.
        without: Those that history counts and the answer does not, places in the pool.
        more: Those that the answer counts and history does not.
    """

    cause: str
    without: Sequence[int]
    more: Sequence[int]


class Explained(NamedTuple):
    """What one answer may have been made of.

    Attributes:
        events: The events, places in the pool.
        differences: How they differ from what history counts, by cause.
    """

    events: Array
    differences: Sequence[Difference]


class Evidence:
    """The events of the entities of some answers.

    Attributes:
        pool: All of them, those of the batch first.
    """

    def __init__(self, binding: Binding, answers: Answers, rows: Array, record: Record) -> None:
        """Read the events.

        Args:
            binding: The view.
            answers: The answers.
            rows: The places of those that need an explanation.
            record: Tells the events.
        """
        self._answers = answers
        self._numbers = Numbers(answers.keys.take(pa.array(rows)), binding.keys)
        self._entity = dict(zip(rows.tolist(), self._numbers.asked.tolist(), strict=True))
        self._binding = binding
        self._record = record
        before = int(answers.t[rows].max())
        batch, owner = record.batch(binding, self._numbers, before)
        self._streamed = record.stream(binding, self._numbers)
        self._batched = batch.num_rows
        tables, owners = [batch], [owner]
        if self._streamed is not None:
            names = [name for name in batch.column_names if name in self._streamed.events.column_names]
            tables = [batch.select(names), self._streamed.events.select(names)]
            owners.append(self._streamed.entity)
        self.pool = pa.concat_tables(
            [each.replace_schema_metadata(None) for each in tables], promote_options="permissive"
        ).combine_chunks()
        self.known: Array = self.pool.column(KNOWN).to_numpy()
        self._first = self._first_copies(owner)
        self._ids, self._contents = _identities(binding, self.pool)
        self._of_entity = [_by_entity(each, self._numbers.count) for each in owners]
        self._late: dict[tuple[int, int], Array] = {}

    def _first_copies(self, entity: Array) -> Array:
        """Which events of the batch count, whenever they are asked for."""
        whole = np.ones(self._batched, dtype=bool)
        event_id = self._binding.event_id
        if event_id is None or not self._batched:
            return whole
        batch = self.pool.slice(0, self._batched)
        counts = first_copies(
            entity, batch.column(TIME).to_numpy(), self.known[: self._batched], batch,
            self._binding.schema, event_id,
        )  # fmt: skip
        return whole if counts is None else counts

    def history(self, row: int) -> Array:
        """What history counts for an answer."""
        batch, _ = self._events(row)
        counted: Array = batch[self._first[batch] & (self.known[batch] < self._answers.t[row])]
        return counted

    def size(self, row: int) -> int:
        """How many events an answer's entity has."""
        return sum(map(len, self._events(row)))

    def _events(self, row: int) -> tuple[Array, Array]:
        """The events of an answer's entity, in batch and stream, places in the pool."""
        entity = self._entity[row]
        batch = self._of_entity[0][entity]
        if self._streamed is None:
            return batch, np.zeros(0, dtype=np.int64)
        return batch, self._of_entity[1][entity] + self._batched

    def as_noted(self, row: int) -> Explained:
        """What an answer was made of by what was noted of it: generation, and batches applied."""
        loaded, streamed = self._loaded(row), self._applied(row)
        return self._explained(row, np.concatenate([loaded, streamed]))

    def without_record(self, row: int) -> Explained | None:
        """The same where the generation has no record of the entity, though it read events of it."""
        loaded = self._loaded(row)
        if self._answers.segments[row] != 0 or not len(loaded):
            return None
        explained = self._explained(row, self._applied(row))
        lost = set(loaded.tolist())
        told = [
            each
            if each.cause != UNKNOWN or not lost.issuperset(each.without)
            else each._replace(cause=MISSING)
            for each in explained.differences
        ]
        return explained._replace(differences=told)

    def up_to_frontier(self, row: int) -> Explained | None:
        """The same by the newest event that was merged, where the log no longer tells of batches."""
        streamed = self._streamed
        if streamed is None or streamed.complete_from <= self._answers.known[row]:
            return None
        batch, _ = self._events(row)
        known, frontier = self.known[batch], self._answers.frontier[row]
        merged = self._first[batch] & (known >= self._answers.known[row]) & (known <= frontier)
        explained = self._explained(row, np.concatenate([self._loaded(row), batch[merged]]))
        told = [
            each._replace(cause=LAG) if each.cause == UNKNOWN and not each.more else each
            for each in explained.differences
        ]
        return explained._replace(differences=told)

    def _loaded(self, row: int) -> Array:
        """What the generation of an answer holds of its entity."""
        batch, _ = self._events(row)
        known = int(self._answers.known[row])
        late = self._late_of(known, int(self._answers.loaded_at[row]))
        held = batch[(self.known[batch] < known) & ~late[batch]]
        if self._first[held].all() or self._binding.event_id is None:
            return held
        # Of an event's copies the generation has the first of those that were there.
        by = held[np.lexsort((self.known[held], self._ids[held]))]
        kept: Array = np.sort(by[np.r_[True, self._ids[by][1:] != self._ids[by][:-1]]])
        return kept

    def _applied(self, row: int) -> Array:
        """What the stream had brought of an answer's entity, beyond the generation."""
        _, events = self._events(row)
        if self._streamed is None:
            return events
        place = events - self._batched
        positions = self._answers.positions[row]
        reached = np.array(
            [positions.get(each, -1) for each in self._streamed.partition[place].tolist()], dtype=np.int64
        )
        there = self._streamed.fresh[place] & (self._streamed.offset[place] <= reached)
        applied: Array = events[there & (self.known[events] >= self._answers.known[row])]
        return applied

    def _late_of(self, known: int, loaded_at: int) -> Array:
        """Which events of the pool reached the batch after a load."""
        key = known, loaded_at
        if key not in self._late:
            mask = np.zeros(self.pool.num_rows, dtype=bool)
            found = None
            if known != FOREVER_AGO and self._batched:
                found = self._record.late(self._binding, self._numbers, known, loaded_at)
            if found is not None and found[0].num_rows:
                mask[: self._batched] = self._among(*found)
            self._late[key] = mask
        return self._late[key]

    def _among(self, events: pa.Table, entity: Array) -> Array:
        """Which events of the batch are among some others, the last of equal ones first."""
        both = pa.concat_tables(
            [
                self.pool.slice(0, self._batched),
                events.select(self.pool.column_names).replace_schema_metadata(None),
            ],
            promote_options="permissive",
        ).combine_chunks()
        _, contents = _identities(self._binding, both)
        owner = np.empty(self._batched, dtype=np.int64)
        for number, places in enumerate(self._of_entity[0]):
            owner[places] = number
        left: dict[tuple[int, int, int], int] = defaultdict(int)
        known = both.column(KNOWN).to_numpy()
        more = slice(self._batched, None)
        for key in zip(entity.tolist(), contents[more].tolist(), known[more].tolist(), strict=True):
            left[key] += 1
        mask = np.zeros(self._batched, dtype=bool)
        for place in range(self._batched - 1, -1, -1):
            key = int(owner[place]), int(contents[place]), int(known[place])
            if left.get(key):
                left[key] -= 1
                mask[place] = True
        return mask

    def _explained(self, row: int, events: Array) -> Explained:
        """An answer made of some events, with what makes them differ from those of history."""
        events = events[self.known[events] < self._answers.t[row]]
        history = self.history(row)
        found: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        mine, theirs = self._by_id(history), self._by_id(events)
        for identity in mine.keys() | theirs.keys():
            counted, had = mine.get(identity, []), theirs.get(identity, [])
            shared = min(len(counted), len(had))
            for place in counted[shared:]:
                found[self._why_missing(row, place)][0].append(place)
            for place in had[shared:]:
                found[self._why_more(row, place)][1].append(place)
            for one, other in zip(counted[:shared], had[:shared], strict=True):
                if self._contents[one] != self._contents[other]:
                    found[CONFLICT][0].append(one)
                    found[CONFLICT][1].append(other)
        return Explained(events, [Difference(cause, *each) for cause, each in found.items()])

    def _by_id(self, events: Array) -> dict[int, list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for place, identity in zip(events.tolist(), self._ids[events].tolist(), strict=True):
            found[identity].append(place)
        return found

    def _why_missing(self, row: int, place: int) -> str:
        """Why an answer lacks an event that history counts."""
        answers, known = self._answers, int(self.known[place])
        since = int(answers.known[row])
        if known >= answers.served_at[row]:
            return CLOCK
        if known < since:
            late = self._late_of(since, int(answers.loaded_at[row]))
            return LATE if late[place] else UNKNOWN
        if self._streamed is None:
            return LAG  # only the next load brings it
        return self._why_not_streamed(row, place, self._streamed)

    def _why_not_streamed(self, row: int, place: int, streamed: Streamed) -> str:
        """Why an answer lacks an event that the stream should have brought."""
        answers = self._answers
        _, events = self._events(row)
        copies = events[self._ids[events] == self._ids[place]]
        if not len(copies):
            return MISSING if streamed.complete_from <= self.known[place] else UNKNOWN
        if (self.known[copies] < answers.known[row]).all():
            return EPOCH
        behind = copies - self._batched
        reached = [answers.positions[row].get(each, -1) for each in streamed.partition[behind].tolist()]
        waiting = behind[streamed.offset[behind] > np.array(reached)]
        if not len(waiting):
            return CONFLICT  # it was there, and counted as a copy of another
        at = int(streamed.applied[waiting].min())
        lost = at != FOREVER_AGO and at + _GRACE < answers.served_at[row]
        return MISSING if lost else LAG

    def _why_more(self, row: int, place: int) -> str:
        """Why an answer counts an event that history does not."""
        batch, _ = self._events(row)
        copies = batch[self._ids[batch] == self._ids[place]]
        if not len(copies):
            return MISSING
        if (self._contents[copies] != self._contents[place]).any():
            return CONFLICT
        since = self._answers.known[row]
        return EPOCH if ((self.known[copies] < since) != (self.known[place] < since)).any() else CONFLICT


def _by_entity(entity: Array, count: int) -> list[Array]:
    """The places of each entity's events."""
    order = np.argsort(entity, kind="stable")
    ends = np.searchsorted(entity[order], np.arange(count + 1))
    return [order[start:stop] for start, stop in pairwise(ends.tolist())]


def _identities(binding: Binding, events: pa.Table) -> tuple[Array, Array]:
    """Numbers that are equal for copies of one event, and numbers that are equal for equal events.

    Copies may differ in the instant they became available.
    """
    available = getattr(binding.source, "available_at", None)
    columns = Schema(
        {
            name: of
            for name, of in binding.schema.items()
            if name in events.column_names and name not in {available, binding.event_id}
        }
    )
    time = events.column(TIME).to_numpy()
    content = _codes(row_bytes(events, columns))
    _, contents = np.unique(np.stack([content, time]), axis=1, return_inverse=True)
    contents = contents.reshape(-1)
    if binding.event_id is None or binding.event_id not in events.column_names:
        return contents, contents
    ids = _codes(events.column(binding.event_id).combine_chunks())
    return np.where(ids >= 0, ids, contents + len(contents) + 1), contents


def _codes(values: pa.Array) -> Array:
    """A number for each value, equal for equal ones; -1 for null."""
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    coded = pc.dictionary_encode(whole).indices
    found: Array = pc.fill_null(coded.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    return found
