"""A small project for tests of the whole: a market's clicks by user, on a clock that stands still."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace as hr
from headrace import agg
from headrace.clock import DAY, HOUR, FixedClock, instant
from headrace.errors import HeadraceError
from headrace.keys import encode_key
from headrace.stores.lmdb import LmdbStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

FIRST_DAY = instant("2026-03-01T00:00:00Z")
K = FIRST_DAY + 10 * DAY
NOW = FIRST_DAY + 15 * DAY
KEYS = ["u0", "u1", "u2", "nobody"]
SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("user_id", pa.string()),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("price", pa.float64()),
        ("kind", pa.string()),
    ]
)


def event(number: int, at: int, **other: Any) -> dict[str, Any]:
    """One event; every third of a user, every other a click."""
    made = {
        "event_id": f"e{number}",
        "user_id": f"u{number % 3}",
        "ts": dt.datetime.fromtimestamp(at / 1e6, tz=dt.UTC),
        "price": float(number),
        "kind": "click" if number % 2 else "view",
    }
    return {**made, **other}


def events(first: int, last: int) -> list[dict[str, Any]]:
    """An event every five hours from a day up to another, days counted from the first."""
    step = 5 * HOUR
    numbers = range(-(-first * DAY // step), -(-last * DAY // step))
    return [event(number, FIRST_DAY + number * step) for number in numbers]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows), SCHEMA), path)


user = hr.Entity("user", join_keys={"user_id": "string"})
clicks = hr.EventSource(
    "clicks", batch="events.parquet", timestamp="ts", event_id="event_id", stream=hr.Push()
)


def activity(*more: Any, first: Sequence[Any] = ()) -> hr.AggregateView:
    """The view of windows, with some more features."""
    features = [agg.count("events", windows=["7d"]), agg.sum("spend", "price", windows=["7d"])]
    return hr.AggregateView("activity", entity=user, source=clicks, features=[*first, *features, *more])


def newest(*more: str) -> hr.LatestView:
    """The view of latest values, with some more columns."""
    return hr.LatestView("newest", entity=user, source=clicks, features=["price", *more])


def project(directory: Path, rows: Sequence[dict[str, Any]] | None = None) -> hr.FeatureStore:
    """A project of both views, with these events as its batch; nothing is applied yet."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "headrace.toml").write_text('[project]\nname = "market"\n')
    if rows is not None:
        write(directory / "events.parquet", rows)
    return again(directory)


def again(directory: Path) -> hr.FeatureStore:
    """The project opened anew, as another process would."""
    return hr.FeatureStore(directory, clock=FixedClock(NOW), who="tester")


def online(store: hr.FeatureStore, *features: str, as_of: int = NOW) -> dict[str, list[Any]]:
    """Values of the features, for `KEYS`."""
    return store.get_online_features(list(features), {"user_id": KEYS}, as_of=as_of).to_dict()


def offline(store: hr.FeatureStore, *features: str, as_of: int = NOW) -> dict[str, list[Any]]:
    """The same from history."""
    at = dt.datetime.fromtimestamp(as_of / 1e6, tz=dt.UTC)
    spine = [{"user_id": key, "ts": at} for key in KEYS]
    rows = store.get_historical_features(spine, features=list(features)).to_arrow()
    return {name: rows[name].to_pylist() for name in rows.column_names if name != "ts"}


def refused(error: type[HeadraceError], work: Callable[[], object], *words: str) -> None:
    """That the work ends with one error of the tree that says this and what to do."""
    with pytest.raises(HeadraceError) as caught:
        work()
    assert type(caught.value) is error, repr(caught.value)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.remedy


CLAIMS = tuple(encode_key((kind,)) for kind in ("loading 3", "next segment"))


def state(directory: Path) -> list[tuple[bytes, bytes]]:
    """All that the online store holds, but for claims of loads: they count, whether the load ends or not."""
    with LmdbStore(directory / ".headrace" / "online") as store:
        return [item for item in store.scan(b"") if not item[0].startswith(CLAIMS)]
