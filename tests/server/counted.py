"""A project whose answers tell what they have seen: every event counts once in every feature."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

import headrace as hr
from headrace.clock import DAY, HOUR, instant

if TYPE_CHECKING:
    from pathlib import Path

USERS = [f"user{number:02}" for number in range(20)]
START = instant("2026-03-01T00:00:00Z")
DAYS = 40
NOW = START + (DAYS + 2) * DAY
SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("user_id", pa.string()),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("one", pa.int64()),
    ]
)

DEFINITIONS = """
import headrace as hr
from headrace import agg

user = hr.Entity("user", join_keys={"user_id": "string"})
events = hr.EventSource(
    "events", batch="events.parquet", timestamp="ts", event_id="event_id", stream=hr.Push()
)
counts = hr.AggregateView(
    "counts", entity=user, source=events,
    features=[agg.count("n", windows=["all"]), agg.sum("ones", "one", windows=["all"])],
)
again = hr.AggregateView(
    "again", entity=user, source=events, features=[agg.count("m", windows=["all", "90d"])]
)
"""
FEATURES = ["counts:n_all", "counts:ones_all", "again:m_all", "again:m_90d"]
QUESTION: dict[str, Any] = {"features": FEATURES, "entities": {"user_id": USERS}, "as_of": NOW}


def row(name: str, user: str, at: int) -> dict[str, Any]:
    """One event."""
    ts = dt.datetime.fromtimestamp(at / 1e6, tz=dt.UTC)
    return {"event_id": f"{name} {user}", "user_id": user, "ts": ts, "one": 1}


def pushed(number: int) -> list[dict[str, Any]]:
    """The events of a push, one of each user, as JSON has them."""
    rows = [row(f"push {number}", user, START + DAYS * DAY + number * HOUR // 100) for user in USERS]
    return [{**each, "ts": each["ts"].isoformat()} for each in rows]


def build(directory: Path, *online: str) -> Path:
    """The project, one event of each user a day, the first of them loaded.

    Args:
        directory: Where; made.
        *online: Lines of its `[online]` section.
    """
    directory.mkdir(parents=True)
    lines = ['[project]\nname = "counted"', *(["[online]", *online] if online else [])]
    (directory / "headrace.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (directory / "features.py").write_text(DEFINITIONS, encoding="utf-8")
    batch = [row(f"day {day}", user, START + day * DAY + HOUR) for day in range(DAYS) for user in USERS]
    pq.write_table(pa.Table.from_pylist(batch, SCHEMA), directory / "events.parquet")
    with hr.FeatureStore(directory) as store:
        store.apply()
        store.materialize(end=START + DAY)
    return directory


def seen(answer: dict[str, Any]) -> list[list[int]]:
    """What an answer says of each user: how many events, by each feature."""
    columns = [
        column["values"]
        for name, column in zip(answer["metadata"]["feature_names"], answer["results"], strict=True)
        if name != "user_id"
    ]
    return [list(of_user) for of_user in zip(*columns, strict=True)]
