"""Ranges of rows, merged by whatever short cut, are what merging their rows one after another gives."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from headrace.aggregations.algebra import Ragged
from headrace.aggregations.bitmap import LocalBits
from headrace.aggregations.by_key import ByKey
from headrace.aggregations.count import Counting
from headrace.aggregations.covariance import Comoments
from headrace.aggregations.decay import Decay
from headrace.aggregations.dictionary import SortedDictionary
from headrace.aggregations.distinct import DistinctHashes
from headrace.aggregations.edge import Edge
from headrace.aggregations.extreme import Extreme
from headrace.aggregations.first_k import Oldest
from headrace.aggregations.histogram import Slots
from headrace.aggregations.last_distinct_k import NewestDistinct
from headrace.aggregations.last_k import Newest
from headrace.aggregations.mean_gap import Ends
from headrace.aggregations.moments import Moments
from headrace.aggregations.quantile import LogBuckets
from headrace.aggregations.recency import Recent
from headrace.aggregations.sessions import Intervals
from headrace.aggregations.states import Events, States, Values
from headrace.aggregations.sum import DoubleSum, ExactSum
from headrace.kernel import pools, sliding, together
from headrace.kernel.ranges import BLOCK, RangeIndex, Ranges
from headrace.schema import Type
from headrace.testing.lifting import meaning

INT64, DOUBLE, STRING = Type("int64"), Type("double"), Type("string")
ALGEBRAS = [
    Counting(),
    ExactSum(),
    DoubleSum(),
    Extreme(INT64, greatest=True),
    Extreme(INT64, greatest=False),
    Extreme(DOUBLE, greatest=False),
    Extreme(DOUBLE, greatest=True),
    Extreme(STRING, greatest=True),
    Extreme(STRING, greatest=False),
    Recent(),
    Moments(INT64),
    Decay(3_600_000_000, INT64),
    Edge(INT64, newest=True),
    Edge(STRING, newest=False),
    Newest(STRING, 3),
    ByKey(Counting(), STRING, 4),
    DistinctHashes(),
    Oldest(INT64, 2),
    NewestDistinct(STRING, 3),
    LogBuckets(of=DOUBLE, accuracy=0.01),
    Slots(of=INT64, edges=(-20.0, 0.0, 10.0)),
    Comoments(INT64, INT64),
    Ends(),
    Intervals(1_500_000),
    LocalBits("day", "Europe/Berlin"),
    LocalBits("hour", "UTC"),
]
ENTRIES = [each for each in [*ALGEBRAS, ByKey(Recent(), INT64, 30)] if isinstance(each, Ragged)]
SIZES = [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK, 2 * BLOCK + 1, 5 * BLOCK, BLOCK * BLOCK + 7, 3000]


def lifted(algebra, n, shuffle, *, some=True, share=0.7):
    """n events as states; with `some`, not all of them count, but about a share."""
    numbers = shuffle.integers(-50, 50, n)
    of = getattr(algebra, "of", getattr(algebra, "key", INT64))
    if of.is_text:
        dictionary, codes = SortedDictionary.encode(pa.array([f"w{x % 9}" for x in numbers], pa.binary()))
        values = Values(codes, of, dictionary)
    elif of.name == "double" or isinstance(algebra, DoubleSum):
        values = Values(numbers / 4, DOUBLE)  # quarters add up exactly in any order
    else:
        values = Values(numbers, of)
    counts = shuffle.random(n) < share if some else None
    order = np.arange(n, dtype=np.int64)
    keys = SortedDictionary(pa.array([place.to_bytes(4) for place in range(n)], pa.binary()))
    time = np.cumsum(shuffle.integers(0, 3, n)) * 1_000_000
    columns = (values,) * (2 if isinstance(algebra, Comoments) else 1)
    return algebra.lift(Events(n, counts, columns, time, order, keys))


def by_hand(algebra, states, lo, hi):
    """The ranges, each reduced by itself."""
    parts = []
    for a, b in zip(lo.tolist(), hi.tolist(), strict=True):
        rows = states.take(np.arange(a, max(a, b)))
        parts.append(algebra.reduce(rows, np.array([0, rows.n])))
    return parts


def check(algebra, states, lo, hi):
    found = RangeIndex(algebra, states).over(Ranges(lo, hi))
    assert found.n == len(lo)
    same(algebra, found, by_hand(algebra, states, lo, hi))


def same(algebra, found, expected):
    """Each state found is the one expected."""
    for place, want in enumerate(expected):
        one = found.take(np.array([place]))
        if isinstance(algebra, (Comoments, Moments, Decay)):
            for got, wanted in zip(one.fixed, want.fixed, strict=True):
                assert got == pytest.approx(wanted, rel=1e-9, abs=1e-6), place
        else:
            if isinstance(algebra, ExactSum):  # a merge brings the halves of differences into form
                one = algebra.merge(one, algebra.zero(1))
            assert meaning(algebra, one) == meaning(algebra, want), place


@pytest.mark.parametrize("algebra", ALGEBRAS, ids=repr)
def test_groups_may_begin_anywhere_and_be_empty(algebra, seed):
    states = lifted(algebra, 40, np.random.default_rng([seed, 40]))
    ends = np.array([7, 7, 8, 19, 33, 33])
    found = algebra.reduce(states, ends)
    assert found.n == len(ends) - 1
    same(algebra, found, by_hand(algebra, states, ends[:-1], ends[1:]))


@pytest.mark.parametrize("algebra", ALGEBRAS, ids=repr)
def test_events_that_do_not_count_leave_no_trace(algebra, seed):
    states = lifted(algebra, 9, np.random.default_rng(seed), share=0.0)
    whole = algebra.reduce(states, np.array([0, 9]))
    assert meaning(algebra, whole) == meaning(algebra, algebra.zero(1))


@pytest.mark.parametrize("n", [0, 1, 40, 200])
@pytest.mark.parametrize("order", range(4))
def test_measures_merged_together_are_merged_one_by_one(order, n, seed):
    shuffle = np.random.default_rng([seed, order, n])
    algebras = [ALGEBRAS[place] for place in shuffle.permutation(len(ALGEBRAS))]
    measures = [lifted(algebra, n, shuffle, some=order % 2 == 1) for algebra in algebras]
    lo, hi = np.append(np.sort(shuffle.integers(0, n + 1, (2, 12)), axis=0), [[n, 0, n], [n, n, 0]], axis=1)
    ranges = Ranges(lo, hi)
    assert ranges.total <= together.FEW
    found = together.Together(algebras).over(measures, ranges)
    for algebra, states, own in zip(algebras, measures, found, strict=True):
        assert own.n == len(lo)
        same(algebra, own, by_hand(algebra, states, lo, hi))


@pytest.mark.parametrize("count", [4, 12], ids=["in pieces", "row by row"])
def test_many_rows_are_merged_as_few_are(monkeypatch, count, seed):
    shuffle = np.random.default_rng(seed)
    measures = [lifted(algebra, 300, shuffle) for algebra in ALGEBRAS]
    lo, hi = np.sort(shuffle.integers(5, 301, (2, count)), axis=0)
    monkeypatch.setattr(together, "FEW", 0)
    found = together.Together(ALGEBRAS).over(measures, Ranges(lo, hi))
    for algebra, states, own in zip(ALGEBRAS, measures, found, strict=True):
        same(algebra, own, by_hand(algebra, states, lo, hi))


@pytest.mark.parametrize("algebra", ALGEBRAS, ids=repr)
def test_ranges_of_pieces_are_ranges_of_their_rows(algebra, seed):
    shuffle = np.random.default_rng([seed, 9])
    states = lifted(algebra, 500, shuffle)
    lo, hi = np.append(shuffle.integers(20, 500, (2, 8)), [[30, 60, 500], [30, 40, 500]], axis=1)
    cuts, pieces = Ranges(lo, hi).coarse(500)
    assert pieces.total < 500 / 4
    found = RangeIndex(algebra, algebra.reduce(states, cuts)).over(pieces)
    same(algebra, found, by_hand(algebra, states, lo, hi))


def test_pieces_are_made_only_of_few_ranges_that_hold_rows():
    zero, ten = np.zeros(10, np.int64), np.full(10, 10)
    assert Ranges(zero, ten).coarse(40) is not None
    assert Ranges(zero, ten).coarse(39) is None, "as many pieces as rows"
    assert Ranges(ten, ten).coarse(40) is None
    assert Ranges(np.arange(10), 20 + np.arange(10)).coarse(99) is None, "each range is ten pieces"


@pytest.mark.parametrize("algebra", ALGEBRAS, ids=repr)
@pytest.mark.parametrize("n", SIZES)
def test_ranges_from_anywhere_to_anywhere(algebra, n, seed):
    shuffle = np.random.default_rng([seed, n])
    queries = 40 if n < 1000 else 25
    states = lifted(algebra, n, shuffle, some=n % 2 == 1)
    lo, hi = shuffle.integers(0, n + 1, (2, queries))
    check(algebra, states, np.minimum(lo, hi), np.maximum(lo, hi))


@pytest.mark.parametrize(
    "algebra", [Moments(INT64), Extreme(STRING, greatest=False), Edge(INT64, newest=True)], ids=repr
)
def test_ranges_that_start_and_end_at_the_edges_of_blocks(algebra, seed):
    n = 4 * BLOCK + 5
    states = lifted(algebra, n, np.random.default_rng(seed))
    edges = [edge + beside for edge in range(0, n, BLOCK) for beside in (-1, 0, 1)] + [n]
    pairs = [(a, b) for a in edges for b in edges if 0 <= a <= b <= n]
    lo, hi = np.array(pairs).T
    check(algebra, states, lo, hi)


@pytest.mark.parametrize("algebra", ALGEBRAS, ids=repr)
def test_ranges_of_tiles(algebra, seed):
    """States of several events each, as loads and pushes leave them."""
    shuffle = np.random.default_rng([seed, 7])
    events = lifted(algebra, 400, shuffle)
    cuts = np.sort(shuffle.choice(400, 120, replace=False))
    tiles = algebra.reduce(events, np.concatenate([[0], cuts, [400]]))
    lo = shuffle.integers(0, tiles.n, 60)
    check(algebra, tiles, lo, np.minimum(lo + shuffle.integers(0, 9, 60), tiles.n))


def test_all_of_many_rows_again_and_again(seed):
    """The longest ranges over several levels of blocks."""
    n = BLOCK * BLOCK * 2 + 3
    states = lifted(Extreme(INT64, greatest=True), n, np.random.default_rng(seed))
    lo, hi = np.arange(10), n - np.arange(10)
    check(Extreme(INT64, greatest=True), states, lo, hi)


def test_a_range_that_ends_before_it_starts_is_empty():
    for algebra in (Counting(), Recent(), Newest(STRING, 3)):
        states = lifted(algebra, 9, np.random.default_rng(0), some=False)
        found = RangeIndex(algebra, states).over(Ranges(np.array([5, 3]), np.array([3, 5])))
        assert meaning(algebra, found)[0] == meaning(algebra, algebra.zero(1))[0]
        assert (
            meaning(algebra, found)[1]
            == meaning(algebra, by_hand(algebra, states, np.array([3]), np.array([5]))[0])[0]
        )


@pytest.mark.parametrize("algebra", [Edge(INT64, newest=True), Newest(STRING, 3), DistinctHashes()], ids=repr)
@pytest.mark.parametrize("pool", [1, 5, 64])
def test_what_is_gathered_in_several_steps_is_the_same(algebra, pool, seed, monkeypatch):
    shuffle = np.random.default_rng([seed, pool])
    states = lifted(algebra, 50, shuffle)
    lo = np.sort(shuffle.integers(0, 51, 30))
    hi = np.minimum(lo + shuffle.integers(0, 9, 30), 50)
    monkeypatch.setattr(pools, "POOL", pool)
    check(algebra, states, lo, hi)


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("pool", [50, 1 << 22])
@pytest.mark.parametrize("algebra", ENTRIES, ids=repr)
def test_blocks_of_entries_are_their_rows(algebra, pool, tiled, seed, monkeypatch):
    """Many long ranges, so that blocks of several levels are merged once."""
    shuffle = np.random.default_rng([seed, pool, tiled])
    n = 700
    states = lifted(algebra, n, shuffle)
    if tiled:
        cuts = np.sort(shuffle.choice(n, 300, replace=False))
        states = algebra.reduce(states, np.concatenate([[0], cuts, [n]]))
    lo, hi = np.sort(shuffle.integers(0, states.n + 1, (2, 60)), axis=0)
    monkeypatch.setattr(pools, "POOL", pool)
    monkeypatch.setattr(pools, "WORTH", 0.01)
    monkeypatch.setattr(sliding, "LEAST", 1 << 60)
    check(algebra, states, lo, hi)


def test_flags_of_maps_are_those_of_the_rows_in_the_range():
    algebra = ByKey(Counting(), INT64, 1)
    states = lifted(algebra, 6, np.random.default_rng(1), some=False)
    flagged = States(
        6, (np.array([0, 1, 0, 0, 1, 0], np.uint8),), states.offsets, states.entries, states.dictionaries
    )
    lo, hi = np.array([0, 2, 2, 4, 5, 1]), np.array([1, 3, 2, 5, 6, 2])
    assert RangeIndex(algebra, flagged).over(Ranges(lo, hi)).fixed[0].tolist() == [0, 0, 0, 1, 0, 1]
