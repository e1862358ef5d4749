"""The project that is killed: a ledger of payments, its events, and what its store holds and answers.

Everything here is a function of a directory, so that any process may do it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

import headrace as hr
from headrace import agg
from headrace.clock import DAY, HOUR, FixedClock, instant
from headrace.keys import decode_key
from headrace.online.layout import LOG, loading_key
from headrace.online.log import HEAD, from_ipc, to_ipc
from headrace.online.manifest import read_manifest, read_streams

if TYPE_CHECKING:
    from pathlib import Path

USERS = 520  # more than one write of a load holds
START = instant("2026-03-01T00:00:00Z")
FIRST, SECOND, PUSHED, NOW = (START + days * DAY for days in (10, 12, 13, 14))
"""K of the first load and of the second; up to where events were pushed before; the clock."""

BATCHES = 4
BATCH = "payments.parquet"
FEATURES = [
    *(
        f"spending:{name}"
        for name in ("payments_1d", "payments_7d", "paid_7d", "refund_rate_30d", "shops_30d")
    ),
    *(f"spending:{name}" for name in ("least_all", "last_shops_all")),
    "newest:price",
    "newest:shop",
]
SCHEMA = pa.schema(
    [
        ("payment_id", pa.string()),
        ("user_id", pa.int64()),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("received", pa.timestamp("us", tz="UTC")),
        ("price", pa.float64()),
        ("shop", pa.string()),
        ("kind", pa.string()),
    ]
)

user = hr.Entity("user", join_keys={"user_id": "int64"})
payments = hr.EventSource(
    "payments",
    batch=BATCH,
    timestamp="ts",
    available_at="received",
    event_id="payment_id",
    stream=hr.Push(),
)
spending = hr.AggregateView(
    "spending",
    entity=user,
    source=payments,
    features=[
        agg.count("payments", windows=["1d", "7d", "30d"]),
        agg.count("refunds", where="kind = 'refund'", windows=["30d"]),
        agg.rate("refund_rate", numerator="refunds", denominator="payments", prior=(1, 20), windows=["30d"]),
        agg.sum("paid", "price", windows=["7d"]),
        agg.count("shops", by="shop", windows=["30d"]),
        agg.min("least", "price", windows=["all"]),
        agg.last_k("last_shops", "shop", k=3, windows=["all"]),
    ],
)
newest = hr.LatestView("newest", entity=user, source=payments, features=["price", "shop"])


def log() -> list[dict[str, Any]]:
    """All payments before now; some are received hours after they were made."""
    draw = random.Random(20_260_301)
    made = []
    for number in range(3_000):
        at = START + draw.randrange(NOW - START)
        late = draw.choice([0, 0, 0, draw.randrange(30 * HOUR)])
        made.append(
            {
                "payment_id": f"p{number}",
                "user_id": draw.randrange(USERS),
                "ts": at,
                "received": at + late,
                "price": draw.randrange(400) / 4,  # sums of quarters are exact in any order
                "shop": f"shop{draw.randrange(12)}",
                "kind": draw.choice(["sale", "sale", "refund"]),
            }
        )
    return [row for row in made if row["received"] < NOW]


def known(row: dict[str, Any]) -> int:
    at: int = row["received"]
    return at


def pushed_before() -> list[dict[str, Any]]:
    """What was pushed after the first load: not all there was, so that the second load changes answers."""
    return [
        row for row in log() if FIRST <= known(row) < PUSHED and (known(row) >= SECOND or not _unpushed(row))
    ]


def _unpushed(row: dict[str, Any]) -> bool:
    return int(row["payment_id"][1:]) % 5 == 0


def served_before() -> list[dict[str, Any]]:
    """What reads know before anything more is done."""
    return [row for row in log() if known(row) < FIRST] + pushed_before()


def served_after_load() -> list[dict[str, Any]]:
    """What reads know after the second load."""
    return [row for row in log() if known(row) < PUSHED]


def batches() -> list[list[dict[str, Any]]]:
    """What is pushed last, in pieces of no order."""
    rows = [row for row in log() if known(row) >= PUSHED]
    random.Random(7).shuffle(rows)
    return [rows[place::BATCHES] for place in range(BATCHES)]


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, SCHEMA)


def opened(directory: Path) -> hr.FeatureStore:
    return hr.FeatureStore(directory, clock=FixedClock(NOW), who="tester")


def write(directory: Path, rows: list[dict[str, Any]]) -> None:
    """A project with these payments as its batch, and one row that cannot be used."""
    directory.mkdir(parents=True)
    (directory / "headrace.toml").write_text('[project]\nname = "ledger"\n')
    keyless = {**rows[0], "payment_id": "keyless", "user_id": None}
    pq.write_table(table([*rows, keyless]), directory / BATCH)


def build(directory: Path) -> None:
    """The project after its first load and some pushes; its batch holds all there is up to now."""
    write(directory, log())
    with opened(directory) as store:
        store.apply([spending, newest])
        store.materialize(end=FIRST)
        rows = pushed_before()
        store.push("payments", table(rows[:200]))
        store.push("payments", table(rows[200:]))


def history(directory: Path) -> dict[str, dict[str, list[Any]]]:
    """What the features should be now: before anything is done, after the load, after so many pushes."""
    known_by = {"before": served_before(), "after load": served_after_load(), "0 pushes": served_before()}
    for number, batch in enumerate(batches()):
        known_by[f"{number + 1} pushes"] = known_by[f"{number} pushes"] + batch
    write(directory, log())
    with opened(directory) as store:
        store.apply([spending, newest])
        return {name: _computed(store, directory, rows) for name, rows in known_by.items()}


def _computed(store: hr.FeatureStore, directory: Path, rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The features now, given only these payments."""
    pq.write_table(table(rows), directory / BATCH)
    at = dt.datetime.fromtimestamp(NOW / 1e6, tz=dt.UTC)
    spine = [{"user_id": key, "ts": at} for key in range(USERS)]
    found = store.get_historical_features(spine, features=FEATURES).to_arrow()
    names = [name for name in found.column_names if name != "ts"]
    return {name: json_values(found[name].to_pylist(maps_as_pydicts="strict")) for name in names}


def answers(store: hr.FeatureStore) -> dict[str, list[Any]]:
    """What the features are now, online."""
    found = store.get_online_features(FEATURES, {"user_id": list(range(USERS))}, as_of=NOW).to_dict()
    return {name: json_values(values) for name, values in found.items()}


def json_values(values: list[Any]) -> list[Any]:
    """The values as they come out of JSON."""
    back: list[Any] = json.loads(json.dumps(values, sort_keys=True))
    return back


def served(store: hr.FeatureStore) -> dict[str, int]:
    """K of each view's served generation."""
    with store.online.snapshot() as snapshot:
        return {view: loaded.known for view, loaded in read_manifest(snapshot).views.items()}


def contents(store: hr.FeatureStore) -> dict[str, Any]:
    """What the online store holds: records of each kind, and a digest that no load's number changes."""
    kinds: Counter[str] = Counter()
    digest = hashlib.sha256()
    with store.online.snapshot() as snapshot:
        served = read_manifest(snapshot).views
        streams = dict(zip(served, read_streams(snapshot, list(served)), strict=True))
        owners = {each.number: view for view, loaded in served.items() for each in loaded.segments}
        dead = {
            segment
            for data in snapshot.multi_get([loading_key(view) for view in served])
            for segment in json.loads(data or "{}").get("dead", ())
        }
        for key, value in snapshot.scan(b""):
            kind, *rest = decode_key(key)
            if isinstance(kind, bytes):
                number = int.from_bytes(kind)
                if number in dead:
                    continue
                kind, rest = ("segment", [owners[number], *rest]) if number in owners else ("orphan", rest)
            if kind == "epoch 3":
                alive = rest[1] == streams[str(rest[0])].number
                kind, rest = ("epoch", [rest[0], *rest[2:]]) if alive else ("orphan", rest)
            kinds[str(kind)] += 1
            if kind not in {"manifest 3", "loading 3", "stream 3", "next segment"}:
                # When a batch became visible, which its entry in the log says too, is another each time.
                told = to_ipc(from_ipc(value[HEAD:]).replace_schema_metadata(None)) if kind == LOG else value
                digest.update(repr((kind, rest, told)).encode())
    return {"kinds": dict(kinds), "digest": digest.hexdigest()}
