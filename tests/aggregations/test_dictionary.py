"""Dictionaries: codes compare as their values do, and give them back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.aggregations.dictionary import order_within, unify

SHARED = b"the same eight bytes and more"[:8]
VALUES = st.one_of(
    st.binary(min_size=8, max_size=12),
    st.builds(lambda tail: SHARED + tail, st.binary(max_size=3)),
    st.binary(max_size=9),
)


@given(rows=st.lists(st.tuples(st.integers(0, 3), VALUES), max_size=30), ascending=st.booleans())
@example(rows=[(1, SHARED + b"b"), (0, SHARED + b"c"), (1, SHARED + b"a"), (1, SHARED)], ascending=False)
@example(rows=[(0, SHARED + b"b"), (0, SHARED + b"a")], ascending=False)
@example(rows=[(0, b"b" * 10), (0, b"b" * 9), (0, b"c" * 8), (1, b"a" * 10), (1, b"a" * 9)], ascending=False)
@example(rows=[(0, b"\xff" * 8), (0, b"\x00" * 8), (2, b"\x80" * 9)], ascending=True)
def test_codes_compare_as_values_do_within_an_owner(rows, ascending):
    rows = sorted(rows) if ascending else rows
    owner = [whose for whose, _ in rows]
    values = [value for _, value in rows]
    dictionary, codes = order_within(pa.array(values, pa.binary()), np.array(owner, np.int64))
    assert dictionary.take(codes).to_pylist() == values
    for a, first in enumerate(rows):
        for b, second in enumerate(rows):
            if first[0] == second[0] and first[1] < second[1]:
                assert codes[a] < codes[b]


@given(st.lists(VALUES, min_size=1, max_size=10), st.lists(VALUES, min_size=1, max_size=10))
def test_dictionaries_of_owners_become_one(left, right):
    parts = [
        order_within(pa.array(values, pa.binary()), np.zeros(len(values), np.int64))
        for values in (left, right)
    ]
    dictionary, columns = unify(parts)
    given_back = [value for column in columns for value in dictionary.take(column).to_pylist()]
    assert given_back == left + right
    codes = np.concatenate(columns)
    assert sorted(codes, key=lambda code: given_back[list(codes).index(code)]) == sorted(codes)
