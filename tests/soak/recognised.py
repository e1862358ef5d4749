"""A project whose answers tell which load, which push and which version of a service they have seen.

Every user has one event of 1 on each day, and one of `PUSHED` in each push. So two features of a view tell
how many loads and pushes are in them; they must be the same for all users of an answer, the pushes for both
views, and what one request has seen the next must see.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

import headrace as hr
from headrace import agg
from headrace.clock import DAY, MINUTE, SECOND, instant

if TYPE_CHECKING:
    from pathlib import Path

USERS = [f"user{number:02}" for number in range(30)]
START = instant("2024-01-01T00:00:00Z")
DAYS = 400
LAST = START + DAYS * DAY
PUSHED = 1_000
SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("user_id", pa.string()),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("x", pa.int64()),
    ]
)
SHORT = ["counts:n_all", "counts:x_all"]
LONG = [*SHORT, "again:n_again_all", "again:x_again_all"]
USER = hr.Entity("user", join_keys={"user_id": "string"})
SOURCE = hr.EventSource(
    "events", batch="events.parquet", timestamp="ts", event_id="event_id", stream=hr.Push()
)


class Seen(NamedTuple):
    """What an answer has seen.

    Attributes:
        counts: Loads of the one view.
        again: Loads of the other; as many as of the one where it was not asked.
        pushes: Pushes, in both.
    """

    counts: int
    again: int
    pushes: int


def views() -> tuple[hr.AggregateView, hr.AggregateView]:
    """Both views."""
    counts = [agg.count("n", windows=["all"]), agg.sum("x", "x", windows=["all"])]
    again = [agg.count("n_again", windows=["all"]), agg.sum("x_again", "x", windows=["all"])]
    return (
        hr.AggregateView("counts", entity=USER, source=SOURCE, features=counts),
        hr.AggregateView("again", entity=USER, source=SOURCE, features=again),
    )


def service(version: int) -> hr.FeatureService:
    """A version of the service that is asked for: odd ones have one view, even ones both."""
    counts, again = views()
    members = [counts["n_all", "x_all"], *([] if version % 2 else [again["n_again_all", "x_again_all"]])]
    return hr.FeatureService("recognised", version=str(version), features=members)


def row(name: str, user: str, at: int, x: int) -> dict[str, Any]:
    """An event."""
    ts = dt.datetime.fromtimestamp(at / 1e6, tz=dt.UTC)
    return {"event_id": f"{name} {user}", "user_id": user, "ts": ts, "x": x}


def pushed(number: int) -> dict[str, Any]:
    """The body of a push: one event of each user."""
    rows = [row(f"push {number}", user, LAST + number * MINUTE, PUSHED) for user in USERS]
    return {"source": "events", "rows": [{**each, "ts": each["ts"].isoformat()} for each in rows]}


def build(directory: Path, online: list[str]) -> Path:
    """The project, its first day loaded.

    Args:
        directory: Where; made.
        online: Lines of its `[online]` section.
    """
    directory.mkdir(parents=True)
    text = "\n".join(['[project]\nname = "recognised"', "[online]", *online]) + "\n"
    (directory / "headrace.toml").write_text(text, encoding="utf-8")
    batch = [row(f"day {day}", user, START + day * DAY + SECOND, 1) for day in range(DAYS) for user in USERS]
    pq.write_table(pa.Table.from_pylist(batch, SCHEMA), directory / "events.parquet")
    with hr.FeatureStore(directory) as store:
        store.apply([*views(), service(1)])
        store.materialize(end=START + DAY)
    return directory


def understood(answer: dict[str, Any]) -> Seen:
    """What an answer has seen.

    Raises:
        ValueError: It is of more than one state.
    """
    names = answer["metadata"]["feature_names"][1:]
    if names not in (["n_all", "x_all"], ["n_all", "x_all", "n_again_all", "x_again_all"]):
        raise ValueError(f"no version of the service has {names}")
    columns = [column["values"] for column in answer["results"][1:]]
    users = set(zip(*columns, strict=True))
    if len(users) != 1:
        raise ValueError(f"users differ: {users}")
    numbers = users.pop()
    seen = [(n - x // PUSHED, x // PUSHED) for n, x in zip(numbers[::2], numbers[1::2], strict=True)]
    loads = [load for load, _ in seen]
    if len({pushes for _, pushes in seen}) != 1:
        raise ValueError(f"views differ in pushes: {numbers}")
    if any(load != x % PUSHED for load, x in zip(loads, numbers[1::2], strict=True)):
        raise ValueError(f"features of one view differ: {numbers}")
    return Seen(loads[0], loads[-1], seen[0][1])
