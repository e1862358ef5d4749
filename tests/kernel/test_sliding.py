"""Entries counted once for many ranges are what every range by itself would pool."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from headrace.aggregations.by_key import ByKey
from headrace.aggregations.count import Counting
from headrace.aggregations.dictionary import SortedDictionary
from headrace.aggregations.distinct import DistinctHashes
from headrace.aggregations.histogram import Slots
from headrace.aggregations.quantile import LogBuckets
from headrace.aggregations.states import Events, Values
from headrace.aggregations.sum import DoubleSum, ExactSum
from headrace.kernel import sliding
from headrace.kernel.ranges import RangeIndex, Ranges
from headrace.schema import DOUBLE, INT64, STRING
from headrace.testing.lifting import meaning

MANY = 1500
ALGEBRAS = [
    (ByKey(Counting(), STRING), 60),
    (ByKey(Counting(), DOUBLE, 7), 60),
    (ByKey(ExactSum(), INT64, 20), 60),
    (LogBuckets(of=DOUBLE, accuracy=0.01), 60),
    (Slots(of=INT64, edges=(0.0, 9.5, 50.0)), 60),
    (DistinctHashes(), 60),
    (DistinctHashes(), 1300),
]


def lifted(algebra, values, shuffle):
    """Events as states, about one in five of which does not count; sums reach the ends of int64."""
    numbers = shuffle.integers(-values // 3, values, MANY)
    keys = Values(numbers, INT64)
    of = getattr(algebra, "of", getattr(algebra, "key", INT64))
    if of == STRING:
        dictionary, codes = SortedDictionary.encode(pa.array([f"w{each}" for each in numbers], pa.binary()))
        keys = Values(codes, STRING, dictionary)
    elif of == DOUBLE:
        keys = Values(numbers / 8, DOUBLE)
    summed = Values(shuffle.choice([2**63 - 1, -(2**63), 1, 0, -1], MANY), INT64)
    time = np.arange(MANY, dtype=np.int64)
    return algebra.lift(Events(MANY, shuffle.random(MANY) < 0.8, (keys, summed)[: 1 + (of == INT64)], time))


def sliding_ranges(n, shuffle):
    """The ranges of three entities over two windows each, some of them empty, and some that do not slide."""
    parts = []
    for start, stop in ((0, n // 2), (n // 2, n // 2 + 5), (n // 2 + 5, n)):
        t = np.sort(shuffle.integers(start, stop + 1, 40))
        parts += [(np.maximum(start, t - length), t) for length in (n // 4, n // 20)]
    lo, hi = (np.concatenate(each) for each in zip(*parts, strict=True))
    return np.append(lo, [5, 3, 0]), np.append(hi, [9, 3, n])


@pytest.mark.parametrize("cells", [1, 4000, 1 << 21])
@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize(("algebra", "values"), ALGEBRAS, ids=[f"{a!r} {n}" for a, n in ALGEBRAS])
def test_ranges_that_slide(algebra, values, tiled, cells, seed, monkeypatch):
    shuffle = np.random.default_rng([seed, values, tiled, cells])
    states = lifted(algebra, values, shuffle)
    if tiled:
        cuts = np.sort(shuffle.choice(MANY, 500, replace=False))
        states = algebra.reduce(states, np.concatenate([[0], cuts, [MANY]]))
    lo, hi = sliding_ranges(states.n, shuffle)
    monkeypatch.setattr(sliding, "LEAST", 10)
    monkeypatch.setattr(sliding, "CELLS", cells)
    assert sliding.runs(states.offsets[lo], states.offsets[hi])
    found = RangeIndex(algebra, states).over(Ranges(lo, hi))
    assert found.n == len(lo)
    for place, (a, b) in enumerate(zip(lo.tolist(), hi.tolist(), strict=True)):
        rows = states.take(np.arange(a, max(a, b)))
        alone = algebra.reduce(rows, np.array([0, rows.n]))
        assert meaning(algebra, found.take(np.array([place]))) == meaning(algebra, alone), (a, b)


@pytest.mark.parametrize("cheaper", [0, 1 << 40])
def test_where_there_are_too_many_keys_ranges_are_pooled_again(cheaper, seed, monkeypatch):
    monkeypatch.setattr(sliding, "LEAST", 10)
    monkeypatch.setattr(sliding, "CHEAPER", cheaper)
    states = lifted(DistinctHashes(), 900, np.random.default_rng(seed))
    lo = np.arange(100)
    ((n, entries),) = sliding.counted(states, states.offsets[lo], states.offsets[lo + 300])
    assert n == 100
    assert (entries is None) == (cheaper == 0)
    found = RangeIndex(DistinctHashes(), states).over(Ranges(lo, lo + 300))
    whole = DistinctHashes().reduce(states.slice(99, 399), np.array([0, 300]))
    assert meaning(None, found)[99] == meaning(None, whole)[0]


def test_runs_are_long_enough_and_overlap_enough(monkeypatch):
    monkeypatch.setattr(sliding, "LEAST", 40)
    starts = np.array([0, 1, 2, 3, 50, 60, 70, 5, 5, 5, 5, 5])
    stops = np.array([20, 21, 22, 23, 60, 70, 80, 15, 15, 15, 15, 15])
    assert [tuple(each) for each in sliding.runs(starts, stops)] == [(7, 12)]
    monkeypatch.setattr(sliding, "SHARED", 3)
    assert [tuple(each) for each in sliding.runs(starts, stops)] == [(0, 4), (7, 12)]
    assert sliding.runs(starts[:0], stops[:0]) == []


def test_only_sums_of_integers_are_counted():
    assert ByKey(ExactSum(), INT64).additive
    assert DistinctHashes().additive
    assert not ByKey(DoubleSum(), INT64).additive
