"""A project that follows a file, and who writes it: `python -m tests.soak.clicks DIRECTORY RATE SEED`.

Each event goes to the stream at once, some again a little later, and to a file of the batch within `FLUSH`
seconds. Says how many there were, once standard input closes.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import select
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import headrace as hr
from headrace import agg
from headrace.clock import DAY, SECOND

USERS = 100_000
RATE = 300
"""Events a second."""
DAYS = 3
"""Days of history."""
FLUSH = 15.0
STEP = 0.01
AGAIN = 0.02
LATE = 0.1
HOT = 0.05
SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("user_id", pa.string()),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("received", pa.timestamp("us", tz="UTC")),
        ("event", pa.string()),
        ("price", pa.float64()),
        ("ad_id", pa.int64()),
    ]
)
SETTINGS = """\
[project]
name = "clicks"
[serving]
log = "served"
log_sample = 1.0
"""


def definitions() -> list[Any]:
    """The source, its view, and the service that is asked for."""
    user = hr.Entity("user", join_keys={"user_id": "string"})
    source = hr.EventSource(
        "clicks",
        batch="batch/*.parquet",
        timestamp="ts",
        available_at="received",
        event_id="event_id",
        lateness="1m",
        dedup_horizon="5m",
        stream=hr.JsonLinesStream("clicks.jsonl"),
    )
    windows = ["1h", "1d"]
    view = hr.AggregateView(
        "user_clicks",
        entity=user,
        source=source,
        features=[
            agg.count("n", windows=windows),
            agg.count("clicks", where="event = 'click'", windows=windows),
            agg.sum("spend", "price", windows=windows),
            agg.max("most", "price", windows=windows),
            agg.last("last_ad", "ad_id", windows=windows),
            agg.last_k("ads", "ad_id", k=5, windows=windows),
            agg.distinct("different", "ad_id", windows=windows),
            agg.decayed_sum("value", "price", half_life="1h"),
        ],
    )
    return [source, view, hr.FeatureService("soak", features=[view])]


def build(directory: Path, seed: int) -> Path:
    """The project, with some days of history, the first of them loaded."""
    (directory / "batch").mkdir(parents=True)
    (directory / "headrace.toml").write_text(SETTINGS, encoding="utf-8")
    drawn, now = random.Random(f"{seed} history"), int(time.time() * SECOND)
    today = now // DAY * DAY
    times = sorted(drawn.randrange(today - DAYS * DAY, now) for _ in range(DAYS * USERS))
    rows = [_event(drawn, f"h{place}", at, now) for place, at in enumerate(times)]
    _write(directory, "history", rows)
    since = dt.datetime.fromtimestamp((today - DAY) / SECOND, tz=dt.UTC)
    newer = [row for row in rows if row["received"] >= since]  # than what is loaded
    (directory / "clicks.jsonl").write_bytes(b"".join(map(_line, newer)))
    with hr.FeatureStore(directory) as store:
        store.apply(definitions())
        store.materialize(end=today - DAY)
        store.ingest(once=True)
    return directory


def _event(drawn: random.Random, name: str, at: int, most: int) -> dict[str, Any]:
    """An event at an instant, known then or later, but before another."""
    late = drawn.random() < LATE
    received = min(at + drawn.randrange(600 * SECOND if late else SECOND), most)
    ts, known = (dt.datetime.fromtimestamp(each / SECOND, tz=dt.UTC) for each in (at, received))
    hot = min(int(drawn.paretovariate(0.3)), USERS)
    return {
        "event_id": name,
        "user_id": f"u{hot if drawn.random() < HOT else drawn.randrange(USERS)}",
        "ts": ts,
        "received": known,
        "event": "click" if drawn.random() < 0.2 else "impression",
        "price": drawn.randrange(10_000) / 128,
        "ad_id": drawn.randrange(500),
    }


def _write(directory: Path, name: str, rows: list[dict[str, Any]]) -> None:
    """A file of the batch, there at once."""
    whole = directory / f"{name}.unfinished"
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), whole)
    whole.rename(directory / "batch" / f"{name}.parquet")


def _line(row: dict[str, Any]) -> bytes:
    told = {name: each.isoformat() if isinstance(each, dt.datetime) else each for name, each in row.items()}
    return json.dumps(told).encode() + b"\n"


def _live(drawn: random.Random, number: int) -> dict[str, Any]:
    """An event that is known now, and happened a little or, some of them, minutes before."""
    now = int(time.time() * SECOND)
    ago = drawn.randrange(600 * SECOND if drawn.random() < LATE else SECOND)
    row = _event(drawn, f"s{number}", now - ago, now)
    return {**row, "received": dt.datetime.fromtimestamp(now / SECOND, tz=dt.UTC)}


def main(directory: str, rate: int, seed: str) -> None:
    """Write until told to end."""
    drawn, home = random.Random(f"{seed} events"), Path(directory)
    begun, flushed, count, files = time.monotonic(), time.monotonic(), 0, 0
    rows: list[dict[str, Any]] = []
    with (home / "clicks.jsonl").open("ab", buffering=0) as file:
        while not select.select([sys.stdin], [], [], STEP)[0]:
            due = int((time.monotonic() - begun) * rate) - count
            new = [_live(drawn, count + place) for place in range(due)]
            again = [drawn.choice(rows) for _ in new if rows and drawn.random() < AGAIN]
            file.write(b"".join(map(_line, new + again)))
            rows += new
            count += due
            if time.monotonic() - flushed > FLUSH:
                _write(home, f"part-{files:06}", rows)
                rows, files, flushed = [], files + 1, time.monotonic()
    if rows:
        _write(home, f"part-{files:06}", rows)
    sys.stdout.write(json.dumps({"events": count}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
