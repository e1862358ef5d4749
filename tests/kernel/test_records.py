"""Rows survive their bytes: many entities at a time, empty ones among them, values of any width."""

from __future__ import annotations

import numpy as np
import pytest

from headrace import agg
from headrace.kernel.events import rows_of_events
from headrace.kernel.plan import compile_view
from headrace.kernel.point_in_time import features_at
from headrace.kernel.records import RecordFormat
from headrace.kernel.rows import Rows
from headrace.kernel.tiles import tile
from headrace.testing.lifting import meaning
from tests.online.small import HOUR, NOON, SCHEMA, Click, clicks

FEATURES = [
    agg.count("n", windows=["1h"]),
    agg.sum("total", "amount", windows=["1h"]),
    agg.min("least", "item", windows=["1h"]),
    agg.first("first", "item", windows=["1h"]),
    agg.last_k("items", "item", k=2, windows=["1h"]),
    agg.count("by_item", by="item", max_keys=2, windows=["1h"]),
    agg.distinct("users", "amount", windows=["1h"]),
]
PLAN = compile_view(FEATURES, SCHEMA)
WORDS = ["", "a", None, "much longer than that", "\x00", "ü", "a\x00b"]


def rows_of(groups, seed=0):
    """Events of `groups[i]` rows for entity i."""
    shuffle = np.random.default_rng(seed)
    entity = np.repeat(np.arange(len(groups)), groups)
    events = [
        Click(
            NOON + int(shuffle.integers(HOUR)),
            amount=int(shuffle.choice([-(2**63), 2**63 - 1, 0, 5])),
            item=WORDS[int(shuffle.integers(len(WORDS)))],
            known=NOON + 2 * HOUR + int(shuffle.integers(9)),
        )
        for _ in entity
    ]
    return rows_of_events(PLAN, clicks(*events), entity, SCHEMA, None)


def bounds_of(rows, groups):
    return np.searchsorted(rows.entity, np.arange(len(groups) + 1))


def meanings(rows):
    return [
        meaning(measure.algebra, states) for measure, states in zip(PLAN.measures, rows.measures, strict=True)
    ]


GROUPS = [[3, 0, 1, 7, 0], [1], [0, 5, 2, 9]]


@pytest.mark.parametrize("groups", GROUPS, ids=str)
def test_tiles_survive_their_bytes(groups):
    rows = tile(PLAN, rows_of(groups))
    form = RecordFormat(PLAN)
    records = form.pack(rows, bounds_of(rows, groups))
    assert len(records) == len(groups)
    back = form.unpack(records, np.arange(len(groups)) * 2)
    assert back.entity.tolist() == (rows.entity * 2).tolist()
    assert back.time.tolist() == rows.time.tolist()
    assert back.known is None  # a tile counts from its start on
    assert meanings(back) == meanings(rows)


@pytest.mark.parametrize("groups", GROUPS, ids=str)
def test_events_that_wait_keep_their_known_instants(groups):
    rows = rows_of(groups)
    form = RecordFormat(PLAN, pending=True)
    back = form.unpack(form.pack(rows, bounds_of(rows, groups)), np.arange(len(groups)))
    assert back.known.tolist() == rows.known.tolist()
    assert (back.time.tolist(), meanings(back)) == (rows.time.tolist(), meanings(rows))
    at_once = Rows(rows.entity, rows.time, None, rows.measures)
    again = form.unpack(form.pack(at_once, bounds_of(rows, groups)), np.arange(len(groups)))
    assert again.known.tolist() == rows.time.tolist()


def test_a_record_holds_the_rows_of_its_span_only():
    groups = [3, 4, 2]
    rows = rows_of(groups)
    form = RecordFormat(PLAN)
    records = form.pack(rows, bounds_of(rows, groups))
    back = form.unpack([records[2], records[0]], np.array([7, 9]))
    assert back.entity.tolist() == [7, 7, 9, 9, 9]
    own = [rows.take(np.flatnonzero(rows.entity == entity)) for entity in (2, 0)]
    assert meanings(back) == [
        [*left, *right] for left, right in zip(meanings(own[0]), meanings(own[1]), strict=True)
    ]


def test_records_are_bytes_of_the_data_alone():
    """Codes do not leave the process: what else was in the dictionaries does not show."""
    rows = rows_of([3, 4, 2])
    form = RecordFormat(PLAN)
    together = form.pack(rows, np.array([0, 3, 7, 9]))
    alone = [
        form.pack(rows_of_one, np.array([0, len(rows_of_one)]))[0]
        for rows_of_one in (form.unpack([record], np.array([0])) for record in together)
    ]
    assert alone == together


def test_no_records_are_no_rows():
    back = RecordFormat(PLAN).unpack([], np.zeros(0, dtype=np.int64))
    assert len(back) == 0
    columns = features_at(PLAN, back, np.array([0]), np.array([NOON]))
    assert columns["n_1h"].to_list() == columns["n_1h"].values.to_pylist() == [0]
