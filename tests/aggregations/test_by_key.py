"""Maps by key at their limit of keys."""

from __future__ import annotations

import random

import numpy as np

from headrace import agg
from headrace.aggregations.by_key import ByKey
from headrace.aggregations.count import Counting
from headrace.aggregations.states import Events, Values
from headrace.schema import INT64, Schema
from headrace.testing.laws import check_aggregations

MAP = ByKey(Counting(), INT64, max_keys=2)


def maps(*groups):
    """A state for each group of keys."""
    keys = np.array([key for group in groups for key in group], dtype=np.int64)
    lifted = MAP.lift(Events(len(keys), None, (Values(keys, INT64),), keys))
    return MAP.reduce(lifted, np.cumsum([0, *map(len, groups)]))


def test_a_map_that_is_just_full_is_whole_beside_one_that_lost_keys():
    assert maps([1, 2, 1], [3, 4, 5], [6]).fixed[0].tolist() == [0, 1, 0]


def test_what_lost_keys_once_is_truncated_for_ever():
    found = MAP.reduce(maps([1, 2, 3], [1], [4], [5, 6], [7]), np.array([0, 2, 5]))
    assert found.fixed[0].tolist() == [1, 1], "the first lost a key before, the second does now"
    assert np.diff(found.offsets).tolist() == [2, 2]


def test_of_a_row_that_loses_none_in_a_merge_the_flag_stays():
    lost = maps([1, 2, 3])
    kept = lost.entries[0].tolist()
    found = MAP.reduce(maps([1, 2, 3], kept, [4], [5, 6]), np.array([0, 2, 4]))
    assert found.fixed[0].tolist() == [1, 1]


def test_a_rate_by_key_is_cut_to_the_keys_of_both_its_counts(seed):
    """Each count is cut by itself; what both say together is cut again, and says so."""
    schema = Schema({"ts": "timestamp", "word": "string"})
    rows = [{"ts": n, "word": f"w{n % 13}", "even": n % 2 == 0, "third": n % 3 == 0} for n in range(60)]
    for most in (3, 6, 7, 12, 13):
        features = [
            agg.count("clicks", where="even", windows="all"),
            agg.count("views", where="third", windows="all"),
            agg.rate("f", numerator="clicks", denominator="views", by="word", max_keys=most, windows="all"),
        ]
        check_aggregations(features, rows, types=schema, timestamp="ts", t=99, shuffle=random.Random(seed))
