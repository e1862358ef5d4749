"""Latest values online: loads and pushes in any order serve what the oracle says, and copies count once."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.clock import DAY, HOUR, FixedClock
from headrace.definitions.source import EventSource, TableSource
from headrace.definitions.stream import Push
from headrace.errors import AsOfTooEarly
from headrace.intake.rejects import no_rejects
from headrace.kernel.binding import LatestBinding
from headrace.kernel.clean import KNOWN, TIME
from headrace.kernel.entities import key_column
from headrace.kernel.parts import BUCKETS
from headrace.online.ingest import Evaluated, Ingest
from headrace.online.materialize import Load
from headrace.online.push import Incoming, apply_events
from headrace.online.read import Asked, read
from headrace.online.record import Stamp
from headrace.online.states import states_of
from headrace.ports.engine import Part
from headrace.schema import Schema
from headrace.stores.memory import MemoryStore
from headrace.testing.agreement import differences
from headrace.testing.driving import answers_of
from headrace.testing.generate_latest import LatestCase, latest_cases
from tests.effort import cases
from tests.online.small import MIDNIGHT, NOON, Click, answers, clicks, ingest, load, load_parts, newest

NOTHING = no_rejects()


def bind(case: LatestCase) -> LatestBinding:
    source = TableSource(
        "rows",
        schema=dict(case.schema),
        timestamp=case.timestamp,
        created_at=case.created_at,
        available_at=case.available_at,
        batch="rows.parquet",
    )
    keys = Schema({name: case.schema[name] for name in case.key_columns})
    features = {name: case.schema[name] for name in case.features}
    return LatestBinding(
        "latest", "1", keys, source, case.schema, features=features, ttl=case.ttl, created_at=case.created_at
    )


def clean(case: LatestCase, log: Any) -> pa.Table:
    columns: dict[str, Any] = {
        TIME: pa.array([event.time for event in log], pa.int64()),
        KNOWN: pa.array([event.known for event in log], pa.int64()),
    }
    for name, of in case.schema.items():
        columns[name] = pa.array([event.row[name] for event in log], of.arrow())
    return pa.table(columns)


@st.composite
def served(draw: st.DrawFn) -> Any:
    """A case; K and t; the order, sizes and partitions of pushes; whether the clock is behind them."""
    case = draw(latest_cases())
    t = draw(st.sampled_from([row["t"] for row in case.spine]))
    known = t // DAY * DAY - draw(st.integers(0, 1)) * DAY
    order = draw(st.permutations([event for event in case.accepted() if known <= event.known < t]))
    sizes = draw(st.lists(st.integers(1, 8), min_size=1, max_size=3))
    return case, t, known, order, sizes, draw(st.lists(st.integers(0, 2), min_size=1, max_size=3))


@pytest.mark.soak
@settings(max_examples=cases(150), suppress_health_check=list(HealthCheck))
@given(drawn=served(), waiting=st.booleans())
def test_latest_values_online_equal_the_oracle(drawn: Any, *, waiting: bool) -> None:
    case, t, known, order, sizes, partitions = drawn
    binding, store = bind(case), MemoryStore(FixedClock(t))
    states = states_of(binding)
    batch = clean(case, [event for event in case.accepted() if event.known < known])
    load_parts(store, [Part(batch, NOTHING, BUCKETS)], Load(binding, known, t, DAY))
    start = turn = 0
    now = known if waiting else t
    while start < len(order):
        size, partition = sizes[turn % len(sizes)], partitions[turn % len(partitions)]
        with store.transaction() as tx:
            rows = clean(case, order[start : start + size])
            apply_events(tx, [Incoming(binding, states, rows, DAY)], Stamp(now, turn, 0, partition))
        start, turn = start + size, turn + 1
    spine = [{**row, "t": t} for row in case.spine]
    expected = dataclasses.replace(case, spine=spine, serving_delay=0).expected()
    asked = pa.table(
        {key: pa.array([row[key] for row in spine], case.schema[key].arrow()) for key in case.key_columns}
        or {"": pa.nulls(len(spine))}
    )
    keys = key_column(asked, binding.keys).to_pylist()
    with store.snapshot() as snapshot:
        answer = read(snapshot, [Asked(binding.id, states, keys, DAY)], now, as_of=t)
    assert differences(expected, answers_of(answer.columns[0])) == []


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(FixedClock(NOON))


def test_a_row_is_valid_up_to_its_ttl_and_known_to_be_old_after(store):
    view = newest(ttl=HOUR)
    old = Click(MIDNIGHT - HOUR, amount=3, known=MIDNIGHT - 5)  # its age counts from when it happened
    load(store, view, MIDNIGHT, old, Click(MIDNIGHT - 1, "v", None))
    assert answers(store, view, ["u", "v", "w"], as_of=MIDNIGHT)["amount"] == [
        (3, "PRESENT", MIDNIGHT - HOUR),
        (None, "NULL_VALUE", MIDNIGHT - 1),
        (None, "NOT_FOUND", None),
    ]
    later = answers(store, view, ["u", "v"], as_of=MIDNIGHT + 1)["amount"]
    assert later == [(None, "OUTSIDE_MAX_AGE", MIDNIGHT - HOUR), (None, "NULL_VALUE", MIDNIGHT - 1)]


@pytest.mark.parametrize("names", [None, ["amount"], ["received"], ["received", "item"]], ids=repr)
def test_columns_asked_for_at_once_are_those_asked_for_alone(store, names):
    view = newest(ttl=HOUR)
    rows = [Click(MIDNIGHT - 2, "u", 5, known=MIDNIGHT - 1), Click(MIDNIGHT - DAY, "v", known=MIDNIGHT - DAY)]
    load(store, view, MIDNIGHT, *rows, Click(MIDNIGHT - 1, "w", None))
    expected = {
        "amount": [5, None, None, None],
        "item": ["i", None, "i", None],
        "received": [dt.datetime(2024, 10, 3, 23, 59, 59, 999999, tzinfo=dt.UTC), None, None, None],
    }
    keys = [b"\x05%s\x00\x01" % user for user in (b"u", b"v", b"w", b"x")]
    with store.snapshot() as snapshot:
        columns = read(snapshot, [Asked(view.id, states_of(view, names), keys, DAY)], MIDNIGHT).columns[0]
    assert columns.to_lists() == {name: expected[name] for name in expected if name in (names or expected)}
    assert columns.to_lists() == {name: columns[name].to_list() for name in columns}


def test_an_older_row_that_comes_later_changes_nothing(store):
    by, view = ingest(newest()), newest()
    by.push(store, clicks(Click(NOON - 2, amount=2)), NOON)
    by.push(store, clicks(Click(NOON - 3, known=NOON - 1, amount=3)), NOON)
    assert answers(store, view, now=NOON)["amount"] == [(2, "PRESENT", NOON - 2)]
    with pytest.raises(AsOfTooEarly):
        answers(store, view, as_of=NOON - 1)


def test_a_row_waits_until_it_is_known_and_is_then_the_newest(store):
    view = newest()
    ingest(view).push(
        store, clicks(Click(NOON - 3, amount=1), Click(NOON - 2, known=NOON + 5, amount=2)), NOON
    )
    ingest(view).push(store, clicks(Click(NOON - 4, known=NOON + 4, amount=3)), NOON)
    found = [answers(store, view, as_of=NOON + 1 + wait)["amount"][0][0] for wait in (0, 4, 5)]
    assert found == [1, 1, 2]
    ingest(view).push(store, clicks(Click(NOON - 9, amount=4)), NOON + 4)
    assert answers(store, view, now=NOON + 5)["amount"][0][0] == 1
    ingest(view).push(store, clicks(Click(NOON - 9, amount=5)), NOON + DAY)
    assert answers(store, view, now=0)["amount"][0][0] == 2


def test_of_an_events_copies_the_first_known_is_served_loaded_or_pushed(store):
    first = Click(MIDNIGHT - 9, event="e", known=MIDNIGHT - 8, amount=1)
    later = first._replace(known=MIDNIGHT - 7)
    changed = first._replace(time=MIDNIGHT - 5, known=MIDNIGHT - 5, amount=2)
    view = newest()
    load(store, view, MIDNIGHT, later, changed, first)
    loaded = answers(store, view, now=NOON)
    pushed = MemoryStore(FixedClock(NOON))
    ingest(view).push(pushed, clicks(later, changed, first), NOON)
    assert loaded == answers(pushed, view, now=NOON)
    assert [column[0][0] for column in loaded.values()][:2] == [1, "i"]


INSTANT = dt.datetime(1969, 12, 31, 23, 59, 59, 999_993, tzinfo=dt.UTC)
VALUES: dict[str, Any] = {
    "decimal(18,9)": Decimal("0.000000001"),
    "list<decimal(9,2)>": [Decimal("1.50"), None],
    "list<list<decimal(4,1)>>": [[Decimal("-1.5"), None], None, []],
    "timestamp": INSTANT,
    "list<timestamp>": [INSTANT, None],
    "date": dt.date(1, 1, 1),
    "list<date>": [dt.date(2026, 1, 1), None, dt.date(1960, 1, 1)],
    "binary": b"\x00\xff",
    "list<binary>": [b"\x00\xff", None],
    "list<list<int64>>": [[2**62], [], None],
    "list<double>": [0.1, None],
    "list<bool>": [True, None],
}


@pytest.mark.parametrize("of", VALUES)
def test_a_value_of_any_type_is_served_as_it_was_loaded_and_pushed(of: str) -> None:
    store = MemoryStore(FixedClock(NOON))
    schema = Schema({"ts": "timestamp", "user": "string", "value": of})
    source = EventSource("rows", schema=dict(schema), timestamp="ts", stream=Push())
    view = LatestBinding(
        "latest", "1", Schema({"user": "string"}), source, schema, features=Schema({"value": of})
    )
    loaded, pushed = (
        pa.table(
            {
                TIME: [at, at],
                KNOWN: [at, at],
                "ts": pa.array([at, at]).cast(schema["ts"].arrow()),
                "user": [user, f"{user} without"],
                "value": pa.array([VALUES[of], None], schema["value"].arrow()),
            }
        )
        for user, at in (("loaded", MIDNIGHT - 1), ("pushed", NOON - 1))
    )
    load_parts(store, [Part(loaded, NOTHING, BUCKETS)], Load(view, MIDNIGHT, MIDNIGHT, DAY))
    Ingest("rows", [(view, Evaluated)], DAY).push(store, pushed, NOON)
    keys = key_column(pa.concat_tables([loaded, pushed]), view.keys).to_pylist()
    with store.snapshot() as snapshot:
        columns = read(snapshot, [Asked(view.id, states_of(view), keys, DAY)], NOON).columns[0]
    wanted = [VALUES[of], None, VALUES[of], None]
    assert columns["value"].values.to_pylist() == columns["value"].to_list() == wanted
    assert columns.to_lists()["value"] == list(columns.told()["value"][0]) == wanted
    assert columns["value"].values.type == schema["value"].arrow()
