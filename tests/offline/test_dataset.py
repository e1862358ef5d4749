"""Historical features in every form people take them away in, with the facts of how they were made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from headrace.clock import instant
from headrace.errors import StoreError
from headrace.kernel.columns import INVALID, NOT_FOUND, NULL_VALUE, PRESENT
from headrace.offline.dataset import MANIFEST_KEY, HistoricalFeatures, Origin, OutputFeature
from headrace.offline.spine import Spine
from headrace.schema import STRING

if TYPE_CHECKING:
    from pathlib import Path

CREATED = instant("2026-02-01T12:00:00Z")


def features(rows: int = 3, extra: int = 0) -> HistoricalFeatures:
    """A spine of some rows with a rate, a list, a map, and some more columns."""
    ids = [f"<u{i}>" for i in range(rows)]
    t = instant("2026-01-01T00:00:00Z") + np.arange(rows, dtype=np.int64) * 1_000_000
    table = pa.table({"user_id": ids, "ts": pa.array(t, pa.timestamp("us", "UTC"))})
    for i in range(extra):
        table = table.append_column(f"more_{i}", pa.array([i] * rows))
    spine = Spine.read(table, "ts", {"user_id": STRING})
    table = table.append_column(
        "ctr_7d", pa.array([0.25, None, None][:rows] + [0.5] * (rows - 3), pa.float64())
    )
    table = table.append_column("recent", pa.array([["a", "b"]] * rows, pa.list_(pa.string())))
    table = table.append_column("seen", pa.array([[("a", 1)]] * rows, pa.map_(pa.string(), pa.int64())))
    status = np.array(([PRESENT, NULL_VALUE, NOT_FOUND] + [PRESENT] * rows)[:rows], dtype=np.uint8)
    origin = Origin(
        features=[OutputFeature("ctr_7d", "user_ads@1:ctr_7d", "double", "ab12")],
        spine=spine,
        statuses={"ctr_7d": status, "recent": np.full(rows, INVALID, dtype=np.uint8)},
        sources={"ad_interactions": {"rows": 7, "files": 1}},
        quarantined={"ad_interactions: uncastable price": 2},
        engine="local",
        created_at=CREATED,
        service="ctr_model@1",
    )
    return HistoricalFeatures(table, origin)


def test_every_form_has_the_same_rows() -> None:
    ds = features()
    assert ds.to_arrow() is ds.table
    assert len(ds) == 3
    frame = ds.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert isinstance(ds.to_df(), pd.DataFrame)
    assert isinstance(ds.to_polars(), pl.DataFrame)
    for one in (frame, ds.to_df(), ds.to_polars()):
        assert list(one.columns) == ["user_id", "ts", "ctr_7d", "recent", "seen"]
        assert list(one["user_id"]) == ["<u0>", "<u1>", "<u2>"]
    assert frame["ctr_7d"].isna().tolist() == [False, True, True]
    assert ds.to_polars()["recent"].to_list() == [["a", "b"]] * 3


def test_the_manifest_says_how_the_rows_were_made() -> None:
    ds = features()
    manifest = ds.manifest
    assert json.loads(json.dumps(manifest)) == manifest
    assert manifest["features"] == [
        {"column": "ctr_7d", "feature": "user_ads@1:ctr_7d", "type": "double", "fingerprint": "ab12"}
    ]
    assert manifest["service"] == "ctr_model@1"
    assert manifest["engine"] == "local"
    assert manifest["created_at"] == "2026-02-01T12:00:00Z"
    assert manifest["headrace_version"]
    assert manifest["sources"] == {"ad_interactions": {"rows": 7, "files": 1}}
    assert manifest["quarantined"] == {"ad_interactions: uncastable price": 2}
    assert manifest["statuses"] == {
        "ctr_7d": {"PRESENT": 1, "NULL_VALUE": 1, "NOT_FOUND": 1},
        "recent": {"INVALID": 3},
    }
    assert manifest["spine"] == {
        "rows": 3,
        "sha256": ds.origin.spine.digest(),
        "columns": ["user_id", "ts"],
        "timestamp": "ts",
        "first": "2026-01-01T00:00:00Z",
        "last": "2026-01-01T00:00:02Z",
    }


def test_no_rows() -> None:
    ds = features(0)
    assert len(ds) == 0
    assert ds.manifest["spine"]["rows"] == 0
    assert ds.manifest["spine"]["first"] is None
    assert "0 rows" in repr(ds)


def test_parquet_holds_the_rows_and_the_manifest(tmp_path: Path) -> None:
    ds = features()
    path = ds.to_parquet(tmp_path / "train.parquet")
    back = parquet.read_table(path)
    assert back.equals(ds.table)
    assert json.loads(back.schema.metadata[MANIFEST_KEY]) == ds.manifest
    assert list(tmp_path.iterdir()) == [path]


def test_parquet_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    ds = features()
    with pytest.raises(StoreError, match="cannot be written"):
        ds.to_parquet(tmp_path / "nowhere" / "train.parquet")
    (tmp_path / "taken").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        ds.to_parquet(tmp_path / "taken")
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]


def test_a_failed_write_keeps_the_file_that_was_there(tmp_path: Path) -> None:
    path = features().to_parquet(tmp_path / "train.parquet")
    before = path.read_bytes()
    ds = features()
    unwritable = ds.table.append_column("n", pa.nulls(3, pa.month_day_nano_interval()))
    with pytest.raises(StoreError, match="cannot be written"):
        HistoricalFeatures(unwritable, ds.origin).to_parquet(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_person_sees_the_first_rows() -> None:
    text = repr(features())
    lines = text.splitlines()
    assert lines[0] == "HistoricalFeatures: 3 rows, 1 features"
    assert lines[1].split() == ["user_id", "ts", "ctr_7d", "recent", "seen"]
    assert lines[2].split() == ["<u0>", "2026-01-01T00:00:00Z", "0.25", "[a,", "b]", "{a:", "1}"]
    assert lines[3].split()[2] == "-"
    assert len(lines) == 5


def test_a_large_table_shows_some_rows_and_says_how_many_more() -> None:
    text = repr(features(1_000, extra=20))
    assert len(text.splitlines()) == 13
    assert "990 more rows" in text
    assert "13 more columns" in text
    assert "ctr_7d" in text
    assert len(text) < 5_000


def test_a_notebook_shows_escaped_html() -> None:
    page = features()._repr_html_()
    assert "<th>ctr_7d</th>" in page
    assert "&lt;u0&gt;" in page
    assert "<u0>" not in page
