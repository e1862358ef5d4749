"""A project with all that a request can meet, and requests drawn for it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.clock import DAY, HOUR
from tests.server.shop import FIRST_DAY, NOW, K, opened

if TYPE_CHECKING:
    import random
    from pathlib import Path

SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("user", pa.string()),
        ("slot", pa.int64()),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("price", pa.float64()),
        ("fee", pa.decimal128(18, 4)),
        ("place", pa.string()),
        ("paid", pa.bool_()),
        ("raw", pa.binary()),
    ]
)

DEFINITIONS = """
import headrace as hr
from headrace import agg

user = hr.Entity("user", join_keys={"user": "string"})
pair = hr.Entity("pair", join_keys={"user": "string", "slot": "int64"})
world = hr.Entity("world", join_keys=None)
bids = hr.EventSource("bids", batch="bids.parquet", timestamp="ts", event_id="event_id", stream=hr.Push())

by_user = hr.AggregateView(
    "by_user", entity=user, source=bids,
    features=[
        agg.count("bids", windows=["1h", "1d", "7d", "all"]),
        agg.sum("fees", "fee", windows=["1d", "7d"]),
        agg.sum("spend", "price", windows=["1d", hr.window("7d", offset="1d")]),
        agg.rate("paid_rate", numerator="paid_bids", denominator="bids", prior=(1, 50), windows=["7d"]),
        agg.count("paid_bids", where="paid", windows=["7d"]),
        agg.stddev("spread", "price", windows=["7d"]),
        agg.last_k("places", "place", k=3, windows=["7d"]),
        agg.count("by_place", by="place", windows=["7d"]),
        agg.distinct("slots", "slot", windows=["7d"]),
        agg.recency("since"),
    ],
)
by_pair = hr.AggregateView(
    "by_pair", entity=pair, source=bids,
    features=[agg.count("bids", windows=["1d", "7d"]), agg.max("dearest", "price", windows=["7d"])],
)
of_all = hr.AggregateView("of_all", entity=world, source=bids, features=[agg.count("bids", windows=["1d"])])
newest = hr.LatestView(
    "newest", entity=user, source=bids, features=["price", "fee", "place", "paid", "raw", "slot"]
)
brief = hr.LatestView("brief", entity=pair, source=bids, features=["fee", "place"], ttl="1d")


@hr.on_demand(inputs={"price": "newest:price"}, request={"bid": "double"}, output="double")
def margin(price, bid):
    return bid / price


@hr.on_demand(inputs={"margin": "margin"}, request={"bid": "double"}, output="double")
def odd(margin, bid):
    return float("nan") if bid < 0 else margin * margin


wide = hr.FeatureService(
    "wide", version="1", features=[by_user["bids_7d", "fees_7d"], by_pair["dearest_7d"], brief["fee"], odd]
)
"""

FEATURES = [
    *(f"by_user:bids_{window}" for window in ("1h", "1d", "7d", "all")),
    *(f"by_user:{name}" for name in ("fees_1d", "fees_7d", "spend_1d", "spend_7d_offset_1d", "paid_rate_7d")),
    *(f"by_user:{name}" for name in ("spread_7d", "places_7d", "by_place_7d", "slots_7d", "since")),
    *(f"by_pair:{name}" for name in ("bids_1d", "bids_7d", "dearest_7d")),
    "of_all:bids_1d",
    *(f"newest:{name}" for name in ("price", "fee", "place", "paid", "raw", "slot")),
    *(f"brief:{name}" for name in ("fee", "place")),
    "margin",
    "odd",
]
USERS = ["u1", "Zoë", "日本 語", "", "a\x00b", "🜃" * 40, "x" * 600, "u2"]
SLOTS = [0, 1, -1, 2**62, 300]
PRICES = [None, float("nan"), 0.0, -0.0, 1e308, 1.1, 0.1, 12345.678]


def bid(number: int) -> dict[str, Any]:
    """One event; every kind of value comes up, and no pair of them always together."""
    at = FIRST_DAY + number * HOUR * 2 // 3
    return {
        "event_id": f"e{number}",
        "user": USERS[number % 7],
        "slot": SLOTS[number % 13 % 5],
        "ts": dt.datetime.fromtimestamp(at / 1e6, tz=dt.UTC),
        "price": PRICES[number % 11 % 8],
        "fee": None if number % 17 == 0 else Decimal(number * 10**9 - 7) / 10_000,
        "place": None if number % 5 == 0 else ["Zürich", 'a "quoted" one\n', "", "日本"][number % 4],
        "paid": None if number % 6 == 0 else number % 3 == 0,
        "raw": bytes([number % 256, 0, 255]),
    }


def build(directory: Path) -> Path:
    """The project, applied, loaded, and pushed to."""
    directory.mkdir(parents=True)
    (directory / "headrace.toml").write_text('[project]\nname = "wide"\n', encoding="utf-8")
    (directory / "features.py").write_text(DEFINITIONS, encoding="utf-8")
    a_day = DAY // (HOUR * 2 // 3)
    batch = [bid(number) for number in range(10 * a_day)]
    pq.write_table(pa.Table.from_pylist(batch, SCHEMA), directory / "bids.parquet")
    with opened(directory) as store:
        store.apply()
        store.materialize(end=K)
        store.push("bids", [bid(number) for number in range(10 * a_day, 12 * a_day)])
    return directory


def drawn(chance: random.Random) -> dict[str, Any]:
    """A request: features or the service, known and unknown entities, an instant or the present.

    Now and then one that is refused: a key is missing, an instant too early, a name unknown.
    """
    many = chance.choice([1, 1, 2, 5, 30])
    entities: dict[str, list[Any]] = {
        "user": chance.choices([*USERS, "nobody", None], k=many),
        "slot": chance.choices([*SLOTS, 77, None], k=many),
    }
    asked: dict[str, Any] = {"entities": entities}
    if chance.random() < 0.2:
        asked["feature_service"] = chance.choice(["wide", "wide@1"])
    else:
        asked["features"] = names = chance.sample(FEATURES, chance.randint(1, len(FEATURES)))
        bare = {name.split(":")[-1] for name in names}
        asked["full_feature_names"] = len(bare) < len(names) or chance.random() < 0.3
    if chance.random() < 0.8:
        asked["as_of"] = NOW + chance.choice([0, 1, HOUR, DAY, 6 * DAY, 40 * DAY, -1, -HOUR])
    if chance.random() < 0.95:
        if chance.random() < 0.5:
            asked["context"] = {"bid": chance.choice([0, 1.5, -2, 1e300])}
        else:
            entities["bid"] = [chance.choice([None, 0.0, chance.uniform(-3, 9)]) for _ in range(many)]
    if chance.random() < 0.03:
        del entities["slot"]
    if "features" in asked and chance.random() < 0.02:
        asked["features"] = ["by_user:no_such"]
    return asked
