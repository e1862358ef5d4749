"""A shop's clicks and orders, for tests of training sets: an order is reported up to three days late."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

import headrace as hr
from headrace import agg
from headrace.clock import FixedClock, instant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOW = instant("2026-04-01T00:00:00Z")

CLICKS = pa.schema(
    [
        ("click_id", pa.string()),
        ("user_id", pa.string()),
        ("ad_id", pa.int64()),
        ("ts", pa.timestamp("us", tz="UTC")),
    ]
)
ORDERS = pa.schema(
    [
        ("order_id", pa.string()),
        ("user_id", pa.string()),
        ("ad_id", pa.int64()),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("reported_at", pa.timestamp("us", tz="UTC")),
        ("amount", pa.float64()),
    ]
)

user = hr.Entity("user", join_keys={"user_id": "string"})
clicks = hr.EventSource("clicks", batch="clicks.parquet", timestamp="ts", event_id="click_id")
orders = hr.EventSource(
    "orders", batch="orders.parquet", timestamp="ts", available_at="reported_at", event_id="order_id"
)
KEYS = ["user_id", "ad_id"]
bought = hr.Label("bought", source=orders, touches=clicks, keys=KEYS, within="7d")
revenue = hr.Label("revenue", source=orders, touches=clicks, keys=KEYS, within="7d", value="amount")
views = hr.AggregateView(
    "user_clicks", entity=user, source=clicks, features=[agg.count("clicks", windows=["7d", "all"])]
)
spent = hr.AggregateView(
    "user_orders",
    entity=user,
    source=orders,
    features=[agg.count("orders", windows=["all"]), agg.sum("spent", "amount", windows=["30d"])],
)
model = hr.FeatureService("model", version="1", features=[views, spent])


def at(text: str) -> dt.datetime:
    """`"03-02 10:00"`, of 2026, UTC."""
    return dt.datetime.fromisoformat(f"2026-{text}").replace(tzinfo=dt.UTC)


def click(number: int, ts: str, user_id: str | None = "u1", ad_id: int | None = 1) -> dict[str, Any]:
    return {"click_id": f"c{number}", "user_id": user_id, "ad_id": ad_id, "ts": at(ts)}


def order(
    number: int, ts: str, reported_at: str | None = None, amount: float = 1.0, **other: Any
) -> dict[str, Any]:
    return {
        "order_id": f"o{number}",
        "user_id": "u1",
        "ad_id": 1,
        "ts": at(ts),
        "reported_at": at(reported_at or ts),
        "amount": amount,
        **other,
    }


def write(path: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows), schema), path)


def shop(
    directory: Path, clicked: Sequence[dict[str, Any]], ordered: Sequence[dict[str, Any]], *more: Any
) -> hr.FeatureStore:
    """A project with these events, its definitions applied."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "headrace.toml").write_text('[project]\nname = "shop"\n')
    write(directory / "clicks.parquet", clicked, CLICKS)
    write(directory / "orders.parquet", ordered, ORDERS)
    store = again(directory)
    store.apply([model, bought, revenue, *more])
    return store


def again(directory: Path) -> hr.FeatureStore:
    """The project opened anew."""
    return hr.FeatureStore(directory, clock=FixedClock(NOW), who="tester")


def spine_of(rows: Sequence[dict[str, Any]], *names: str) -> pa.Table:
    """Clicks as a spine: keys and instants, and further columns."""
    return pa.Table.from_pylist(list(rows), CLICKS).select([*KEYS, "ts", *names])
