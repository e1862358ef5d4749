"""The rows known before an instant, in any range, are found each once; so are places and chunks of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.aggregations.count import Counting
from headrace.aggregations.distinct import DistinctHashes
from headrace.aggregations.edge import Edge
from headrace.aggregations.states import Events, Values
from headrace.kernel.place import Places, entity_chunks
from headrace.kernel.visible import Knowledge, Zones, add_zones, pieces
from headrace.schema import INT64
from headrace.testing.lifting import meaning
from headrace.windows import FOREVER_AGO

INSTANTS = st.integers(-4, 12)


@st.composite
def zones(draw):
    known = np.array(draw(st.lists(INSTANTS, min_size=1, max_size=70)), dtype=np.int64)
    ranges = st.tuples(st.integers(0, len(known)), st.integers(0, len(known)), INSTANTS)
    lo, hi, t = np.array(draw(st.lists(ranges, min_size=1, max_size=12)), dtype=np.int64).T
    return known, lo, hi, t


def visible(known, lo, hi, t):
    return [[row for row in range(a, b) if known[row] < at] for a, b, at in zip(lo, hi, t, strict=True)]


@given(zones())
def test_pieces_hold_each_known_row_of_a_zone_once(drawn):
    known, lo, hi, t = drawn
    found = [[] for _ in lo]
    for piece in pieces(Knowledge(known), lo, hi, t):
        for start, stop, zone in zip(piece.lo, piece.hi, piece.zone, strict=True):
            assert start < stop
            found[zone] += piece.rows[start:stop].tolist()
    assert [sorted(rows) for rows in found] == visible(known, lo, hi, t)


@given(zones(), st.sampled_from([Counting(), Edge(INT64, newest=True), DistinctHashes()]))
def test_zones_merge_their_known_rows(drawn, algebra):
    known, lo, hi, t = drawn
    n = len(known)
    events = Events(n, None, (Values(np.arange(n) * 10, INT64),), known, np.arange(n, dtype=np.int64))
    states = algebra.lift(events)
    merged = Zones(Knowledge(known), lo, hi, t).merged(algebra, states)
    expected = visible(known, lo, hi, t)
    assert meaning(algebra, merged) == [merged_rows(algebra, states, rows) for rows in expected]


def merged_rows(algebra, states, rows):
    """What the state of some rows means."""
    own = states.take(np.array(rows, dtype=np.int64))
    return meaning(algebra, algebra.reduce(own, np.array([0, len(rows)])))[0]


@pytest.mark.parametrize("algebra", [Counting(), DistinctHashes()], ids=repr)
def test_zones_are_added_to_the_queries_they_belong_to(algebra):
    numbers = np.arange(11)
    states = algebra.lift(Events(11, None, (Values(numbers, INT64),), numbers))
    certain = algebra.reduce(states, np.arange(5))
    zones_ = algebra.reduce(states, np.array([4, 6, 11]))
    first, second = [4, 5], [6, 7, 8, 9, 10]
    added = meaning(algebra, add_zones(algebra, certain, zones_, np.array([1, -1, 0, 1])))
    expected = [[0, *second], [1], [2, *first], [3, *second]]
    assert added == [merged_rows(algebra, states, rows) for rows in expected]
    assert add_zones(algebra, certain, zones_, np.full(4, -1)) is certain


@st.composite
def sorted_rows(draw):
    near = st.one_of(INSTANTS, st.sampled_from([FOREVER_AGO, -(2**57), 2**57]))
    rows = sorted(
        draw(st.lists(st.tuples(st.integers(0, 3).map(lambda e: e * 2), near), min_size=1, max_size=15))
    )
    asked = draw(st.lists(st.tuples(st.integers(-1, 7), near), min_size=1, max_size=15))
    return rows, asked


@given(sorted_rows())
def test_places_are_lower_bounds_within_an_entity(drawn):
    rows, asked = drawn
    entity, instants = np.array(rows, dtype=np.int64).T
    who, at = np.array(asked, dtype=np.int64).T
    places = Places(entity, instants)
    rank, here = places.rank(who)
    assert here.tolist() == [each in entity for each in who]
    found = places.first(rank, at)
    for place, (e, t) in enumerate(asked):
        if here[place]:
            assert found[place] == sum(1 for row in rows if row < (e, t))


@given(sorted_rows(), st.lists(INSTANTS, min_size=15, max_size=15))
def test_running_places_stop_at_the_first_row_not_known(drawn, known):
    rows, asked = drawn
    entity = np.array([e for e, _ in rows], dtype=np.int64)
    known = np.array(known[: len(rows)], dtype=np.int64)
    places = Places(entity, known, running=True)
    for e, t in asked:
        rank, here = places.rank(np.array([e]))
        if here[0]:
            mine = [row for row in range(len(rows)) if entity[row] == e]
            unknown = [row for row in mine if known[row] >= t]
            assert places.first(rank, np.array([t]))[0] == min(unknown, default=mine[-1] + 1)


@pytest.mark.parametrize("span", [1, 2**40, 2**57, 2**60])
def test_chunks_cut_between_entities_and_fit_their_places(span):
    entity = np.repeat(np.arange(70), 3)
    instants = np.tile(np.array([-span, 0, span]), 70)
    chunks = entity_chunks(entity, instants)
    assert [row for start, stop in chunks for row in range(start, stop)] == list(range(210))
    for start, stop in chunks:
        assert stop == 210 or entity[stop] != entity[stop - 1]
        Places(entity[start:stop], instants[start:stop])
    assert (len(chunks) > 1) == (span >= 2**57)
    assert entity_chunks(entity[:0], instants[:0]) == [(0, 0)]
