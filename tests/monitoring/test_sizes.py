"""How far doubles may lie off is what the oracle says, for every kind of aggregation that may lie off."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headrace import agg
from headrace.aggregations.agreement import NEAR
from headrace.clock import HOUR
from headrace.definitions.aggregate_view import AggregateView
from headrace.definitions.entity import Entity
from headrace.definitions.source import EventSource
from headrace.kernel.binding import AggregateBinding
from headrace.kernel.clean import KNOWN, TIME
from headrace.monitoring.sizes import slacks
from headrace.retrieval.bind import bind
from headrace.schema import Schema
from headrace.testing.formulas import FORMULAS, Asked, Event

T = 1_000 * HOUR
SCHEMA = Schema({"user_id": "string", "ts": "timestamp", "x": "double", "y": "double"})
ALL = ["all"]
FEATURES = {
    "sum": agg.sum("f", "x", windows=ALL),
    "mean": agg.mean("f", "x", windows=ALL),
    "variance": agg.variance("f", "x", windows=ALL),
    "stddev": agg.stddev("f", "x", windows=ALL),
    "covariance": agg.covariance("f", "x", "y", windows=ALL),
    "correlation": agg.correlation("f", "x", "y", windows=ALL),
    "decayed_sum": agg.decayed_sum("f", "x", half_life="1d"),
    "decayed_count": agg.decayed_count("f", half_life="1d"),
}


def test_every_kind_is_here_that_has_a_size() -> None:
    assert FEATURES.keys() == {kind for kind, of in NEAR.items() if of != "one"}


@pytest.mark.parametrize("kind", sorted(FEATURES))
def test_slacks_are_the_oracles(kind: str, seed: int) -> None:
    draw = random.Random(seed)
    feature = FEATURES[kind]
    rows = [
        {"x": draw.choice([None, draw.gauss(0, 1e6)]), "y": draw.choice([None, draw.gauss(5, 2)])}
        for _ in range(400)
    ]
    times = [T - draw.randrange(1, 100) * HOUR for _ in rows]
    sets = [np.array(sorted(draw.sample(range(400), size))) for size in (3, 20, 200)]
    events = pa.table(
        {
            TIME: pa.array(times, pa.int64()),
            KNOWN: pa.array(times, pa.int64()),
            "user_id": ["u"] * 400,
            "ts": pa.array(times).cast(pa.timestamp("us", "UTC")),
            "x": pa.array([row["x"] for row in rows], pa.float64()),
            "y": pa.array([row["y"] for row in rows], pa.float64()),
        }
    )
    found = slacks(
        _bound(feature), "f" if kind.startswith("decayed") else "f_all", events, sets, np.full(3, T)
    )
    assert found is not None
    asked = [Asked(feature, [_event(rows[n], times[n]) for n in some], T, SCHEMA, {}) for some in sets]
    expected = [FORMULAS[kind](each) for each in asked]
    assert found.tolist() == pytest.approx([each.slack for each in expected], rel=1e-6)


def _bound(feature: Any) -> AggregateBinding:
    source = EventSource("s", schema=dict(SCHEMA), timestamp="ts", batch="none.parquet")
    user = Entity("user", join_keys={"user_id": "string"})
    found = bind(AggregateView("v", entity=user, source=source, features=[feature]), SCHEMA, "UTC")
    assert isinstance(found, AggregateBinding)
    return found


def _event(row: dict[str, Any], time: int) -> Event:
    return Event(row, time, time, (), (time,))
