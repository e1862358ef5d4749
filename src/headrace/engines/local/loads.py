"""What a load reads: the events of a batch by buckets of entities, without those that are loaded already."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.aggregations.states import lengths_of
from headrace.engines.local.buckets import gathered
from headrace.intake.rejects import no_rejects
from headrace.kernel.binding import AggregateBinding
from headrace.kernel.clean import KNOWN, TIME
from headrace.kernel.copies import Copies
from headrace.kernel.history import PART
from headrace.kernel.parts import BUCKETS, bucket_runs, hashed
from headrace.kernel.sorting import found_in
from headrace.ports.engine import Extent, File, Held, Part
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from headrace.aggregations.states import Array
    from headrace.engines.local.ids import FileIds
    from headrace.kernel.binding import Binding
    from headrace.kernel.parts import Chunk, Events
    from headrace.reading.source import Reading

__all__ = ["LoadParts", "named", "stamped"]

_LEAST = PART // 4
"""Fewer events are not cut further: a part costs something whatever it holds."""


def stamped(files: Mapping[str, Path]) -> list[File]:
    """Files as they lie there now, by their names."""
    found = []
    for name, path in files.items():
        stat = path.stat()
        found.append(File(name, stat.st_size, stat.st_mtime_ns))
    return found


def named(paths: Sequence[Path], directory: Path) -> dict[str, Path]:
    """Files by names that stay when a project is moved: those in its directory as seen from there."""
    root = directory.resolve()
    return {str(path.relative_to(root) if path.is_relative_to(root) else path): path for path in paths}


class LoadParts:
    """The parts of one load."""

    def __init__(
        self,
        binding: Binding,
        before: int,
        held: Held | None,
        files: Mapping[str, Path] | None,
        read: Callable[..., Reading],
        ids: FileIds | None,
    ) -> None:
        """For a view, up to K.

        Args:
            binding: The view.
            before: K.
            held: What is loaded already.
            files: The batch's files by name; None for a table in memory.
            read: Reads the source.
            ids: The ids in files that were read before; None where events have none.
        """
        self._binding = binding
        self._before = before
        self._read = read
        self._since = FOREVER_AGO if held is None else held.before
        self._files = files
        self._rejected: list[pa.Table] = []
        self._beyond: Counter[str] = Counter()
        self._warned: Counter[str] = Counter()
        self._extents: dict[str, Extent | None] = {}
        self._ids = ids
        self._hashes: dict[str, list[Array]] = {}
        self._old: Mapping[str, Extent | None] = {} if held is None else held.files

    def parts(self, done: int, budget: int, threads: int) -> Iterator[Part]:
        """The parts from a bucket on.

        Args:
            done: How many buckets to leave out.
            budget: How many bytes of events may be held at once.
            threads: How many chunks are made at once.
        """
        with gathered(self._events(), self._chunk, budget, threads) as chunks:
            copies, reach = self._copies(chunks), self._reach()
            for first, last in _cuts(chunks, done, threads):
                each = zip(chunks, copies, strict=True)
                events = pa.concat_tables([_without(chunk, first, last, out) for chunk, out in each])
                yield Part(events, self._left_out(), last, reach, dict(self._beyond), dict(self._warned))
                self._beyond.clear()
                self._warned.clear()

    def _left_out(self) -> pa.Table:
        """The rejected rows not yet handed on, their files by name."""
        rejected = pa.concat_tables([no_rejects(), *self._rejected])
        self._rejected.clear()
        names = {str(path): name for name, path in (self._files or {}).items()}
        origins = [names.get(path, path) for path in rejected.column("origin").to_pylist()]
        place = rejected.column_names.index("origin")
        return rejected.set_column(place, "origin", pa.array(origins, pa.string()))

    def _chunk(self, events: pa.Table) -> Chunk:
        return hashed(events, self._binding.keys).cut()

    def _events(self) -> Iterator[pa.Table]:
        """The events to load, at least one batch."""
        binding = self._binding
        columns = binding.columns_read(binding.plan) if isinstance(binding, AggregateBinding) else None
        new: list[Path] | None = None
        again: list[Path] = []
        if self._files is not None:
            new = [path for name, path in self._files.items() if name not in self._old]
            again = [path for name, path in self._files.items() if self._reaches(name)]
        fresh = self._read(columns, new, rejected=self._rejected, on_clean=self._note)
        yield fresh.schema.empty_table()
        for events in fresh:
            yield _between(events, FOREVER_AGO, self._before)
        self._beyond.update(fresh.beyond)
        self._warned.update(fresh.warned)
        if again:  # a table in memory has no files to tell apart: it was read already
            more = self._read(columns, again, rejected=self._rejected)
            for events in more:
                yield _between(events, self._since, self._before)
            self._beyond.update(more.beyond)
            self._warned.update(more.warned)
        if self._ids is not None and self._files is not None:
            for path in new or ():
                self._ids.keep(path, self._hashes.pop(str(path), []))
            self._ids.keep_only(self._files.values())

    def _note(self, file: str, events: pa.Table) -> None:
        """Note how far a file reaches, and which ids it has."""
        newest = Extent(*(pc.max(events.column(name)).as_py() for name in (TIME, KNOWN)))
        before = self._extents.get(file)
        self._extents[file] = newest if before is None else Extent(*map(max, before, newest))
        if self._ids is not None:
            self._hashes.setdefault(file, []).append(self._ids.hashes(events))

    def _reaches(self, name: str) -> bool:
        """Whether a file that was read before has events that were not known then."""
        reach = self._old.get(name)
        return reach is not None and reach.known >= self._since

    def _copies(self, chunks: Sequence[Events]) -> list[Array]:
        """The places in each chunk of copies of events that are loaded already, ascending."""
        binding, event_id = self._binding, self._binding.event_id
        suspects: list[Array] = [np.zeros(0, dtype=np.int64) for _ in chunks]
        if event_id is None or self._ids is None or not self._old:
            return suspects
        # One chunk at a time: they may lie on disk.
        hashes = [self._ids.hashes(chunk.of(0, BUCKETS)) for chunk in chunks]
        old = [path for name, path in (self._files or {}).items() if name in self._old]
        perhaps, met = self._ids.met(old, np.concatenate(hashes))
        if not perhaps:
            return suspects
        columns = [*binding.keys, event_id]
        new = []
        for place, (chunk, each) in enumerate(zip(chunks, hashes, strict=True)):
            suspects[place] = np.arange(len(each)) if met is None else np.flatnonzero(found_in(each, met))
            new.append(chunk.of(0, BUCKETS).select(columns).take(pa.array(suspects[place])))
        copies = Copies(binding.keys, binding.schema, event_id, new)
        ids = pa.concat_tables(new).column(event_id).unique()
        for events in self._read(columns, perhaps, having=(event_id, ids)):
            copies.remember(_between(events, FOREVER_AGO, self._since))
        return [places[copies.among(events)] for places, events in zip(suspects, new, strict=True)]

    def _reach(self) -> dict[str, Extent | None]:
        """How far each file reaches, by name."""
        files = self._files or {}
        return {name: self._extents.get(str(path), self._old.get(name)) for name, path in files.items()}


def _between(events: pa.Table, since: int, before: int) -> pa.Table:
    """The events with `since <= known < before`."""
    known: Array = events.column(KNOWN).to_numpy()
    kept = (known >= since) & (known < before)
    return events if kept.all() else events.filter(pa.array(kept))


def _without(chunk: Events, first: int, last: int, out: Array) -> pa.Table:
    """The events of some buckets, but for those at some places in their chunk, which are ascending."""
    events = chunk.of(first, last)
    start, stop = int(chunk.ends[first]), int(chunk.ends[last])
    low, high = np.searchsorted(out, (start, stop)).tolist()
    if low == high:
        return events
    kept = np.ones(events.num_rows, dtype=bool)
    kept[out[low:high] - start] = False
    return events.filter(pa.array(kept))


def _cuts(chunks: Sequence[Events], done: int, threads: int) -> list[tuple[int, int]]:
    """Runs of buckets of about the same size, so many for each thread, from one on; the last may be empty."""
    left = np.sum([lengths_of(chunk.ends) for chunk in chunks], axis=0)[done:]
    rounds = math.ceil(left.sum() / (PART * threads))
    size = max(math.ceil(left.sum() / max(rounds * threads, 1)), _LEAST)
    return [(done + first, done + last) for first, last in bucket_runs(left, size)] or [(BUCKETS, BUCKETS)]
