"""Events by entity, in a memory budget: in memory while they fit, else on disk, bucket after bucket."""

from __future__ import annotations

import tempfile
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from headrace.kernel.parts import BUCKETS, Chunk, Events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["StoredChunk", "gathered"]

CHUNK = 1 << 19
"""How many events are taken together: what a step costs once, it costs once for so many."""

_CHUNKS = 8
"""How many chunks fill the budget at least: a few are in the making besides those that are held."""


class StoredChunk:
    """Some events in a file: one record batch for each bucket."""

    def __init__(self, chunk: Chunk, path: Path) -> None:
        """Write the events to a file."""
        self.ends = chunk.ends
        self._path = path
        whole = pa.RecordBatch.from_struct_array(chunk.of(0, BUCKETS).to_struct_array().combine_chunks())
        with pa.ipc.new_file(str(path), whole.schema) as writer:
            for start, stop in zip(self.ends[:-1].tolist(), self.ends[1:].tolist(), strict=True):
                writer.write_batch(whole.slice(start, stop - start))

    def of(self, first: int, last: int) -> pa.Table:
        """The events of some buckets, read from the file."""
        with pa.OSFile(str(self._path)) as file, pa.ipc.open_file(file) as batches:
            read = [batches.get_batch(bucket) for bucket in range(first, last)]
            return pa.Table.from_batches(read, batches.schema)


@contextmanager
def gathered(
    batches: Iterable[pa.Table], chunk: Callable[[pa.Table], Chunk], budget: int, threads: int
) -> Iterator[list[Events]]:
    """All events in chunks; those on disk are there while the context is open.

    Args:
        batches: Events, at least one batch.
        chunk: Makes a chunk of them.
        budget: How many bytes of events may be held at once; beyond, all of them go to disk.
        threads: How many chunks are made at once, while the next batches are read.
    """
    found: list[Events] = []
    size = 0
    with tempfile.TemporaryDirectory(prefix="headrace-") as directory, ThreadPoolExecutor(threads) as pool:

        def keep(made: Chunk) -> None:
            nonlocal size
            found.append(made)
            size += made.events.nbytes
            if size > budget:
                for place, each in enumerate(found):
                    if isinstance(each, Chunk):
                        found[place] = StoredChunk(each, Path(directory) / f"{place}.arrow")

        making: deque[Future[Chunk]] = deque()
        for events in _together(batches, budget // _CHUNKS):
            making.append(pool.submit(chunk, events))
            if len(making) > threads:
                keep(making.popleft().result())
        while making:
            keep(making.popleft().result())
        if size > budget:
            pa.default_memory_pool().release_unused()  # what passed through on its way to disk
        yield found


def _together(batches: Iterable[pa.Table], most: int) -> Iterator[pa.Table]:
    """The batches, about `CHUNK` rows in each, or so many bytes."""
    waiting: list[pa.Table] = []
    count = size = 0
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        size += batch.nbytes
        if count >= CHUNK or size >= most:
            yield pa.concat_tables(waiting)
            waiting, count, size = [], 0, 0
    if waiting:
        yield pa.concat_tables(waiting)
