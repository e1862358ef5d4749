"""Readers, a loader and a pusher of one project, each a process of its own.

`python -m tests.crash.traffic_child VERB DIRECTORY NUMBER`

Every user has one event of price 1 on each day, and one of price 1000 and more in each push. So what a read
says of a user tells how many loads and pushes it has seen: they must be the same for all users and features
of a view, pushes for all views, and never go back.
"""

from __future__ import annotations

import datetime as dt
import json
import select
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import headrace as hr
from headrace import agg
from headrace.clock import DAY, HOUR, FixedClock, instant

USERS = [f"user{number:03}" for number in range(60)]
START = instant("2026-03-01T00:00:00Z")
LAST_DAY = 40
NOW = START + (LAST_DAY + 2) * DAY
PUSHED = 1_000
SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("user_id", pa.string()),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("price", pa.int64()),
    ]
)
FEATURES = [
    *(f"sums:{name}" for name in ("n_all", "paid_all", "most_all", "prices_all")),
    "counts:events_all",
    "counts:paid_more_all",
    "newest:price",
]


def say(word: str, about: Any = None) -> None:
    sys.stdout.write(json.dumps([word, about]) + "\n")
    sys.stdout.flush()


def opened(directory: Path) -> hr.FeatureStore:
    return hr.FeatureStore(directory, clock=FixedClock(NOW), who="tester")


def rows(name: str, at: int, price: int) -> list[dict[str, Any]]:
    """An event of each user."""
    ts = dt.datetime.fromtimestamp(at / 1e6, tz=dt.UTC)
    return [{"event_id": f"{name} {user}", "user_id": user, "ts": ts, "price": price} for user in USERS]


def prepare(directory: Path) -> None:
    """The project, loaded up to the first day."""
    (directory / "headrace.toml").write_text('[project]\nname = "traffic"\n')
    batch = [row for day in range(LAST_DAY) for row in rows(f"day {day}", START + day * DAY + HOUR, 1)]
    pq.write_table(pa.Table.from_pylist(batch, SCHEMA), directory / "events.parquet")
    user = hr.Entity("user", join_keys={"user_id": "string"})
    source = hr.EventSource(
        "events", batch="events.parquet", timestamp="ts", event_id="event_id", stream=hr.Push()
    )
    all_ = {"windows": ["all"]}
    sums = [agg.count("n", **all_), agg.sum("paid", "price", **all_), agg.max("most", "price", **all_)]
    prices = agg.count("prices", by="price", **all_)
    more = agg.count("paid_more", where="price > 1", **all_)
    with opened(directory) as store:
        store.apply(
            [
                hr.AggregateView("sums", entity=user, source=source, features=[*sums, prices]),
                hr.AggregateView(
                    "counts", entity=user, source=source, features=[agg.count("events", **all_), more]
                ),
                hr.LatestView("newest", entity=user, source=source, features=["price"]),
            ]
        )
        load(store, 1)


def load(store: hr.FeatureStore, days: int) -> None:
    store.materialize(end=START + days * DAY)


def loader(directory: Path, loads: int) -> None:
    with opened(directory) as store:
        for days in range(2, loads + 2):
            load(store, days)
    say("done")


def pusher(directory: Path, pushes: int) -> None:
    with opened(directory) as store:
        for number in range(pushes):
            at = START + LAST_DAY * DAY + number * HOUR // 100
            pushed = store.push("events", rows(f"push {number}", at, PUSHED + number))
            assert pushed.accepted == len(USERS)
    say("done")


def reader(directory: Path, _: int) -> None:
    """Read until the test says so; every read is checked."""
    seen: list[Seen] = []
    reads = 0
    with opened(directory) as store:
        while reads == 0 or not select.select([sys.stdin], [], [], 0)[0]:
            answer = store.get_online_features(FEATURES, {"user_id": USERS}).to_dict()
            found = understood(answer)
            if seen and found != seen[-1]:
                assert all(new >= old for new, old in zip(found, seen[-1], strict=True)), (seen[-1], found)
            if not seen or found != seen[-1]:
                seen.append(found)
            reads += 1
            if reads == 1:
                say("reading")
    say("done", {"reads": reads, "seen": seen})


Seen = tuple[int, int, int]
"""Loads that the view of sums has seen, loads that the view of counts has, pushes."""


def understood(answer: dict[str, list[Any]]) -> Seen:
    """What one answer has seen."""
    names = [each.partition(":")[2] for each in FEATURES]
    users = {json.dumps([answer[name][place] for name in names]) for place in range(len(USERS))}
    assert len(users) == 1, users
    n, paid, most, prices, events, more, price = json.loads(users.pop())
    assert more == max(0, price - PUSHED + 1), "one answer, but not one state of the stream"
    assert most == price
    assert paid == n - more + sum(range(PUSHED, PUSHED + more))
    assert prices == {"1": n - more} | {str(PUSHED + number): 1 for number in range(more)}
    return n - more, events - more, more


if __name__ == "__main__":
    verb, directory, *number = sys.argv[1:]
    globals()[verb](Path(directory), *map(int, number))
