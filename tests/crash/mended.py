"""The project whose replay is killed: orders that were pushed before their rules were mended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import headrace as hr
from headrace import agg
from headrace.clock import DAY, FixedClock, format_instant, instant
from headrace.online.quarantine import quarantined, tally

if TYPE_CHECKING:
    from pathlib import Path

START = instant("2026-03-01T00:00:00Z")
K, NOW = START + 10 * DAY, START + 11 * DAY
PUSHES, OF_A_PUSH = 7, 100
"""So that replay takes several transactions."""

user = hr.Entity("user", join_keys={"user_id": "string"})
SCHEMA = {"id": "string", "user_id": "string", "ts": "timestamp", "event": "string", "price": "double"}


def orders(version: str, *rules: Any) -> hr.AggregateView:
    source = hr.EventSource(
        "orders", batch="orders.jsonl", schema=SCHEMA, timestamp="ts", stream=hr.Push(), rules=rules
    )
    counted = agg.count("times", by="id", windows=["all"])
    return hr.AggregateView("orders_of", entity=user, source=source, version=version, features=[counted])


STRICT = orders("1", hr.rules.range("price", min=0), hr.rules.enum("event", ["sale"]))
MILD = orders("2", hr.rules.enum("event", ["sale"]))


def order(number: int) -> dict[str, Any]:
    """Every order is bad; of seven, two stay so."""
    event = "gift" if number % 7 in {2, 5} else "sale"
    at = format_instant(K + number)
    return {"id": f"o{number}", "user_id": "u", "ts": at, "event": event, "price": -1 - number % 3}


EVERY = {f"o{number}" for number in range(PUSHES * OF_A_PUSH)}
GIFTS = {f"o{number}" for number in range(PUSHES * OF_A_PUSH) if order(number)["event"] == "gift"}


def opened(directory: Path) -> hr.FeatureStore:
    return hr.FeatureStore(directory, clock=FixedClock(NOW), who="tester")


def build(directory: Path) -> None:
    """The project with every order in quarantine, and its rules mended since."""
    directory.mkdir(parents=True)
    (directory / "headrace.toml").write_text('project = "orders"\n')
    first = {**order(0), "id": "first", "ts": format_instant(START), "event": "sale", "price": 1}
    (directory / "orders.jsonl").write_text(json.dumps(first) + "\n")
    with opened(directory) as store:
        store.apply([STRICT])
        store.materialize(end=K)
        for push in range(PUSHES):
            store.push("orders", [order(push * OF_A_PUSH + place) for place in range(OF_A_PUSH)])
        store.apply([MILD])
        store.materialize(end=K, views=["orders_of@2"])


def found(store: hr.FeatureStore) -> tuple[dict[str, int], list[str]]:
    """How often each order counts, the first one of the batch aside; and which are in quarantine."""
    answer = store.get_online_features(["orders_of@2:times_all"], {"user_id": ["u"]}).to_dict()
    (counts,) = answer["times_all"]
    with store.online.snapshot() as snapshot:
        waiting = [json.loads(each.row)["id"] for each in quarantined(snapshot, "orders")]
        assert tally(snapshot, "orders").kept == len(waiting)
    return {name: count for name, count in counts.items() if name != "first"}, waiting
