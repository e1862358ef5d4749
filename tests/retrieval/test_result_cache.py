"""A cache of results changes no answer: whatever the inputs, the contexts and the clock do."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace.clock import SECOND, FixedClock
from headrace.errors import DefinitionError
from headrace.kernel.columns import INVALID, NULL_VALUE, PRESENT, ArrowColumn
from headrace.retrieval.deadline import Deadline
from headrace.retrieval.on_demand import run_functions
from headrace.retrieval.plan import Member, RetrievalPlan
from headrace.retrieval.result_cache import NEGATIVE, Recall, ResultCache

if TYPE_CHECKING:
    from headrace.definitions.on_demand import OnDemandFeature

MINUTE = 60 * SECOND
AWKWARD = ["1", 1, True, 1.0, -0.0, 0.0, 0, False, None, "None", "", b"1", "é", "e\u0301", "1, ", Decimal(1)]
AWKWARD += [
    Decimal("1.0"),
    [],
    [1],
    ["1"],
    [[1]],
    [None],
    [1, 2],
    [[1], [2]],
    {"a": 1},
    {"a": "1"},
    {"a": [1]},
]
AWKWARD += [
    dt.date(2026, 1, 1),
    dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    "2026-01-01",
    "'",
    '"',
    "[1]",
    "\ud800",
]


def asked(
    functions: list[OnDemandFeature],
    inputs: dict[str, dict[str, tuple[int, str]]],
) -> RetrievalPlan:
    """A plan of functions over one view's columns."""
    members = tuple(Member(each.name, each.reference, -1, each.output) for each in functions)
    request = {name: of for each in functions for name, of in each.request.items()}
    return RetrievalPlan((), tuple(functions), members, inputs, {}, request)


@hr.on_demand(request={"x": "int64"}, output="string", cache="60s")
def told(x):
    return repr(x)


def keyed(value: Any) -> str | None:
    return Recall(ResultCache(FixedClock(0)), {"told@1": 1}, ["u1"]).key(told, 0, {"x": value})


def test_values_that_differ_have_different_keys() -> None:
    keys = [keyed(value) for value in AWKWARD]
    assert None not in keys
    assert len(set(keys)) == len(AWKWARD)


def test_entities_versions_and_functions_have_different_keys() -> None:
    @hr.on_demand(request={"x": "int64"}, output="string", cache="60s", version="2")
    def told(x):
        return repr(x)

    @hr.on_demand(request={"x": "int64"}, output="string", cache="60s")
    def other(x):
        return repr(x)

    lifetimes = {"told@1": 1, "told@2": 1, "other@1": 1}
    recall = Recall(ResultCache(FixedClock(0)), lifetimes, [(b"u1",), (b"u2",), (None,), ()])
    keys = {recall.key(each, row, {"x": 1}) for each in (told, other, globals()["told"]) for row in range(4)}
    assert len(keys) == 12


scalars = st.sampled_from([0, 1, 2, None])
requests = st.tuples(
    st.integers(0, 40 * SECOND),  # the clock goes on by this
    st.lists(
        st.tuples(st.sampled_from(["u1", "u2"]), scalars, scalars, st.booleans()), min_size=1, max_size=4
    ),
)


@given(st.lists(requests, max_size=12), st.sampled_from([0, 900, 2_500, 10**6]))
def test_a_cache_changes_no_answer(drawn: list[Any], most_bytes: int) -> None:
    @hr.on_demand(inputs={"stored": "v:stored"}, request={"bid": "int64"}, output="list<int64>", cache="30s")
    def paired(stored, bid):
        if stored == 2 and bid == 2:
            raise ValueError("both are 2")
        if stored is None:
            return None
        return [stored, bid]

    @hr.on_demand(inputs={"pair": "paired"}, output="int64", cache="60s")
    def total(pair):
        pair.append(0)
        return sum(each or 0 for each in pair)

    inputs = {"paired@1": {"stored": (0, "stored")}, "total@1": {"pair": (-1, "paired@1")}}
    plan = asked([paired, total], inputs)
    clock = FixedClock(0)
    cache = ResultCache(clock, most_bytes)
    for step, rows in drawn:
        clock.advance(step)
        stored = pa.array([row[1] for row in rows], pa.int64())
        status = np.array([INVALID if row[3] and row[1] is None else PRESENT for row in rows], dtype=np.uint8)
        view = {"stored": ArrowColumn(stored, status, np.zeros(len(rows), dtype=np.int64), "a store error")}
        request = {"bid": [row[2] for row in rows]}
        t = np.full(len(rows), clock.now(), dtype=np.int64)
        recall = Recall(cache, {"paired@1": 30 * SECOND, "total@1": 30 * SECOND}, [row[0] for row in rows])
        plain = run_functions(plan, [view], request, t)
        cached = run_functions(plan, [view], request, t, recall=recall)
        for name, column in plain.items():
            assert cached[name].to_list() == column.to_list()
            assert cached[name].status.tolist() == column.status.tolist()
            assert dict(cached[name].reasons) == dict(column.reasons)
        assert cache.size <= most_bytes


def calls_of(values: list[int | None], times: list[int]) -> tuple[list[Any], ResultCache]:
    """How a function is called at instants, each with one stored value."""
    called: list[Any] = []

    @hr.on_demand(inputs={"stored": "v:stored"}, output="int64", cache="60s")
    def seen(stored):
        called.append(stored)
        return stored

    clock = FixedClock(0)
    cache = ResultCache(clock)
    plan = asked([seen], {"seen@1": {"stored": (0, "stored")}})
    for value, at in zip(values, times, strict=True):
        clock.advance(at - clock.now())
        one = ArrowColumn(
            pa.array([value], pa.int64()), np.ones(1, dtype=np.uint8), np.zeros(1, dtype=np.int64)
        )
        found = run_functions(
            plan,
            [{"stored": one}],
            {},
            np.zeros(1, dtype=np.int64),
            recall=Recall(cache, {"seen@1": MINUTE}, ["u1"]),
        )
        assert found["seen"].to_list() == [value]
        assert found["seen"].status.tolist() == [NULL_VALUE if value is None else PRESENT]
    return called, cache


def test_a_result_lives_as_long_as_it_may() -> None:
    called, cache = calls_of([7, 7, 7, 7], [0, MINUTE - 1, MINUTE, MINUTE + 1])
    assert (called, cache.hits, cache.misses) == ([7, 7], 2, 2)


def test_a_changed_latest_value_is_seen_at_once() -> None:
    called, _ = calls_of([7, 8, 7, 8], [0, 1, 2, 3])
    assert called == [7, 8]


def test_a_null_lives_200_ms_at_most() -> None:
    called, _ = calls_of([None] * 3, [0, NEGATIVE - 1, NEGATIVE])
    assert (called, NEGATIVE) == ([None, None], 200_000)


def test_neither_failures_nor_late_results_are_kept() -> None:
    clock = FixedClock(0)

    @hr.on_demand(request={"x": "int64"}, output="int64", cache="60s")
    def late(x):
        if x:
            raise ValueError("no")
        clock.advance(10)
        return x

    cache = ResultCache(clock)
    plan = asked([late], {"late@1": {}})
    recall = Recall(cache, {"late@1": MINUTE}, ["u1", "u1"])
    t = np.zeros(2, dtype=np.int64)
    found = run_functions(plan, [], {"x": [1, 0]}, t, deadline=Deadline(5, clock), recall=recall)
    assert found["late"].status.tolist() == [INVALID, INVALID]
    assert len(cache) == 0


def test_memory_is_bounded_and_what_was_used_last_stays() -> None:
    cache = ResultCache(FixedClock(0), most_bytes=20_000)
    for number in range(1_000):
        cache.put(f"key {number}", "x" * 100, MINUTE)
        assert cache.get("key 0") is not None
        assert cache.size <= 20_000
    assert 10 < len(cache) < 50
    cache.put("large", "x" * 100_000, MINUTE)
    assert cache.get("large") is None


def test_what_takes_request_time_cannot_be_cached() -> None:
    with pytest.raises(DefinitionError, match="request_time"):

        @hr.on_demand(output="int64", cache="60s")
        def moving(request_time):
            return request_time.hour


@pytest.mark.parametrize("wrong", ["0s", "soon", 60, -1], ids=str)
def test_what_is_no_time_to_live_is_refused(wrong: Any) -> None:
    with pytest.raises(DefinitionError, match="cache"):

        @hr.on_demand(output="int64", cache=wrong)
        def one():
            return 1
