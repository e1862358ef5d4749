"""What a load reads: what the files say and no load has read, and of events told by an id no copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace import agg
from headrace.clock import DAY, HOUR, instant
from headrace.definitions.aggregate_view import AggregateView
from headrace.definitions.entity import Entity
from headrace.definitions.source import EventSource
from headrace.engines.local.engine import LocalEngine
from headrace.kernel.parts import BUCKETS
from headrace.ports.engine import Extent, Held
from headrace.reading.database import BATCH_ROWS
from headrace.retrieval.bind import bind

if TYPE_CHECKING:
    from pathlib import Path

NOON = instant("2026-03-01T12:00:00Z")
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("user", pa.string()),
        ("shop", pa.string()),
        ("ts", pa.timestamp("us", "UTC")),
        ("at", pa.timestamp("us", "UTC")),
    ]
)


class Files:
    """A directory of files of (id, hour it happened, hour it was known), and an engine that reads it."""

    def __init__(self, directory: Path, event_id: str | None, key: str = "user") -> None:
        self._directory = directory
        source = EventSource(
            "log", batch="log/*.parquet", schema={name: str(of) for name, of in _TYPES.items()},
            timestamp="ts", available_at="at", event_id=event_id,
        )  # fmt: skip
        whose = Entity("whose", join_keys={key: "string"})
        view = AggregateView("v", entity=whose, source=source, features=[agg.count("n", windows=["7d"])])
        self._view = bind(view, source.schema, "UTC")
        self._engine = LocalEngine(directory)

    def write(self, name: str, *rows: tuple[str, int, int]) -> None:
        (self._directory / "log").mkdir(exist_ok=True)
        made = [
            {"id": id_, "user": f"u{id_}", "ts": NOON + hour * HOUR, "at": NOON + known * HOUR}
            for id_, hour, known in rows
        ]
        pq.write_table(pa.Table.from_pylist(made, SCHEMA), self._directory / "log" / f"{name}.parquet")

    def load(self, before: int, held: Held | None = None, done: int = 0) -> tuple[list[int], Held]:
        """The hours of the events a load up to an hour reads, and what it holds then."""
        parts = list(self._engine.parts(self._view, NOON + before * HOUR, held, done))
        assert parts[-1].done == BUCKETS
        hours = [(at - NOON) // HOUR for part in parts for at in part.events.column("__time").to_pylist()]
        return sorted(hours), Held(NOON + before * HOUR, dict(parts[-1].extents))


_TYPES = {"id": "string", "user": "string", "shop": "string", "ts": "timestamp", "at": "timestamp"}


@pytest.fixture(params=["id", None], ids=["with ids", "without ids"])
def files(tmp_path: Path, request: pytest.FixtureRequest) -> Files:
    return Files(tmp_path, request.param)


def test_rows_that_were_not_known_yet_come_in_later(files: Files) -> None:
    files.write("a", ("1", 0, 0), ("2", 1, 30), ("3", 2, 31))
    first, held = files.load(30)
    assert first == [0]
    assert held.files == {"log/a.parquet": Extent(NOON + 2 * HOUR, NOON + 31 * HOUR)}
    second, held = files.load(31, held)
    assert second == [1]
    third, held = files.load(32, held)
    assert third == [2]
    assert files.load(33, held)[0] == []


def test_a_file_is_read_once_and_a_new_one_whole(files: Files) -> None:
    files.write("a", ("1", 0, 0), ("2", 1, 1))
    first, held = files.load(10)
    files.write("b", ("3", -5, -5), ("4", 2, 2), ("5", 9, 12))
    second, held = files.load(11, held)
    assert (first, second) == ([0, 1], [-5, 2])
    assert held.files["log/b.parquet"] == Extent(NOON + 9 * HOUR, NOON + 12 * HOUR)


def test_a_file_reaches_as_far_as_its_newest_row_wherever_that_lies(files: Files) -> None:
    files.write("a", ("0", 40, 45), *((str(n), 0, 0) for n in range(1, BATCH_ROWS + 1)))
    _, held = files.load(10)
    assert held.files == {"log/a.parquet": Extent(NOON + 40 * HOUR, NOON + 45 * HOUR)}


def test_the_cache_of_ids_may_be_deleted(tmp_path: Path) -> None:
    files = Files(tmp_path, "id")
    files.write("a", ("1", 0, 0), ("2", 1, 1), ("3", 1, 5))
    _, held = files.load(4)
    files.write("b", ("1", 0, 6), ("4", 2, 6), ("2", 1, 6), ("4", 2, 7), ("3", 1, 7))
    (cached,) = (tmp_path / ".headrace" / "cache" / "ids" / "log").glob("*/*")
    # copies of what is loaded are left out; those among what is read are left to the kernel
    assert files.load(10, held)[0] == [1, 1, 2, 2]
    for spoil in (lambda: cached.write_bytes(b"nonsense"), cached.unlink):
        spoil()
        assert files.load(10, held)[0] == [1, 1, 2, 2]


def test_a_view_that_leaves_rows_out_leaves_another_the_ids_of_them(tmp_path: Path) -> None:
    users, shops = Files(tmp_path, "id"), Files(tmp_path, "id", key="shop")  # no row has a shop
    users.write("a", ("1", 0, 0))
    _, held = users.load(4)
    assert shops.load(4)[0] == []
    users.write("b", ("1", 0, 6), ("2", 1, 6))
    assert users.load(10, held)[0] == [1]


def test_an_id_of_another_entity_is_another_event(tmp_path: Path) -> None:
    files = Files(tmp_path, "id")
    files.write("a", ("1", 0, 0))
    _, held = files.load(4)
    rows = [{"id": "1", "user": "other", "ts": NOON + HOUR, "at": NOON + HOUR}]
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), tmp_path / "log" / "b.parquet")
    assert files.load(5, held)[0] == [1]


def test_whoever_was_stopped_goes_on_where_it_was(files: Files) -> None:
    files.write("a", *((str(n), n % 24, n % 24) for n in range(600)))
    whole, _ = files.load(48)
    for done in (0, 1, 100, BUCKETS - 1, BUCKETS):
        rest, _ = files.load(48, done=done)
        assert len(rest) <= len(whole)
        assert bool(rest) == (done < BUCKETS)
    assert files.load(48 + DAY // HOUR)[0] == whole
