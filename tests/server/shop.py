"""A project with every kind of feature, for tests of the server."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

import headrace as hr
from headrace.clock import DAY, HOUR, FixedClock, instant

if TYPE_CHECKING:
    import random
    from pathlib import Path

FIRST_DAY = instant("2026-03-01T00:00:00Z")
K = FIRST_DAY + 10 * DAY
NOW = FIRST_DAY + 12 * DAY

SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("user_id", pa.string()),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("price", pa.float64()),
        ("fee", pa.decimal128(12, 4)),
        ("ad", pa.int64()),
        ("place", pa.string()),
        ("seen_at", pa.timestamp("us", tz="UTC")),
        ("day", pa.date32()),
        ("raw", pa.binary()),
        ("paid", pa.bool_()),
    ]
)

DEFINITIONS = """
import headrace as hr
from headrace import agg

user = hr.Entity("user", join_keys={"user_id": "string"})
clicks = hr.EventSource(
    "clicks",
    batch="clicks.parquet",
    timestamp="ts",
    event_id="event_id",
    stream=hr.Push(),
)
user_clicks = hr.AggregateView(
    "user_clicks", entity=user, source=clicks,
    features=[
        agg.count("clicks", windows=["1d", "7d", "30d"]),
        agg.sum("fees", "fee", windows=["7d"]),
        agg.sum("spend", "price", windows=["1d", "7d"]),
        agg.mean("price", "price", windows=["1d"]),
        agg.max("dearest", "price", windows=["1d", "7d"]),
        agg.last_k("ads", "ad", k=3, windows=["7d"]),
        agg.count("by_ad", by="ad", windows=["7d"]),
        agg.last("last_day", "day", windows=["7d"]),
        agg.recency("since"),
    ],
)
newest = hr.LatestView(
    "newest", entity=user, source=clicks,
    features=["price", "fee", "ad", "place", "seen_at", "day", "raw", "paid"],
)
fresh = hr.LatestView("fresh", entity=user, source=clicks, features=["place", "ad"], ttl="3d")


@hr.on_demand(inputs={"price": "newest:price"}, request={"bid": "double"}, output="double")
def margin(price, bid):
    return bid / price


shop = hr.FeatureService("shop", version="1", features=[user_clicks["clicks_7d", "fees_7d"], fresh, margin])
"""

FEATURES = [
    *(f"user_clicks:clicks_{window}" for window in ("1d", "7d", "30d")),
    *(f"user_clicks:{name}" for name in ("fees_7d", "spend_1d", "spend_7d", "price_1d", "dearest_1d")),
    *(f"user_clicks:{name}" for name in ("dearest_7d", "ads_7d", "by_ad_7d", "last_day_7d", "since")),
    *(f"newest:{name}" for name in ("price", "fee", "ad", "place", "seen_at", "day", "raw", "paid")),
    *(f"fresh:{name}" for name in ("place", "ad")),
    "margin",
]
USERS = [f"u{number}" for number in range(12)]


def click(number: int, at: int) -> dict[str, Any]:
    """One click; prices are now and then missing, naught or beyond all bounds."""
    moment = dt.datetime.fromtimestamp(at / 1e6, tz=dt.UTC)
    return {
        "event_id": f"e{number}",
        "user_id": USERS[number % 10],
        "ts": moment,
        "price": None
        if number % 7 == 0
        else 0.0
        if number % 11 == 0
        else 1e308
        if number % 10 == 9
        else number / 3,
        "fee": Decimal(number) / 4,
        "ad": None if number % 5 == 0 else number * 2**40,
        "place": ["Zürich", 'a "quoted" one\n', "", "日本"][number % 4],
        "seen_at": moment + dt.timedelta(microseconds=number % 3),
        "day": moment.date(),
        "raw": bytes([number % 256, 0, 255]),
        "paid": number % 3 == 0,
    }


def clicks(first: int, last: int) -> list[dict[str, Any]]:
    """A click every hour and 40 minutes from a day up to another, days counted from the first."""
    step = 5 * HOUR // 3
    return [click(n, FIRST_DAY + n * step) for n in range(first * DAY // step + 1, last * DAY // step)]


def build(directory: Path) -> Path:
    """The project, applied, loaded and pushed to."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "headrace.toml").write_text('[project]\nname = "shop"\n', encoding="utf-8")
    (directory / "features.py").write_text(DEFINITIONS, encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(clicks(0, 10), SCHEMA), directory / "clicks.parquet")
    with opened(directory) as store:
        store.apply()
        store.materialize(end=K)
        store.push("clicks", clicks(10, 12))
    return directory


def opened(directory: Path) -> hr.FeatureStore:
    """The project, on a clock that stands still."""
    return hr.FeatureStore(directory, clock=FixedClock(NOW), who="tester")


def drawn(chance: random.Random) -> dict[str, Any]:
    """A request, drawn: features or the service, some users, one instant or the present."""
    users: list[Any] = chance.choices([*USERS, "nobody", None], k=chance.choice([1, 1, 2, 7, 40]))
    asked: dict[str, Any] = {"entities": {"user_id": users}}
    if chance.random() < 0.25:
        asked["feature_service"] = chance.choice(["shop", "shop@1"])
    else:
        names = chance.sample(FEATURES, chance.randint(1, len(FEATURES)))
        asked["features"] = names
        asked["full_feature_names"] = (
            True if len({n.split(":")[-1] for n in names}) < len(names) else chance.random() < 0.3
        )
    if chance.random() < 0.6:
        asked["as_of"] = NOW + chance.choice([0, 1, DAY, 4 * DAY, 40 * DAY, -HOUR])
    if "feature_service" in asked or "margin" in asked["features"]:
        if chance.random() < 0.5:
            asked["context"] = {"bid": chance.choice([0, 1.5, -2])}
        else:
            asked["entities"]["bid"] = [chance.uniform(0, 9) for _ in users]
    return asked
