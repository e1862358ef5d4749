"""A project that is loaded day by day: late events, events delivered again, a file a day of arrival."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace as hr
from headrace import agg
from headrace.clock import DAY, HOUR, FixedClock, instant
from headrace.online.manifest import read_manifest

if TYPE_CHECKING:
    from pathlib import Path

START = instant("2026-03-01T00:00:00Z")
DAYS = 30
END = START + DAYS * DAY
USERS = [f"u{number}" for number in range(24)]
SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("user_id", pa.string()),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("received", pa.timestamp("us", tz="UTC")),
        ("price", pa.float64()),
        ("shop", pa.string()),
    ]
)
user = hr.Entity("user", join_keys={"user_id": "string"})
sales = hr.EventSource(
    "sales", batch="sales/*.parquet", timestamp="ts", available_at="received", event_id="event_id"
)
spending = hr.AggregateView(
    "spending",
    entity=user,
    source=sales,
    features=[
        agg.count("n", windows=["1h", "1d", "7d", "30d", "all"]),
        agg.count("many", where="price > 50", windows=["7d"]),
        agg.sum("paid", "price", windows=["1d", "30d"]),
        agg.stddev("spread", "price", windows=["7d"]),
        agg.min("least", "price", windows=["7d"]),
        agg.first("opening", "shop", windows=["7d"]),
        agg.last_k("shops", "shop", k=5, windows=["30d"]),
        agg.distinct("variety", "shop", windows=["7d"]),
        agg.recency("since"),
    ],
)
newest = hr.LatestView("newest", entity=user, source=sales, features=["price", "shop"])
FEATURES = [*(f"spending:{name}" for name in spending.feature_names), "newest:price", "newest:shop"]


def log(seed: int, events: int = 1_500) -> list[dict[str, Any]]:
    """Sales in the order of their arrival; a third arrive late, a tenth again with another arrival."""
    draw = random.Random(seed)
    rows = []
    for number in range(events):
        at = START + draw.randrange(DAYS * DAY)
        late = draw.choice([0, 0, draw.randrange(5 * DAY)])
        rows.append(
            {
                "event_id": f"e{number}",
                "user_id": draw.choice(USERS),
                "ts": at,
                "received": at + late,
                "price": draw.randrange(400) / 4,  # sums of quarters are exact in any order
                "shop": f"shop{draw.randrange(9)}",
            }
        )
        while draw.random() < 0.1:
            rows.append({**rows[-1], "received": rows[-1]["received"] + draw.randrange(9 * DAY)})
    return sorted((row for row in rows if row["received"] < END), key=lambda row: row["received"])


def write(directory: Path, day: int, rows: list[dict[str, Any]]) -> Path:
    """The file of the rows that arrived on a day."""
    path = directory / "sales" / f"{day:02}.parquet"
    path.parent.mkdir(exist_ok=True)
    mine = [row for row in rows if START + day * DAY <= row["received"] < START + (day + 1) * DAY]
    pq.write_table(pa.Table.from_pylist(mine, SCHEMA), path)
    return path


def made(directory: Path) -> Path:
    """The project's directory."""
    directory.mkdir(exist_ok=True)
    (directory / "headrace.toml").write_text('[project]\nname = "harvest"\n', encoding="utf-8")
    return directory


def opened(directory: Path, now: int = END + HOUR) -> hr.FeatureStore:
    return hr.FeatureStore(directory, clock=FixedClock(now))


def loaded_days(store: hr.FeatureStore) -> int:
    """How many days all views are loaded up to."""
    with store.online.snapshot() as snapshot:
        manifest = read_manifest(snapshot)
    known = min(manifest.of(view).known for view in ("spending@1", "newest@1"))
    return max(0, (known - START) // DAY)


def answers(store: hr.FeatureStore, at: int) -> dict[str, Any]:
    """Values and statuses of all users, and of one that is not there."""
    asked = {"user_id": [*USERS, "nobody"]}
    found = store.get_online_features(features=FEATURES, entities=asked, as_of=at)
    values = found.to_dict()
    # states of moments merge by Chan's rule: equal but for the last digits
    spread = [value and pytest.approx(value, rel=1e-9) for value in values.pop("spread_7d")]
    return {"values": values, "spread": spread, "statuses": [each.status for each in found.values()]}


def _spending(*features: Any) -> hr.AggregateView:
    return hr.AggregateView("spending", entity=user, source=sales, features=features)


def spending_of_a_month() -> hr.AggregateView:
    """A view that forgets: nothing of it reaches back more than a month."""
    return _spending(agg.count("n", windows=["7d", "30d"]))


def spending_with_more() -> hr.AggregateView:
    """The view with one feature more."""
    return _spending(*spending.features, agg.max("most", "price", windows=["7d"]))
