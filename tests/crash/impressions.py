"""The project whose worker is killed: impressions, real and made up, that come through a broker.

Real ones are those of the Open Bandit Dataset that the demo ships. Each event is an entity of a view of its
own, so that what was lost, and what counts twice, can be told event by event.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import headrace as hr
from headrace import agg, ingesting
from headrace.clock import MINUTE, FixedClock, format_instant, instant
from headrace.keys import decode_key
from headrace.online.layout import RECORDS
from headrace.online.log import Log
from headrace.online.partitions import partition_numbers, progress_of
from headrace.online.record import decode_record
from headrace.stores.locks import FileLocks
from tests.crash.deadly import DeadlyLocks, DeadlyStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.online.ingestion import Ingestion
    from tests.crash.deadly import Steps
    from tests.ingesting.brokers import Broker

LOADED = instant("2019-11-25")
NOW = instant("2019-12-01")
REAL = Path(hr.__file__).parent / "demo" / "data" / "open_bandit.parquet"
BATCH = "impressions.parquet"
SCHEMA = {"event_id": "string", "ts": "timestamp", "item_id": "int64", "position": "int64", "click": "int64"}
FEATURES = [
    *(f"items:{name}" for name in ("seen_1d", "seen_7d", "clicked_7d", "rate_7d", "last_positions_all")),
    "items:positions_7d",
]
AT_ONCE = 20_000
"""Events that are asked for in one request, or written at once."""


def definitions(stream: hr.Stream, *, named: bool) -> list[Any]:
    event_id = "event_id" if named else None
    source = hr.EventSource(
        "impressions", batch=BATCH, schema=SCHEMA, timestamp="ts", event_id=event_id, stream=stream
    )
    item = hr.Entity("item", join_keys={"item_id": "int64"})
    event = hr.Entity("event", join_keys={"event_id": "string"})
    clicked = agg.count("clicked", where="click = 1", windows=["7d"])
    items = hr.AggregateView(
        "items",
        entity=item,
        source=source,
        features=[
            agg.count("seen", windows=["1d", "7d"]),
            clicked,
            agg.rate("rate", numerator="clicked", denominator="seen", prior=(1, 50), windows=["7d"]),
            agg.last_k("last_positions", "position", k=5, windows=["all"]),
            agg.count("positions", by="position", windows=["7d"]),
        ],
    )
    each = hr.AggregateView(
        "each", entity=event, source=source, features=[agg.count("times", windows=["all"])]
    )
    return [source, item, event, items, each]


class Events(NamedTuple):
    """What is replayed.

    Attributes:
        before: Rows that were loaded.
        after: Rows that come through the stream, each once, as JSON values.
    """

    before: list[dict[str, Any]]
    after: list[dict[str, Any]]


def events(count: int, seed: int) -> Events:
    """Real events, at most two thirds of those asked for, and made-up ones between them.

    Args:
        count: How many come through the stream.
        seed: Draws what is made up, and where.
    """
    draw = random.Random(seed)
    rows = pq.read_table(REAL, columns=["event_id", "ts", "item_id", "position", "click"])
    edge = pa.scalar(datetime.fromtimestamp(LOADED / 1e6, UTC), pa.timestamp("us", "UTC"))
    old, new = (rows.filter(test(rows["ts"], edge)) for test in (pc.less, pc.greater_equal))
    few = min(new.num_rows, count * 2 // 3)
    real = new.take(draw.sample(range(new.num_rows), few)).to_pylist()
    made = [_made(number, draw) for number in range(count - few)]
    after = [{**row, "ts": row["ts"].isoformat()} for row in real] + made
    draw.shuffle(after)
    return Events(old.slice(0, 500).to_pylist(), after)


def _made(number: int, draw: random.Random) -> dict[str, Any]:
    at = LOADED + draw.randrange((NOW - LOADED) // MINUTE) * MINUTE  # many at one instant
    return {
        "event_id": f"made {number}", "ts": format_instant(at), "item_id": int(draw.paretovariate(1)),
        "position": draw.randrange(1, 4), "click": int(draw.random() < 0.05),
    }  # fmt: skip


def opened(directory: Path) -> hr.FeatureStore:
    return hr.FeatureStore(directory, clock=FixedClock(NOW), who="tester")


def build(directory: Path, broker: Broker, found: Events, *, named: bool = False) -> None:
    """A project, loaded, and what its broker has.

    Args:
        directory: The project's.
        broker: What its source follows.
        found: The events.
        named: Whether events are told apart by their ids; then the broker has copies of some. Else nothing
            but the positions of batches keeps an event that is read again from counting again.
    """
    directory.mkdir(parents=True)
    (directory / "headrace.toml").write_text('[project]\nname = "impressions"\n')
    write(directory, found.before)
    with opened(directory) as store:
        store.apply(definitions(broker.stream, named=named))
        store.materialize(end=LOADED)
    send(broker, found.after, copies=named)


def send(broker: Broker, after: Sequence[dict[str, Any]], *, copies: bool) -> None:
    """Write events; those of an item go through all partitions, the copies of one through the same."""
    for number in range(broker.partitions):
        own = after[number :: broker.partitions]
        again = own[: len(own) // 5] if copies else []
        messages = [*own[: len(own) // 2], *again, *own[len(own) // 2 :]]
        for start in range(0, len(messages), AT_ONCE):  # a producer's queue is not endless
            broker.write(number, messages[start : start + AT_ONCE])


def write(directory: Path, rows: Sequence[dict[str, Any]]) -> None:
    times = [instant(row["ts"]) for row in rows]
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in SCHEMA}
    pq.write_table(pa.table({**columns, "ts": pa.array(times, pa.timestamp("us", "UTC"))}), directory / BATCH)


def lane(store: hr.FeatureStore, worker: str, steps: Steps) -> Ingestion:
    """The ingestion of a worker, as the project wires it, but that each of its ports counts steps.

    It is for processes of their own: what is wired stays wired.

    Args:
        store: The project, whose store counts steps already.
        worker: Workers of one name share the partitions by locks, as those of a host do; those of others
            see nothing of them.
        steps: Counts.
    """
    parts = store._parts  # noqa: SLF001 - where the facade keeps what is counted here
    source, _ = parts.names.of_source("impressions")
    real = ingesting.open_stream
    ingesting.open_stream = lambda settings, of: DeadlyStream(real(settings, of), steps)
    ingesting.open_locks = lambda settings, _: DeadlyLocks(
        FileLocks(settings.directory / "locks" / worker), steps
    )
    return ingesting._ingestion(parts, source)  # noqa: SLF001 - so that nothing is wired otherwise here


def drain(lane: Ingestion, quiet: float) -> None:
    """Take all there is: until nothing came for so many seconds, and nothing is known to be behind."""
    while True:
        count = lane.step(quiet)
        assert count is not None or "over from" in lane.counts.trouble.text, lane.counts.trouble.text
        if count == 0 and not lane.behind():
            return


def taken(store: hr.FeatureStore) -> tuple[int, int]:
    """How many batches were taken, and how often somebody became the writer of a partition."""
    with store.online.snapshot() as snapshot:
        numbers = partition_numbers(snapshot, "impressions").values()
        batches = sum(Log("impressions", number).next_offset(snapshot) for number in numbers)
        return batches, sum(progress_of(snapshot, "impressions", number).writer for number in numbers)


class Found(NamedTuple):
    """What a store says in the end, beside history.

    Attributes:
        lost: Events that do not count.
        doubled: Events that count more than once.
        differing: Features of items whose values are not those of history.
        items: How many items were compared.
    """

    lost: int
    doubled: int
    differing: list[str]
    items: int


def states(store: hr.FeatureStore) -> dict[Any, Any]:
    """What the stream's records hold, by view, epoch, partition's name and entity."""
    with store.online.snapshot() as snapshot:
        names = {number: name for name, number in partition_numbers(snapshot, "impressions").items()}
        stored = {}
        for key, data in snapshot.scan(RECORDS[1]):
            _, view, _, epoch, partition, *entity = decode_key(key)
            record = decode_record(data)
            stored[view, epoch, names[partition], *entity] = (record.frontier, bytes(record.tiles))
    return stored


def found(store: hr.FeatureStore, directory: Path, what: Events) -> Found:
    """Compare what is served with the kernel over all events, and each event's count with 1."""
    counts: Counter[int] = Counter()
    names = [row["event_id"] for row in what.after]
    for start in range(0, len(names), AT_ONCE):
        asked = {"event_id": names[start : start + AT_ONCE]}
        counts.update(store.get_online_features(["each:times_all"], asked).to_dict()["times_all"])
    items = sorted({row["item_id"] for row in (*what.before, *what.after)} | {-1})
    write(directory, [*what.before, *what.after])
    spine = pa.table({"item_id": items, "ts": pa.array([NOW] * len(items), pa.timestamp("us", "UTC"))})
    history = store.get_historical_features(spine, features=FEATURES).to_arrow()
    served = store.get_online_features(FEATURES, {"item_id": items}, as_of=NOW).to_dict()
    differing = [
        name for name in served if history.column(name).to_pylist(maps_as_pydicts="strict") != served[name]
    ]
    return Found(counts[0], sum(n for times, n in counts.items() if times > 1), differing, len(items))
