"""A small project that serves, with everything that can go wrong planted by hand."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

import headrace as hr
from headrace import agg
from headrace.clock import DAY, HOUR, MINUTE, SECOND, FixedClock, instant
from headrace.keys import encode_key
from headrace.online.layout import segment_prefix
from headrace.online.manifest import read_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

K = instant("2026-03-02T00:00:00Z")
NOON = K + 12 * HOUR
"""When answers are given, half a day after what is loaded."""

USER = hr.Entity("user", join_keys={"user_id": "string"})
SCHEMA = {
    "id": "string",
    "user_id": "string",
    "ts": "timestamp",
    "seen_at": "timestamp",
    "event": "string",
    "price": "double",
}
ARROW = pa.schema(
    [
        ("id", pa.string()),
        ("user_id", pa.string()),
        ("ts", pa.timestamp("us", "UTC")),
        ("seen_at", pa.timestamp("us", "UTC")),
        ("event", pa.string()),
        ("price", pa.float64()),
    ]
)
FEATURES = [
    agg.count("clicks", where="event = 'click'", windows=["1h", "7d"]),
    agg.sum("spent", "price", windows=["7d"]),
    agg.last_k("recent", "event", k=3, windows=["7d"]),
]
NAMES = ["clicks_1h", "clicks_7d", "spent_7d", "recent_7d"]


def event(number: int, user: str, at: int, known: int | None = None, **more: Any) -> dict[str, Any]:
    """A click."""
    seen = at if known is None else known
    return {
        "id": f"e{number}",
        "user_id": user,
        "ts": at,
        "seen_at": seen,
        "event": "click",
        "price": 1.5,
        **more,
    }


HISTORY = [event(n, user, K - n * HOUR) for n, user in enumerate(["ann", "bob", "cid", "ann", "bob"], 1)]


class Project:
    """A project whose files and clock a test moves."""

    def __init__(
        self,
        path: Path,
        features: Sequence[Any] = FEATURES,
        *,
        history: Sequence[Any] = (),
        latest: bool = False,
        **source: Any,
    ) -> None:
        """Loaded up to K with `HISTORY`, at noon."""
        self.path = path
        (path / "data").mkdir(parents=True)
        (path / "headrace.toml").write_text(
            '[project]\nname = "ads"\n[serving]\nlog = "served"\nlog_sample = 1.0\n'
        )
        (path / "features.py").write_text("")
        self.clock = FixedClock(K + MINUTE)
        self.open()
        given = {
            "batch": "data/*.parquet",
            "schema": SCHEMA,
            "timestamp": "ts",
            "available_at": "seen_at",
            "event_id": "id",
            "stream": hr.Push(),
            **source,
        }
        self.source = hr.EventSource("events", **given)
        self.features = list(features)
        self._latest = latest
        self.store.apply([self.view()])
        if given["batch"] is not None:
            self.arrive("a", history or HISTORY, K - HOUR)
            self.store.materialize(K)
        self.clock.at = NOON

    def open(self) -> None:
        """Open it, by the settings as they are now."""
        if hasattr(self, "store"):
            self.store.close()
        self.store = hr.FeatureStore(self.path, clock=self.clock)

    def view(self, *more: Any) -> hr.AggregateView | hr.LatestView:
        """The view, with some more features."""
        if self._latest:
            return hr.LatestView(
                "by_user", entity=USER, source=self.source, version="1", features=["event", "price"], ttl="5h"
            )
        return hr.AggregateView(
            "by_user", entity=USER, source=self.source, version="1", features=[*self.features, *more]
        )

    def arrive(self, name: str, rows: Sequence[dict[str, Any]], at: int) -> None:
        """A file reaches the batch."""
        path = self.path / "data" / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist(list(rows), ARROW), path)
        os.utime(path, (at / SECOND, at / SECOND))

    def push(self, *rows: dict[str, Any]) -> None:
        """Events reach the stream."""
        self.store.push("events", list(rows))

    def serve(self, *users: str, names: Sequence[str] = tuple(NAMES), **more: Any) -> dict[str, list[Any]]:
        """Answers are given, and logged."""
        asked = [f"by_user:{name}" for name in names]
        return self.store.get_online_features(asked, {"user_id": list(users)}, **more).to_dict()

    def report(self, after: int = DAY, **more: Any) -> Any:
        """What consistency says a day later, when the batch has everything."""
        self.clock.advance(after)
        return self.store.consistency("3d", **more)


def causes(report: Any) -> dict[str, int]:
    """What it found, by cause."""
    found: dict[str, int] = {}
    for view in report.views:
        for cause, many in view.causes.items():
            found[cause] = found.get(cause, 0) + many
    return found


def segment_of(project: Project) -> bytes:
    """Where the records of the only segment are."""
    (segment,) = read_manifest(project.store.online).of("by_user@1").segments
    return segment_prefix(segment.number)


def give(project: Project, whose: str, to: str) -> None:
    """A user gets another's record."""
    prefix = segment_of(project)
    with project.store.online.transaction() as tx:
        (record,) = tx.multi_get([prefix + encode_key((whose,))])
        assert record is not None
        tx.multi_put([(prefix + encode_key((to,)), record)])


def lose(project: Project, user: str) -> None:
    """The generation loses a user's record."""
    key = segment_of(project) + encode_key((user,))
    with project.store.online.transaction() as tx:
        assert tx.multi_get([key])[0] is not None
        tx.delete([key])
