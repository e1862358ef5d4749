"""The manifest of a training set names what it was made from."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv

import headrace as hr
from headrace import agg
from headrace.clock import format_instant
from tests.project.market import NOW, SCHEMA, again, clicks, event, events, project, user, write

if TYPE_CHECKING:
    from pathlib import Path


def view(batch: Any, version: str = "1", **source: Any) -> hr.AggregateView:
    made = dataclasses.replace(clicks, batch=batch, **source)
    features = [agg.count(f"events{version}", windows=["7d"])]
    return hr.AggregateView("activity", entity=user, source=made, version=version, features=features)


def sources(store: hr.FeatureStore, *features: str) -> dict[str, Any]:
    spine = [{"user_id": "u0", "ts": NOW}]
    found = store.get_historical_features(spine, features=list(features)).manifest
    assert json.loads(json.dumps(found)) == found
    return found["sources"]


def test_the_files_of_a_glob_and_their_rows(tmp_path: Path) -> None:
    store = project(tmp_path)
    (tmp_path / "log").mkdir()
    write(tmp_path / "log" / "b.parquet", events(0, 1))
    write(tmp_path / "log" / "a.parquet", events(1, 3))
    store.apply([view("log/*.parquet")])
    found = sources(store, "activity:events1_7d")["clicks"]
    assert found["batch"] == "log/*.parquet"
    assert [(file["path"], file["rows"]) for file in found["files"]] == [
        ("log/a.parquet", len(events(1, 3))),
        ("log/b.parquet", len(events(0, 1))),
    ]
    assert found["rows"] == len(events(0, 3))
    first = found["files"][0]
    assert first["bytes"] == (tmp_path / "log" / "a.parquet").stat().st_size
    assert first["modified"].endswith("Z")

    write(tmp_path / "log" / "a.parquet", [*events(1, 3), event(99, NOW)])
    after = sources(store, "activity:events1_7d")["clicks"]
    assert after["files"] != found["files"]
    assert found["newest"] < after["newest"] == format_instant(NOW)


def test_a_file_that_must_be_read_to_be_counted(tmp_path: Path) -> None:
    store = project(tmp_path)
    pyarrow.csv.write_csv(pa.Table.from_pylist(events(0, 2), SCHEMA), tmp_path / "log.csv")
    store.apply([view(str(tmp_path / "log.csv"))])
    found = sources(store, "activity:events1_7d")["clicks"]
    assert [(file["path"], file["rows"]) for file in found["files"]] == [("log.csv", None)]
    assert found["rows"] is None


def test_a_table_in_memory_has_rows_only(tmp_path: Path) -> None:
    store = project(tmp_path)
    table = pa.Table.from_pylist(events(0, 2), SCHEMA)
    store.apply([view(table)])
    assert sources(store, "activity:events1_7d") == {
        "clicks": {"batch": "in memory", "files": [], "rows": table.num_rows, "newest": newest_of(table)}
    }


def test_two_revisions_of_a_source_in_one_answer_are_both_told(tmp_path: Path) -> None:
    store = project(tmp_path, events(0, 2))
    write(tmp_path / "more.parquet", events(0, 5))
    store.apply([view("events.parquet")])
    store.apply([view("more.parquet", "2", columns={"dear": "price > 5"})])
    found = sources(again_with(store, tmp_path), "activity@1:events1_7d", "activity@2:events2_7d")
    assert {name: facts["batch"] for name, facts in found.items()} == {
        "clicks": "events.parquet",
        "clicks of activity@2": "more.parquet",
    }


def newest_of(table: pa.Table) -> str:
    return max(table["ts"].to_pylist()).isoformat().replace("+00:00", "Z")


def test_a_source_without_a_usable_row_has_no_newest(tmp_path: Path) -> None:
    store = project(tmp_path)
    store.apply([view(pa.Table.from_pylist([], SCHEMA))])
    assert sources(store, "activity:events1_7d")["clicks"]["newest"] is None


def again_with(store: hr.FeatureStore, directory: Path) -> hr.FeatureStore:
    store.close()
    return again(directory)
