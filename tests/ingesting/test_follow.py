"""A project whose source follows a file: what is ingested is what history says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace as hr
from headrace import agg
from headrace.clock import DAY, HOUR, MINUTE, FixedClock, format_instant, instant
from headrace.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

MIDNIGHT = instant("2026-03-02")
USER = hr.Entity("user", join_keys={"user_id": "string"})
FEATURES = ["user_ads:clicks_1h", "user_ads:clicks_1d", "user_ads:spend_1d", "user_ads:last_ad_1d"]


def source(**more: Any) -> hr.EventSource:
    return hr.EventSource(
        "ads",
        batch="ads.parquet",
        schema={
            "user_id": "string",
            "ts": "timestamp",
            "id": "string",
            "price": "decimal(12,4)",
            "ad": "int64",
        },
        timestamp="ts",
        event_id="id",
        **{"stream": hr.JsonLinesStream("live/ads.jsonl"), **more},
    )


def view(of: hr.EventSource) -> hr.AggregateView:
    return hr.AggregateView(
        "user_ads",
        entity=USER,
        source=of,
        features=[
            agg.count("clicks", windows=["1h", "1d"]),
            agg.sum("spend", "price", windows=["1d"]),
            agg.last("last_ad", "ad", windows=["1d"]),
        ],
    )


def click(number: int, user: str, at: int) -> dict[str, Any]:
    return {
        "user_id": user, "ts": format_instant(at), "id": f"e{number}", "price": f"{number}.25", "ad": number
    }  # fmt: skip


class Place:
    """A project, and the file that its source follows."""

    def __init__(self, home: Path, **more: Any) -> None:
        self.home = home
        self.file = home / "live" / "ads.jsonl"
        self.file.parent.mkdir(parents=True)
        (home / "headrace.toml").write_text('[project]\nname = "ads"\n')
        self.clock = FixedClock(MIDNIGHT + 10 * HOUR)
        self.before = [click(n, f"u{n % 3}", MIDNIGHT - HOUR + n * MINUTE) for n in range(9)]
        self.batch(self.before)
        self.store = hr.FeatureStore(home, clock=self.clock)
        self.store.apply([source(**more), view(source(**more))])

    def batch(self, rows: list[dict[str, Any]]) -> None:
        pq.write_table(pa.Table.from_pylist(rows), self.home / "ads.parquet")

    def live(self, *rows: dict[str, Any] | bytes) -> None:
        with self.file.open("ab") as file:
            for row in rows:
                file.write((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n")

    def ask(self) -> dict[str, list[Any]]:
        users = {"user_id": ["u0", "u1", "u2", "nobody"]}
        return self.store.get_online_features(FEATURES, users).to_dict()

    def history(self, rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
        self.batch(rows)
        spine = [{"user_id": u, "ts": self.clock.now()} for u in ("u0", "u1", "u2", "nobody")]
        return (
            self.store.get_historical_features(spine, features=FEATURES)
            .to_arrow()
            .drop_columns(["ts"])
            .to_pydict()
        )


@pytest.fixture
def place(tmp_path: Path) -> Any:
    place = Place(tmp_path / "project")
    yield place
    place.store.close()


def test_what_is_ingested_is_what_history_says(place):
    place.store.materialize(end=MIDNIGHT)
    after = [click(100 + n, f"u{n % 3}", MIDNIGHT + 9 * HOUR + n * MINUTE) for n in range(20)]
    place.live(*after[:12])
    (done,) = place.store.ingest(once=True)
    assert (done.accepted, done.duplicates, done.late, done.rejected) == (12, 0, 0, 0)
    assert place.ask() == place.history([*place.before, *after[:12]])
    place.live(*after[12:], *after[:5])
    (done,) = place.store.ingest(["ads"], once=True)
    assert (done.accepted, done.duplicates) == (8, 5)
    assert place.ask() == place.history([*place.before, *after])


def test_what_was_ingested_is_not_taken_again_by_anybody(place):
    place.store.materialize(end=MIDNIGHT)
    place.live(*(click(n, "u1", MIDNIGHT + n) for n in range(1, 5)))
    place.store.ingest(once=True)
    with hr.FeatureStore(place.home, clock=place.clock) as other:
        (done,) = other.ingest(once=True)
        assert done[1:] == (0,) * 6
    assert place.ask()["clicks_1d"] == [3, 3 + 4, 3, 0]


def test_what_cannot_be_used_goes_to_quarantine_with_its_place(place):
    place.store.materialize(end=MIDNIGHT)
    good = click(1, "u1", MIDNIGHT + 1)
    place.live(
        b"{no json", b"[1]", {**good, "price": "much"}, {**good, "user_id": None}, {**good, "ts": None}, good
    )
    (done,) = place.store.ingest(once=True)
    assert (done.accepted, done.rejected) == (1, 5)
    found = place.store.quarantine("ads")
    assert found.counts["ads"] == {
        "malformed": 2, "uncastable": 1, "no_key": 1, "no_time": 1
    }  # fmt: skip
    assert all(row.origin.startswith("stream ads.jsonl:") for row in found.rows)
    place.store.ingest(once=True)
    assert place.store.quarantine("ads").counts == found.counts


def test_a_load_covers_what_was_ingested_and_nothing_counts_twice(place):
    place.store.materialize(end=MIDNIGHT)
    early = [click(50 + n, "u1", MIDNIGHT + n) for n in range(4)]
    place.live(*early)
    place.store.ingest(once=True)
    place.clock.advance(DAY)
    late = [click(70 + n, "u2", MIDNIGHT + DAY + n) for n in range(3)]
    place.live(*late)
    place.store.ingest(once=True)
    place.batch([*place.before, *early])
    place.store.materialize(end=MIDNIGHT + DAY)
    place.live(late[0], click(60, "u0", MIDNIGHT + HOUR))
    (done,) = place.store.ingest(once=True)
    assert (done.accepted, done.duplicates, done.late) == (0, 1, 1)
    assert place.ask() == place.history([*place.before, *early, *late])


def test_a_source_without_a_stream_is_refused(place):
    plain = hr.EventSource("plain", batch="ads.parquet", timestamp="ts")
    place.store.apply([plain])
    with pytest.raises(DataError, match="no stream to follow") as refused:
        place.store.ingest(["plain"], once=True)
    assert refused.value.available == ("ads",)
