"""Events by entity, in a memory budget: in memory while they fit, else spilled to disk in entity buckets.

A bucket has all events of its entities, so each can be worked on alone.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.aggregations.dictionary import hash_bytes
from headrace.kernel.entities import key_column

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headrace.aggregations.states import Array
    from headrace.schema import Schema

__all__ = ["Bucket", "bucket_of", "bucketed"]

BUCKETS = 64
_FLUSH = 1 << 22


class Bucket(NamedTuple):
    """The events of some entities.

    Attributes:
        events: All events of the bucket's entities.
        number: Its number.
        of: How many buckets there are; 1 where everything fitted.
    """

    events: pa.Table
    number: int
    of: int


def bucketed(batches: Iterable[pa.Table], schema: pa.Schema, keys: Schema, budget: int) -> Iterator[Bucket]:
    """Events bucket by bucket.

    Args:
        batches: Clean events.
        schema: Their columns.
        keys: The entity's join keys.
        budget: How many bytes of events may be held at once.
    """
    held: list[pa.Table] = [schema.empty_table()]
    size = 0
    source = iter(batches)
    for batch in source:
        held.append(batch)
        size += batch.nbytes
        if size > budget:
            yield from _spilled(held, source, schema, keys)
            return
    yield Bucket(pa.concat_tables(held), 0, 1)


def _spilled(
    held: list[pa.Table], rest: Iterator[pa.Table], schema: pa.Schema, keys: Schema
) -> Iterator[Bucket]:
    with tempfile.TemporaryDirectory(prefix="headrace-") as directory:
        paths = [Path(directory) / f"{number}.arrow" for number in range(BUCKETS)]
        with ExitStack() as stack:
            writers = [stack.enter_context(pa.ipc.new_file(str(path), schema)) for path in paths]
            while held:
                _write(writers, held.pop(), keys)
            waiting: list[pa.Table] = []
            for batch in rest:
                # Small batches would make many small pieces of each bucket.
                waiting.append(batch)
                if sum(each.nbytes for each in waiting) >= _FLUSH:
                    _write(writers, pa.concat_tables(waiting), keys)
                    waiting.clear()
            if waiting:
                _write(writers, pa.concat_tables(waiting), keys)
        for number, path in enumerate(paths):
            with pa.OSFile(str(path)) as file:
                events = pa.ipc.open_file(file).read_all()
            path.unlink()
            yield Bucket(events, number, BUCKETS)


def _write(writers: list[pa.ipc.RecordBatchFileWriter], events: pa.Table, keys: Schema) -> None:
    number = bucket_of(events, keys, len(writers))
    by = np.argsort(number.astype(np.uint16), kind="stable")
    ends = np.searchsorted(number[by], np.arange(len(writers) + 1))
    ordered = events.take(pa.array(by))
    for writer, start, stop in zip(writers, ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        if stop > start:
            writer.write_table(ordered.slice(start, stop - start).combine_chunks())


def bucket_of(rows: pa.Table, keys: Schema, count: int) -> Array:
    """The bucket of each row's entity, 0 to count - 1; rows without a whole key are in the first."""
    coded = pc.dictionary_encode(key_column(rows, keys))
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    buckets = (hash_bytes(coded.dictionary.to_pylist()) % np.uint64(count)).astype(np.int64)
    codes = pc.fill_null(coded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    found: Array = np.append(buckets, 0)[codes]
    return found
