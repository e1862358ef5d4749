"""Events cut into buckets of entities, in memory or on disk, are all there, each with its entity's others."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from headrace.engines.local.buckets import StoredChunk
from headrace.kernel.columns import ArrowColumn
from headrace.kernel.parts import BUCKETS, Parts, numbered


def chunk(entity):
    return numbered(pa.table({"row": np.arange(len(entity)), "text": [str(e) for e in entity]}), entity)


@pytest.mark.parametrize("cuts", [[0, 1, 7, 200, BUCKETS], [0, BUCKETS]])
@pytest.mark.parametrize("rows", [0, 900])
def test_events_on_disk_are_those_in_memory(tmp_path, seed, rows, cuts):
    made = chunk(np.random.default_rng(seed).integers(0, 1000, rows))
    stored = StoredChunk(made, tmp_path / "0.arrow")
    for first, last in pairwise(cuts):
        assert stored.of(first, last).to_pylist() == made.of(first, last).to_pylist()
        assert all(first <= int(text) % BUCKETS < last for text in stored.of(first, last)["text"].to_pylist())


@pytest.mark.parametrize("size", [1, 50, 10_000, None])
def test_every_question_is_answered_once_with_all_events_of_its_entity(seed, size):
    shuffle = np.random.default_rng(seed)
    entity, asked = shuffle.integers(0, 600, 700), shuffle.integers(0, 700, 300)

    def count(part):
        _, numbers = part.read()
        mine = asked[part.questions]
        found = np.array([(numbers == each).sum() for each in mine], dtype=np.int64)
        return {"n": ArrowColumn(pa.array(found), np.ones(len(mine), np.uint8), mine)}

    parts = Parts([chunk(entity[:400]), chunk(entity[400:])], asked, size)
    heard = []
    found = parts.answers(count, threads=2, progress=heard.append)["n"]
    assert found.to_list() == [int((entity == each).sum()) for each in asked]
    assert found.newest.tolist() == asked.tolist()
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert (len(heard) > 1) == (size is not None and size < 1000)
