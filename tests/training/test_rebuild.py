"""A training set made again from its manifest is the same file; what has changed since is named."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace as hr
from headrace import agg
from headrace.cli.app import app
from headrace.clock import FixedClock
from headrace.errors import DataError
from tests.training.shop import (
    CLICKS,
    NOW,
    ORDERS,
    again,
    bought,
    click,
    clicks,
    order,
    orders,
    shop,
    spine_of,
    user,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

DAY = dt.timedelta(days=1)
ROWS = [click(n, f"03-0{n % 9 + 1} {n % 24:02}:{n % 60:02}", f"u{n % 7}", n % 3) for n in range(60)]
ORDERED = [order(n, "03-08 10:00", user_id=f"u{n}", ad_id=n % 3, amount=0.1 * n) for n in range(6)]


def made(directory: Path, **how: Any) -> Path:
    """A training set in a file, its spine in another."""
    store = shop(directory, ROWS, ORDERED)
    pq.write_table(spine_of(ROWS), directory / "spine.parquet")
    asked = {"as_of": "2026-03-25T00:00:00Z", "negatives": 0.5, "seed": 7, **how}
    spine, labels = directory / "spine.parquet", ["bought", "revenue"]
    dataset = store.get_training_set(spine, service="model", labels=labels, **asked)
    store.close()
    return dataset.to_parquet(directory / "train.parquet")


def rebuilt(directory: Path, manifest: Any, spine: Any = None) -> bytes:
    with again(directory) as store:
        dataset = store.rebuild_training_set(manifest, spine)
        return dataset.to_parquet(directory / "again.parquet").read_bytes()


def test_it_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    train = made(tmp_path)
    assert rebuilt(tmp_path, train) == train.read_bytes()
    manifest = json.loads(pq.read_schema(train).metadata[b"headrace.manifest"])
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert rebuilt(tmp_path, tmp_path / "manifest.json") == train.read_bytes()
    assert rebuilt(tmp_path, manifest) == train.read_bytes()


def test_later_on_another_day_with_other_versions_of_the_features(tmp_path: Path) -> None:
    train = made(tmp_path)
    more = hr.AggregateView(
        "user_clicks", version="2", entity=user, source=clicks, features=[agg.count("clicks", windows=["1d"])]
    )
    with hr.FeatureStore(tmp_path, clock=FixedClock("2026-06-01T00:00:00Z")) as store:
        store.apply([more])
        found = store.rebuild_training_set(train)
        assert found.to_parquet(tmp_path / "again.parquet").read_bytes() == train.read_bytes()


def test_what_was_not_mature_is_not_mature_again(tmp_path: Path) -> None:
    train = made(tmp_path, as_of="2026-03-12T00:00:00Z", negatives=None)
    assert set(pq.read_table(train)["bought_mature"].to_pylist()) == {True, False}
    assert rebuilt(tmp_path, train) == train.read_bytes()


def test_a_spine_in_memory_is_given_again(tmp_path: Path) -> None:
    store = shop(tmp_path, ROWS, ORDERED)
    train = store.get_training_set(spine_of(ROWS), service="model", labels=[bought]).to_parquet(
        tmp_path / "train.parquet"
    )
    with pytest.raises(DataError, match="table in memory"):
        rebuilt(tmp_path, train)
    assert rebuilt(tmp_path, train, spine_of(ROWS)) == train.read_bytes()


@pytest.mark.parametrize("form", ["arrow", "pandas", "polars", "dicts"])
def test_a_spine_in_every_form(tmp_path: Path, form: str) -> None:
    rows = spine_of(ROWS)
    rows = rows.append_column("tags", pa.array([["a", row["user_id"]] for row in ROWS]))
    spine = {
        "arrow": rows,
        "pandas": rows.to_pandas(),
        "polars": pl.from_arrow(rows),
        "dicts": rows.to_pylist(),
    }[form]
    store = shop(tmp_path, ROWS, ORDERED)
    given = {"service": "model", "labels": [bought], "as_of": "2026-03-25T00:00:00Z", "negatives": 0.5}
    dataset = store.get_training_set(spine, **given)
    expected = store.get_training_set(rows, **given)
    assert dataset.to_arrow()["bought"].equals(expected.to_arrow()["bought"])
    assert store.looks_ahead(dataset).is_clean
    assert store.looks_ahead(store.get_historical_features(spine, service="model")).is_clean
    train = dataset.to_parquet(tmp_path / "train.parquet")
    assert rebuilt(tmp_path, train, spine) == train.read_bytes()


def test_what_has_changed_is_named(tmp_path: Path) -> None:
    train = made(tmp_path)
    write(tmp_path / "orders.parquet", [*ORDERED, order(99, "03-30 10:00")], ORDERS)
    with pytest.raises(DataError, match=r"Source 'orders': the file orders\.parquet has changed"):
        rebuilt(tmp_path, train)
    write(tmp_path / "orders.parquet", ORDERED, ORDERS)
    assert rebuilt(tmp_path, train) == train.read_bytes()
    pq.write_table(spine_of([*ROWS[1:], ROWS[0]]), tmp_path / "spine.parquet")
    with pytest.raises(DataError, match=r"spine .*spine.parquet \(60 rows then, 60 now\) has changed"):
        rebuilt(tmp_path, train)
    pq.write_table(spine_of(ROWS[1:]), tmp_path / "spine.parquet")
    with pytest.raises(DataError, match=r"spine .*spine.parquet \(60 rows then, 59 now\) has changed"):
        rebuilt(tmp_path, train)


def test_changed_definitions_and_settings_of_sources_are_named(tmp_path: Path) -> None:
    train = made(tmp_path)
    manifest = json.loads(pq.read_schema(train).metadata[b"headrace.manifest"])
    manifest["labels"][1]["fingerprint"] = "0" * 64
    with pytest.raises(DataError, match="The definition of revenue@1 has changed"):
        rebuilt(tmp_path, manifest)
    slow = dataclasses.replace(orders, serving_delay="2s")
    with again(tmp_path) as store:
        views = [each for each in store.registry.list("view") if each.name == "user_orders"]
        assert views
        old = store.registry.definition("view", "user_orders")
        store.apply([dataclasses.replace(old, source=slow), dataclasses.replace(bought, source=slow)])
    with pytest.raises(DataError, match="serving_delay, then 0s, now 2s"):
        rebuilt(tmp_path, train)


def test_rows_that_came_out_otherwise_are_not_passed_off(tmp_path: Path) -> None:
    train = made(tmp_path)
    manifest = json.loads(pq.read_schema(train).metadata[b"headrace.manifest"])
    with pytest.raises(DataError, match="The rows differ"):
        rebuilt(tmp_path, {**manifest, "sha256": "0" * 64})


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"PAR1 no", b"no"], ids=["empty", "{}", "[]", "PAR1", "no"]
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    shop(tmp_path, ROWS, ORDERED).close()
    (tmp_path / "m.json").write_bytes(content)
    with pytest.raises(DataError, match="manifest"):
        rebuilt(tmp_path, tmp_path / "m.json")


def test_historical_features_are_no_training_set(tmp_path: Path) -> None:
    store = shop(tmp_path, ROWS, ORDERED)
    dataset = store.get_historical_features(spine_of(ROWS), service="model")
    with pytest.raises(DataError, match="not the manifest of a training set"):
        rebuilt(tmp_path, dataset.to_parquet(tmp_path / "t.parquet"))


def run(*words: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        app.main(list(words), prog_name="headrace")
    assert ended.value.code == code


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the machine's clock: the shop's days are long over."""
    shop(tmp_path, ROWS, ORDERED).close()
    pq.write_table(spine_of(ROWS), tmp_path / "spine.parquet")
    train, other, manifest = (tmp_path / name for name in ("a.parquet", "b.parquet", "m.json"))
    here = ["--project", str(tmp_path)]
    what = [
        "-s",
        "model",
        "-l",
        "bought",
        "--as-of",
        "2026-03-25",
        "--immature",
        "drop",
        "--negatives",
        "0.5",
    ]
    files = ["--out", str(train), "--manifest", str(manifest)]
    run("train", str(tmp_path / "spine.parquet"), *what, *files, *here)
    told = capsys.readouterr()
    assert "positive" in told.out
    assert json.loads(manifest.read_text())["negatives"] == {
        "share": 0.5,
        "seed": 0,
        "weight": "sample_weight",
    }
    run("train", "--rebuild", str(manifest), "--out", str(other), "--json", *here)
    assert json.loads(capsys.readouterr().out) == json.loads(manifest.read_text())
    assert other.read_bytes() == train.read_bytes()
    write(tmp_path / "clicks.parquet", ROWS[1:], CLICKS)
    other.unlink()
    run("train", "--rebuild", str(train), "--out", str(other), *here, code=1)
    assert "clicks.parquet" in capsys.readouterr().err
    assert not other.exists()
    run("train", "--rebuild", str(train), "-s", "model", *here, code=1)
    write(tmp_path / "clicks.parquet", ROWS, CLICKS)
    run("train", "--rebuild", str(train), "--looks-ahead", *here)
    assert "Nothing looks ahead" in capsys.readouterr().err
    leaky = pq.read_table(tmp_path / "spine.parquet").append_column(
        "bought_at", [[row["ts"] + DAY for row in ROWS]]
    )
    pq.write_table(leaky, tmp_path / "spine.parquet")
    run("train", str(tmp_path / "spine.parquet"), *what, "--looks-ahead", "--json", *here, code=2)
    (finding,) = json.loads(capsys.readouterr().out)["looks_ahead"]["findings"]
    assert (finding["kind"], finding["certain"]) == ("spine_instant", True)
    run("train", *what, *here, code=1)


def test_the_present_of_the_shop_is_after_its_events() -> None:
    assert all(row["ts"].timestamp() * 1e6 < NOW for row in [*ROWS, *ORDERED])
