"""Events are sorted, and their order keys compare, by the total order; copies of one count once."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.kernel.duplicates import first_copies
from headrace.kernel.order import EventOrder, instant_bytes, order_keys, sort_events
from headrace.kernel.row_bytes import row_bytes
from headrace.schema import Schema
from headrace.testing.driving import bind_case, clean_events
from headrace.testing.generate import cases
from headrace.testing.oracle import deduplicated
from tests.effort import cases as effort
from tests.online.small import NOON, SCHEMA, Click, clicks

if TYPE_CHECKING:
    from headrace.testing.formulas import Event
    from headrace.testing.generate import Case


def instants(events: list[Event]) -> tuple[np.ndarray, np.ndarray]:
    time = np.array([event.time for event in events], dtype=np.int64)
    return time, np.array([event.known for event in events], dtype=np.int64)


@pytest.mark.soak
@settings(max_examples=effort(80), suppress_health_check=list(HealthCheck))
@given(case=cases(), shuffle=st.randoms(use_true_random=False), entities=st.integers(1, 3))
def test_events_are_sorted_by_entity_and_the_total_order(case: Case, shuffle, entities: int) -> None:
    log = shuffle.sample(case.accepted(), len(case.accepted()))
    entity = np.array([shuffle.randrange(entities) for _ in log], dtype=np.int64)
    time, known = instants(log)
    table = clean_events(case, bind_case(case), log)
    by = sort_events(entity, time, known, table, case.schema, case.event_id).tolist()
    expected = sorted((int(entity[place]), event.place) for place, event in enumerate(log))
    assert [(int(entity[place]), log[place].place) for place in by] == expected
    loosely = sort_events(entity, time, known, None, case.schema, case.event_id).tolist()
    assert [(int(entity[p]), log[p].time) for p in loosely] == [(e, place[0]) for e, place in expected]


@pytest.mark.soak
@settings(max_examples=effort(80), suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_order_keys_compare_as_the_total_order_does(case: Case) -> None:
    log = case.accepted()
    time, known = instants(log)
    table = clean_events(case, bind_case(case), log)
    keys = order_keys(table, [time], known, case.schema, case.event_id).to_pylist()
    assert keys == sorted(keys)
    assert [a == b for a, b in pairwise(keys)] == [a.place == b.place for a, b in pairwise(log)]
    codes = np.arange(len(log), dtype=np.int64)[::-1]
    order = EventOrder(table, time, known, case.schema, case.event_id)
    assert (len(order), order.take(codes).to_pylist()) == (len(log), keys[::-1])


@pytest.mark.soak
@settings(max_examples=effort(80), suppress_health_check=list(HealthCheck))
@given(case=cases(), shuffle=st.randoms(use_true_random=False))
def test_the_copies_that_count_are_the_oracles(case: Case, shuffle) -> None:
    if case.event_id is None:
        return
    log = shuffle.sample(case.accepted(), len(case.accepted()))
    users = sorted({tuple(repr(event.row[key]) for key in case.key_columns) for event in log})
    group = [users.index(tuple(repr(event.row[key]) for key in case.key_columns)) for event in log]
    time, known = instants(log)
    table = clean_events(case, bind_case(case), log)
    found = first_copies(np.array(group, np.int64), time, known, table, case.schema, case.event_id)
    kept = [True] * len(log) if found is None else found.tolist()
    counted = sorted(event.place for event, counts in zip(log, kept, strict=True) if counts)
    expected = deduplicated(case.accepted(), case.key_columns, case.event_id)
    assert counted == [event.place for event in expected]


TIED = [  # oldest first
    Click(NOON, known=NOON + 2, event=None, amount=9),
    Click(NOON, known=NOON + 2, event="a", amount=9),
    Click(NOON, known=NOON + 2, event="b", amount=None),
    Click(NOON, known=NOON + 2, event="b", amount=-1),
    Click(NOON, known=NOON + 2, event="b", amount=1, item=None),
    Click(NOON, known=NOON + 2, event="b", amount=1, item="\x00"),
    Click(NOON, known=NOON + 2, event="b", amount=1, item="x"),
    Click(NOON, known=NOON + 3, event="b", amount=None),
    Click(NOON, known=NOON + 1, event="z", amount=9),
    Click(NOON + 1, known=NOON + 1, event=None, amount=None),
]


def sorted_clicks(events, entity=None, event_id="event"):
    table = clicks(*events)
    codes = np.zeros(len(events), np.int64) if entity is None else np.array(entity)
    time, known = (table.column(name).to_numpy() for name in ("__time", "__known"))
    return [events[place] for place in sort_events(codes, time, known, table, SCHEMA, event_id)]


def test_ties_go_by_event_id_then_known_then_all_columns_by_name_nulls_first(seed):
    shuffled = [TIED[place] for place in np.random.default_rng(seed).permutation(len(TIED))]
    assert sorted_clicks(shuffled) == TIED


def test_without_an_event_id_its_column_is_one_among_the_others():
    smaller_amount = Click(NOON, known=NOON, event="z", amount=1)
    greater_amount = Click(NOON, known=NOON, event="a", amount=2)
    assert sorted_clicks([smaller_amount, greater_amount], event_id=None) == [smaller_amount, greater_amount]
    assert sorted_clicks([smaller_amount, greater_amount]) == [greater_amount, smaller_amount]


def test_events_of_one_instant_are_no_ties_across_entities():
    first, second = TIED[7], TIED[0]
    assert sorted_clicks([second, first], [1, 0]) == [first, second]


def test_many_entities_over_all_the_years_there_are(seed):
    """Entity and instant do not fit one key then."""
    shuffle = np.random.default_rng(seed)
    entity = shuffle.permutation(np.repeat(np.arange(40), 3))
    time = shuffle.choice([-62_135_596_800_000_000, 0, 253_402_300_799_999_999], 120)
    by = sort_events(entity, time, time, None, SCHEMA, None)
    assert list(zip(entity[by], time[by], strict=True)) == sorted(zip(entity, time, strict=True))


COPIES = [  # the one that counts first
    Click(NOON + 5, known=NOON + 6, event="e", amount=9),
    Click(NOON - 9, known=NOON + 7, event="e", amount=None),
    Click(NOON - 9, known=NOON + 7, event="e", amount=1),
    Click(NOON - 8, known=NOON + 7, event="e", amount=0),
    Click(NOON - 20, known=NOON + 8, event="e", amount=0),
]


@pytest.mark.parametrize("first", range(len(COPIES)))
def test_the_copy_of_smallest_known_then_event_time_then_bytes_counts(first, seed):
    copies = COPIES[first:]
    shuffled = [copies[place] for place in np.random.default_rng(seed).permutation(len(copies))]
    table = clicks(*shuffled)
    time, known = (table.column(name).to_numpy() for name in ("__time", "__known"))
    found = first_copies(np.zeros(len(copies), np.int64), time, known, table, SCHEMA, "event")
    kept = [True] if found is None else found.tolist()
    assert [click for click, counts in zip(shuffled, kept, strict=True) if counts] == [COPIES[first]]


@pytest.mark.parametrize("of", ["string", "binary", "int64", "timestamp", "date"])
def test_an_id_of_any_type_names_one_event(of):
    schema = Schema({"id": of})
    ids = {"string": ["a", "b"], "binary": [b"", b"\0"]}.get(of, [7, -7])
    column = pa.array([ids[0], None, ids[1], ids[0], None, ids[0]])
    if of == "date":
        column = column.cast(pa.int32())
    known = np.array([3, 0, 1, 2, 0, 1])
    table = pa.table({"id": column.cast(schema["id"].arrow())})
    found = first_copies(np.array([0, 0, 0, 0, 0, 1]), known, known, table, schema, "id")
    assert found.tolist() == [False, True, True, True, True, True]


def test_minus_zero_is_zero():
    rows = pa.table({"x": pa.array([-0.0, 0.0, -5e-324, 5e-324])})
    minus, zero, below, above = row_bytes(rows, Schema({"x": "double"})).to_pylist()
    assert minus == zero
    assert below < zero < above


def test_instants_as_bytes_compare_as_they_do():
    values = [-(2**63), -(2**40), -256, -1, 0, 1, 255, 256, 2**40, 2**63 - 1]
    keys = instant_bytes(np.array(values)).to_pylist()
    assert keys == sorted(keys)
    assert {len(key) for key in keys} == {8}
    assert pa.types.is_binary(instant_bytes(np.array([0])).type)
