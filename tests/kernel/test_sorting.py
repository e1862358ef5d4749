"""Packed sorts equal plain ones, hashes tell texts apart, ties settled in stages end in the total order."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.aggregations.dictionary import distinct
from headrace.kernel.order import order_keys, sort_events
from headrace.kernel.sorting import begins, by_keys, found_in, grouped, repeated, shared, sorted_places
from headrace.kernel.text_hash import hash_texts
from headrace.testing.driving import bind_case, clean_events
from headrace.testing.generate import Case, cases
from tests.effort import cases as effort

NEAR, FAR = st.integers(-3, 3), st.integers(-(2**62), 2**62)
POWERS = st.integers(55, 62).map(lambda bit: 1 << bit)
SHIFTED = st.tuples(FAR | POWERS, st.lists(NEAR, max_size=40)).map(
    lambda drawn: [drawn[0] + key for key in drawn[1]]
)
KEYS = st.lists(NEAR, max_size=40) | SHIFTED | st.lists(NEAR | FAR, max_size=40)


@given(KEYS)
def test_places_are_sorted_as_a_stable_sort_does(keys):
    array = np.array(keys, dtype=np.int64)
    assert sorted_places(array).tolist() == sorted(range(len(keys)), key=keys.__getitem__)


@given(st.integers(1, 3), st.lists(st.tuples(NEAR | FAR, NEAR | FAR, NEAR), max_size=40))
def test_several_keys_sort_as_tuples(count, drawn):
    keys = np.array(drawn, dtype=np.int64).reshape(-1, 3).T[:count]
    tuples = [row[:count] for row in drawn]
    by = by_keys(*keys)
    assert by.tolist() == sorted(range(len(drawn)), key=tuples.__getitem__)
    ordered = sorted(tuples)
    first = [place == 0 or ordered[place - 1] != ordered[place] for place in range(len(ordered))]
    assert begins(*keys[:, by]).tolist() == first


@pytest.mark.parametrize("count", [7, 70_000])
def test_groups_keep_their_rows_in_order(count, seed):
    group = np.random.default_rng(seed).integers(0, count, 500)
    order, ends = grouped(group, count)
    assert order.tolist() == sorted(range(500), key=lambda row: (group[row], row))
    assert np.diff(ends).tolist() == np.bincount(group, minlength=count).tolist()


@given(st.lists(st.integers(0, 2**64 - 1) | st.sampled_from([0, 1 << 63, 2**64 - 1]), max_size=30))
def test_every_repeated_hash_is_found_beside_its_likes(hashes):
    array = np.array(hashes, dtype=np.uint64)
    found = repeated(array).tolist()
    assert len(set(found)) == len(found)
    assert set(found) >= {row for row, each in enumerate(hashes) if hashes.count(each) > 1}


ALIKE = [b"", b"\0", b"\0\0", b"a", b"a\0", b"a" * 300, b"a" * 301]
TEXTS = st.lists(st.binary(max_size=40) | st.sampled_from(ALIKE), max_size=20)


@given(TEXTS, st.integers(0, 3), st.booleans())
def test_equal_texts_and_only_they_have_equal_hashes(texts, skipped, wide):
    column = pa.array(texts, pa.large_binary() if wide else pa.binary()).slice(min(skipped, len(texts)))
    hashes = hash_texts(column).tolist()
    kept = column.to_pylist()
    assert len(hashes) == len(kept)
    assert [[a == b for b in hashes] for a in hashes] == [[a == b for b in kept] for a in kept]


@given(TEXTS, st.data())
def test_a_null_is_hashed_as_nothing_whatever_bytes_it_hides(texts, data):
    null = np.array(data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts))), dtype=bool)
    whole = pa.array(texts, pa.large_binary())
    hiding = pa.Array.from_buffers(
        whole.type, len(texts), [pa.py_buffer(np.packbits(~null, bitorder="little")), *whole.buffers()[1:]]
    )
    bare = pa.array([b"" if gone else text for text, gone in zip(texts, null, strict=True)], whole.type)
    assert hash_texts(hiding).tolist() == hash_texts(bare).tolist()


HASHES = st.lists(st.integers(0, 9) | st.sampled_from([2**63, 2**64 - 1]), max_size=30)


@given(HASHES, HASHES)
def test_what_two_sides_share_and_which_of_one_are_on_the_other(left, right):
    one, other = (np.array(side, dtype=np.uint64) for side in (left, right))
    assert distinct(one).tolist() == sorted(set(left))
    assert shared(distinct(one), distinct(other)).tolist() == sorted({*left} & {*right})
    assert found_in(one, distinct(other)).tolist() == [each in right for each in left]


@pytest.mark.soak
@settings(max_examples=effort(60), suppress_health_check=list(HealthCheck))
@given(case=cases(), shuffle=st.randoms(use_true_random=False))
def test_stage_by_stage_equals_the_rank_of_whole_order_keys(case: Case, shuffle) -> None:
    log = case.accepted() * 2  # every event twice: ties through all stages
    shuffle.shuffle(log)
    entity = np.array([shuffle.randrange(2) for _ in log], dtype=np.int64)
    time, known = (
        np.array([getattr(event, name) for event in log], dtype=np.int64) for name in ("time", "known")
    )
    table = clean_events(case, bind_case(case), log)
    keys = order_keys(table, [time], known, case.schema, case.event_id)
    rank = pc.rank(keys, tiebreaker="dense").to_numpy()
    by = sort_events(entity, time, known, table, case.schema, case.event_id)
    at_once = np.lexsort((rank, entity))
    assert (entity[by].tolist(), rank[by].tolist()) == (entity[at_once].tolist(), rank[at_once].tolist())
