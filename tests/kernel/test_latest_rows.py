"""Latest values beyond drawn cases: rows too far apart for one key, and the order of rows as bytes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from headrace.kernel.latest import created_instants, latest_keys, latest_rows, sort_latest
from headrace.schema import Schema
from headrace.testing.generate_latest import LatestCase, latest_cases
from tests.effort import cases

YEAR_1, YEAR_9999 = -62_135_596_800_000_000, 253_402_300_799_999_999


@pytest.mark.parametrize("late", [False, True])
def test_rows_of_many_entities_over_all_the_years_there_are(late):
    """Entities and instants do not fit one key: rows are cut between entities."""
    entity, time = np.repeat(np.arange(60), 3), np.tile([YEAR_1, 0, YEAR_9999], 60)
    known = np.where(time == 0, 2, time) if late else None
    asked = np.random.default_rng(0).permutation(np.tile(np.arange(-1, 61), 3))
    t = np.repeat([1, YEAR_9999, YEAR_9999 + 1], 62)
    newest = np.select([t == 1, t == YEAR_9999], [0 if late else 1, 1], 2)
    expected = np.where((asked >= 0) & (asked < 60), asked * 3 + newest, -1)
    assert latest_rows(entity, time, known, asked, t).tolist() == expected.tolist()


def test_without_rows_there_is_no_newest():
    nothing = np.zeros(0, dtype=np.int64)
    assert latest_rows(nothing, nothing, None, np.array([3, 1]), np.array([5, 5])).tolist() == [-1, -1]


@pytest.mark.soak
@settings(max_examples=cases(100), suppress_health_check=list(HealthCheck))
@given(latest_cases())
def test_keys_compare_as_rows_are_sorted(case: LatestCase) -> None:
    log = case.accepted()[::-1]
    columns = {name: [event.row[name] for event in log] for name in case.schema}
    table = pa.table({name: pa.array(values, case.schema[name].arrow()) for name, values in columns.items()})
    time = np.array([event.time for event in log], dtype=np.int64)
    known = np.array([event.known for event in log], dtype=np.int64)
    created = created_instants(table, case.created_at) if case.created_at else None
    by = sort_latest(np.zeros(len(log), np.int64), time, created, known, table, case.schema)
    rows = table.append_column("__time", pa.array(time)).append_column("__known", pa.array(known))
    keys = latest_keys(rows, case.schema, case.created_at).to_pylist()
    assert [keys[place] for place in by.tolist()] == sorted(keys)
    assert len(set(keys)) == len({(time[p], known[p], tuple(event.content)) for p, event in enumerate(log)})


def test_an_id_comes_before_the_known_instant_in_both_forms_of_the_order() -> None:
    schema = Schema({"id": "string", "value": "int64"})
    ids, known = ["b", "a", "a", "b"], np.array([5, 9, 7, 4])
    table = pa.table({"id": ids, "value": [1, 1, 2, 1]})
    time = np.full(4, 3)
    by = sort_latest(np.zeros(4, np.int64), time, None, known, table, schema, "id").tolist()
    assert by == [2, 1, 3, 0]
    rows = table.append_column("__time", pa.array(time)).append_column("__known", pa.array(known))
    keys = latest_keys(rows, schema, None, "id").to_pylist()
    assert [keys[place] for place in by] == sorted(keys)
    assert sort_latest(np.zeros(4, np.int64), time, None, known, table, schema).tolist() == [3, 0, 2, 1]


def test_of_one_event_time_the_row_made_last_is_the_newest_however_late_it_was_known() -> None:
    schema = Schema({"value": "int64"})
    table = pa.table({"value": [3, 2, 1]})
    entity, time, created, known = (
        np.zeros(3, np.int64),
        np.full(3, 7),
        np.array([9, 8, 10]),
        np.array([7, 9, 8]),
    )
    assert sort_latest(entity, time, created, known, table, schema).tolist() == [1, 0, 2]
    assert sort_latest(entity, time, None, known, table, schema).tolist() == [0, 2, 1]


def test_rows_of_nobody_are_left_out() -> None:
    entity, time = np.array([1, -1, 0, -1, 1]), np.array([4, 2, 3, 2, 1])
    table = pa.table({"value": [1, 2, 3, 4, 5]})
    assert sort_latest(entity, time, None, time, table, Schema({"value": "int64"})).tolist() == [2, 4, 0]
