"""Reading in Spark's workers: each file by itself, by the code that reads it everywhere."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from headrace.engines.spark.crossing import entity_keys, packed, unpacked
from headrace.kernel.clean import TIME
from headrace.kernel.row_bytes import row_bytes
from headrace.reading.batch import batch_files, batch_table
from headrace.reading.repeats import Repeats, find_repeats
from headrace.reading.source import Reading, read
from headrace.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headrace.engines.spark.crossing import Crossing
    from headrace.kernel.binding import Binding

__all__ = ["TASKS", "ReadEvents", "tasks"]

TASKS = "path string, data binary"
"""What a worker is asked to read: a file, or rows of a table in memory."""

_MEMORY = 1 << 30
"""Bytes that DuckDB may hold in one worker; it reads in batches."""

_ROWS = 1 << 17
"""How many rows of a table in memory go to a worker at once."""


def tasks(binding: Binding, directory: Path) -> tuple[pa.Table, Repeats]:
    """What there is to read, at least one row; and the rows that only who sees all of it can leave out."""
    source, schema, zone = binding.source, binding.schema, binding.zone
    if not source.in_memory:
        paths = [path.resolve() for path in batch_files(source, directory)]
        todo = pa.table({"path": [str(path) for path in paths], "data": pa.nulls(len(paths), pa.binary())})
        return todo, find_repeats(source, schema, None, paths, zone=zone)
    table = batch_table(source)
    unique = any(rule.kind == "unique" for rule in source.rules)
    size = max(table.num_rows, 1) if unique else _ROWS  # what repeats is known by its place in the table
    blobs = [packed(table.slice(first, size)) for first in range(0, max(table.num_rows, 1), size)]
    todo = pa.table({"path": pa.nulls(len(blobs), pa.string()), "data": pa.array(blobs, pa.binary())})
    return todo, find_repeats(source, schema, table, (), zone=zone)


@dataclass(frozen=True)
class ReadEvents:
    """Files in, clean events of a view out; and what was left out.

    Attributes:
        binding: The view; its source without its batch.
        columns: The columns of the source to read, None for all.
        crossing: What of the events crosses.
        repeats: The rows of the whole batch that repeat a value which has to be unique.
    """

    binding: Binding
    columns: list[str] | None
    crossing: Crossing
    repeats: Repeats

    def run(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Read what the rows of `TASKS` name."""
        left_out: Counter[str] = Counter()
        newest: int | None = None
        for task in (task for batch in batches for task in batch.to_pylist()):
            batch = unpacked(task["data"]) if task["path"] is None else task["path"]
            reading = self._read(batch)
            for events in reading:
                latest: int = pc.max(events.column(TIME)).as_py()
                newest = latest if newest is None else max(newest, latest)
                entity = entity_keys(events, self.binding.keys)
                copy = self._copy(events) if self.crossing.copies else None
                yield from self.crossing.pack(events, entity, self.binding.serving_delay, copy)
            left_out.update(reading.left_out)
        yield self.crossing.facts(json.dumps({"left_out": left_out, "newest": newest}).encode())

    def _read(self, batch: pa.Table | str) -> Reading:
        binding = self.binding
        return read(
            replace(binding.source, batch=batch),
            binding.schema,
            columns=self.columns,
            expressions=binding.expressions,
            keys=tuple(binding.keys),
            zone=binding.zone,
            memory=_MEMORY,
            threads=1,
            repeats=self.repeats,
        )

    def _copy(self, events: pa.Table) -> pa.Array:
        """What copies of an event have in common; events without an id, which have no copies, are spread."""
        name = self.binding.event_id
        assert name is not None  # noqa: S101 - nobody else asks
        ids = row_bytes(events.select([name]), Schema({name: self.binding.schema[name]})).cast(pa.binary())
        nameless = events.column(name).combine_chunks().is_null()
        if not nameless.true_count:
            return ids
        numbers = [b"\x00" + number.to_bytes(8) for number in range(events.num_rows)]
        return pc.if_else(nameless, pa.array(numbers, pa.binary()), ids)
