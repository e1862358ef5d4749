"""The local engine: the same answers whatever fits in memory."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace import agg
from headrace.definitions.aggregate_view import AggregateView
from headrace.definitions.entity import Entity
from headrace.definitions.latest_view import LatestView
from headrace.definitions.source import EventSource
from headrace.engines.local.engine import LocalEngine
from headrace.ports.engine import Asked
from headrace.retrieval.bind import bind
from headrace.testing.engine import EngineSuite
from tests.effort import cases

if TYPE_CHECKING:
    from pathlib import Path

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.mark.soak
class TestLocalEngine(EngineSuite):
    """The suite of every engine."""

    views = cases(4)

    @pytest.fixture
    def engine(self, tmp_path: Path) -> LocalEngine:
        return LocalEngine(tmp_path)


def _quiet(what: str, share: float) -> None:
    """Nobody watches."""


@pytest.fixture
def log(tmp_path: Path, seed: int) -> Path:
    """Events of 500 users over ten days, some without a user: more than the smaller budget holds."""
    rng = np.random.default_rng(seed)
    n = 300_000
    users = [f"u{i}" if i else None for i in rng.integers(0, 500, n)]
    ts = [START + dt.timedelta(seconds=int(s)) for s in rng.integers(0, 10 * 86_400, n)]
    event = ["click" if share < 0.2 else "impression" for share in rng.random(n)]
    table = pa.table({"user_id": users, "ts": pa.array(ts, pa.timestamp("us", "UTC")), "event": event})
    path = tmp_path / "log.parquet"
    pq.write_table(table.append_column("price", pa.array(rng.random(n))), path, row_group_size=20_000)
    return path


def test_a_small_budget_changes_nothing_but_the_memory(log: Path, tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    user = Entity("user", join_keys={"user_id": "string"})
    source = EventSource("log", batch=str(log), timestamp="ts")
    roomy, narrow = LocalEngine(tmp_path), LocalEngine(tmp_path, memory=32_000_000)
    schema = roomy.infer_schema(source)
    features = [
        agg.count("clicks", where="event = 'click'", windows=["1d", "7d"]),
        agg.count("rest", where="event = 'impression'", windows=["1h"]),
        agg.last_k("prices", "price", k=3, windows=["all"]),
    ]
    windows = bind(AggregateView("w", entity=user, source=source, features=features), schema, "UTC")
    latest = bind(LatestView("l", entity=user, source=source, features=["price"], ttl="3d"), schema, "UTC")
    keys = pa.table({"user_id": [f"u{i}" if i else None for i in rng.integers(0, 520, 800)]})
    t = int(START.timestamp() * 1_000_000) + rng.integers(0, 11 * 86_400_000_000, 800)
    for binding in (windows, latest):
        asked = Asked(binding, list(binding.feature_types), keys, t)
        expected, left_out, newest = roomy.features(asked, _quiet)
        found, also, reached = narrow.features(asked, _quiet)
        assert (left_out, newest) == (also, reached)
        assert left_out["no_key"] > 0
        for name, column in expected.items():
            assert found[name].values.equals(column.values), name
            assert found[name].status.tolist() == column.status.tolist()
            assert found[name].newest.tolist() == column.newest.tolist()
    assert len(list(narrow.parts(windows, int(t.max())))) > 1


def test_some_features_are_answered_as_all_are(log: Path, tmp_path: Path) -> None:
    """Leaving features out leaves conditions and measures out, which must not mix up the rest."""
    user = Entity("user", join_keys={"user_id": "string"})
    source = EventSource("log", batch=str(log), timestamp="ts")
    engine = LocalEngine(tmp_path)
    features = [
        agg.count(f"f{i}", where=f"event = '{event}'", windows=["7d"])
        for i, event in enumerate(["none", "click", "impression"])
    ]
    definition = AggregateView("w", entity=user, source=source, features=features)
    view = bind(definition, engine.infer_schema(source), "UTC")
    keys = pa.table({"user_id": [f"u{i}" for i in range(1, 50)]})
    t = np.full(49, int(START.timestamp() * 1_000_000) + 6 * 86_400_000_000, dtype=np.int64)
    whole, *_ = engine.features(Asked(view, ["f0_7d", "f1_7d", "f2_7d"], keys, t), _quiet)
    for name in whole:
        alone, *_ = engine.features(Asked(view, [name], keys, t), _quiet)
        assert alone[name].values.equals(whole[name].values)
    assert sum(whole["f2_7d"].values.to_pylist()) > sum(whole["f1_7d"].values.to_pylist()) > 0


def test_the_first_copy_of_a_latest_value_counts_and_no_later_one(tmp_path: Path) -> None:
    """A copy that says something else, and is known later, changes nothing."""
    rows = [
        {"user_id": "u", "id": "a", "ts": START, "seen": START, "plan": "free"},
        {"user_id": "u", "id": "a", "ts": START, "seen": START + dt.timedelta(hours=1), "plan": "paid"},
    ]
    log = pa.Table.from_pylist(rows)
    user = Entity("user", join_keys={"user_id": "string"})
    source = EventSource("log", batch=log, timestamp="ts", available_at="seen", event_id="id")
    engine = LocalEngine(tmp_path)
    view = bind(
        LatestView("l", entity=user, source=source, features=["plan"]), engine.infer_schema(source), "UTC"
    )
    t = np.array([int(START.timestamp() * 1_000_000) + 7_200_000_000], dtype=np.int64)
    found, *_ = engine.features(Asked(view, ["plan"], pa.table({"user_id": ["u"]}), t), _quiet)
    assert found["plan"].values.to_pylist() == ["free"]


def test_rows_nobody_asks_for_change_nothing_be_they_few_or_many(tmp_path: Path, seed: int) -> None:
    """Few are carried along, many are dropped; ids and instants are shared by users on both sides."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "user_id": f"u{user}",
            "id": str(i),
            "ts": START + dt.timedelta(hours=int(h)),
            "plan": f"{user} {i} {h}",
        }
        for i, (user, h) in enumerate(zip(rng.integers(0, 10, 400), rng.integers(0, 40, 400), strict=True))
    ]
    log = pa.Table.from_pylist(rows + [{**row, "plan": "a copy"} for row in rows[::3]])
    user = Entity("user", join_keys={"user_id": "string"})
    source = EventSource("log", batch=log, timestamp="ts", event_id="id")
    engine = LocalEngine(tmp_path)
    view = bind(
        LatestView("l", entity=user, source=source, features=["plan"]), engine.infer_schema(source), "UTC"
    )

    def plans(users: list[str]) -> list[str | None]:
        t = np.full(len(users), int(START.timestamp() * 1_000_000) + 30 * 3_600_000_000, dtype=np.int64)
        found, *_ = engine.features(Asked(view, ["plan"], pa.table({"user_id": users}), t), _quiet)
        plans: list[str | None] = found["plan"].values.to_pylist()
        return plans

    users = [f"u{i}" for i in range(11)]
    whole = plans(users)
    assert whole[-1] is None
    assert None not in whole[:-1]
    for place, one in enumerate(users):
        assert plans([one]) == whole[place : place + 1]
        others = [other for other in users if other != one]
        assert plans(others) == whole[:place] + whole[place + 1 :]


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_load_reads_each_event_once(tmp_path: Path, *, in_memory: bool) -> None:
    """A table in memory has no files by which a second reading would leave out what the first had."""
    table = pa.table({"user_id": ["u", "v", "u"], "ts": [START, START, START + dt.timedelta(days=1)]})
    pq.write_table(table, tmp_path / "log.parquet")
    source = EventSource("log", batch=table if in_memory else str(tmp_path / "log.parquet"), timestamp="ts")
    engine = LocalEngine(tmp_path)
    user = Entity("user", join_keys={"user_id": "string"})
    definition = AggregateView("w", entity=user, source=source, features=[agg.count("n", windows=["7d"])])
    view = bind(definition, engine.infer_schema(source), "UTC")
    day = 86_400_000_000
    before = [int(START.timestamp() * 1_000_000) + days * day for days in (0, 1, 2)]
    assert [sum(part.events.num_rows for part in engine.parts(view, each)) for each in before] == [0, 2, 3]
