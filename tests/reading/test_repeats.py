"""`unique` over a whole batch: the same rows are told, however little memory there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace as hr
from headrace.reading.repeats import Hashes
from headrace.reading.source import read

if TYPE_CHECKING:
    from pathlib import Path

    from headrace.aggregations.states import Array

AT = 1_772_000_000_000_000


def suspects(directory: Path, held: int, pieces: list[list[Array]]) -> list[int]:
    directory.mkdir()
    hashes = Hashes(directory, held)
    for piece in pieces:
        first = 0
        for batch in piece:
            hashes.add(batch, np.arange(first, first + len(batch)))
            first += len(batch)
        hashes.end_piece()
    return sorted(place for found in hashes.suspects() for place in found.tolist())


def test_hashes_on_disk_tell_the_same_suspects_as_in_memory(tmp_path: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    spread = draw.integers(0, 2**64, 700, dtype=np.uint64)
    pieces = [[draw.choice(spread, 300) for _ in range(3)] for _ in range(2)]
    every = np.concatenate([batch for piece in pieces for batch in piece])
    values, counts = np.unique(every, return_counts=True)
    wanted = int(np.isin(every, values[counts > 1]).sum())
    found = [suspects(tmp_path / str(held), held, pieces) for held in (1 << 20, 100, 1)]
    assert len(found[0]) == wanted
    assert found[0] == found[1] == found[2]
    sizes = [sum(each.stat().st_size for each in (tmp_path / str(held)).iterdir()) for held in (1 << 20, 1)]
    assert sizes == [0, 16 * len(every)]


@pytest.mark.parametrize("memory", [None, "24MB"])
def test_what_repeats_is_left_out_in_any_memory_budget(tmp_path: Path, memory: str | None) -> None:
    count = 450_000  # hashes of so many do not fit into the smaller budget
    draw = np.random.default_rng(3)
    number = draw.permutation(np.concatenate([np.arange(count - 200), draw.integers(0, count - 200, 200)]))
    time = AT + draw.permutation(count)
    for half in (slice(None, count // 2), slice(count // 2, None)):
        log = pa.table({"ts": pa.array(time[half]).cast(pa.timestamp("us", "UTC")), "number": number[half]})
        pq.write_table(log, tmp_path / f"{half.start or 0}.parquet")
    source = hr.EventSource(
        "log", batch="*.parquet", schema={"ts": "timestamp", "number": "int64"}, timestamp="ts",
        rules=[hr.rules.unique("number")],
    )  # fmt: skip
    assert source.schema is not None
    reading = read(source, source.schema, directory=tmp_path, memory=memory, threads=1)
    kept = reading.whole()
    assert reading.left_out == {"unique(number)": 200}
    order = np.lexsort((time, number))
    first = np.concatenate([[True], number[order][1:] != number[order][:-1]])
    assert sorted(kept["__time"].to_pylist()) == sorted(time[order][first].tolist())
