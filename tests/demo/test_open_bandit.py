"""The shipped Open Bandit log is what its docstring says, and the script makes it from a wheel."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from headrace.demo import open_bandit
from headrace.demo.open_bandit import write_open_bandit
from headrace.errors import StoreError

ROOT = Path(__file__).parents[2]
SHIPPED = Path(open_bandit.__file__).parent / "data" / open_bandit.LOG
SCHEMA = pa.schema(
    {
        "event_id": pa.string(),
        "ts": pa.timestamp("us", tz="UTC"),
        "policy": pa.string(),
        "campaign": pa.string(),
        "item_id": pa.int64(),
        "position": pa.int64(),
        "click": pa.int64(),
        "propensity_score": pa.float64(),
    }
)
HEADER = ",timestamp,item_id,position,click,propensity_score,user_feature_0\n"


@pytest.fixture(scope="module")
def log() -> pa.Table:
    return pq.read_table(SHIPPED)


def test_it_is_small_and_typed(log: pa.Table) -> None:
    assert SHIPPED.stat().st_size < 1_500_000
    assert log.schema.equals(SCHEMA)
    assert all(column.null_count == 0 for column in log.columns)


def test_it_has_ten_thousand_impressions_of_each_policy_and_campaign(log: pa.Table) -> None:
    counts = log.group_by(["policy", "campaign"]).aggregate([([], "count_all")]).to_pylist()
    assert {(row["policy"], row["campaign"]): row["count_all"] for row in counts} == {
        (policy, campaign): 10_000 for policy in ("bts", "random") for campaign in ("all", "men", "women")
    }


def test_about_half_a_percent_are_clicked(log: pa.Table) -> None:
    assert set(pc.unique(log["click"]).to_pylist()) == {0, 1}
    assert pc.sum(log["click"]).as_py() == 287
    assert pc.mean(log["click"]).as_py() == pytest.approx(0.005, abs=0.0005)


def test_it_is_sorted_by_time_and_ids_are_unique(log: pa.Table) -> None:
    order = list(zip(log["ts"].cast(pa.int64()).to_pylist(), log["event_id"].to_pylist(), strict=True))
    assert order == sorted(order)
    assert pc.count_distinct(log["event_id"]).as_py() == len(log)
    assert log["ts"][0].as_py().date().isoformat() == "2019-11-24"
    assert log["ts"][-1].as_py().date().isoformat() == "2019-11-30"


def test_items_positions_and_propensities_are_in_their_ranges(log: pa.Table) -> None:
    items = log.group_by("campaign").aggregate([("item_id", "min"), ("item_id", "max")]).to_pylist()
    assert {row["campaign"]: (row["item_id_min"], row["item_id_max"]) for row in items} == {
        "all": (0, 79),
        "men": (0, 33),
        "women": (0, 45),
    }
    assert set(pc.unique(log["position"]).to_pylist()) == {1, 2, 3}
    low, high = pc.min_max(log["propensity_score"]).as_py().values()
    assert 0 < low < high < 1


def test_duckdb_reads_the_same_rows(log: pa.Table) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        assert connection.read_parquet(str(SHIPPED)).to_arrow_table().cast(SCHEMA).equals(log)


def test_the_copy_takes_its_licences_along(tmp_path: Path) -> None:
    copied = write_open_bandit(tmp_path / "new" / "data")
    assert copied.read_bytes() == SHIPPED.read_bytes()
    assert {path.name for path in copied.parent.iterdir()} == {
        "open_bandit.parquet",
        "ATTRIBUTION.md",
        "LICENSE-CC-BY-4.0.txt",
        "LICENSE-obp.txt",
    }
    attribution = (copied.parent / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert "https://creativecommons.org/licenses/by/4.0/" in attribution
    assert "arXiv:2008.07146" in attribution


def test_a_place_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(StoreError, match="cannot be written"):
        write_open_bandit(tmp_path / "file")


# --- the script -------------------------------------------------------------------------------------------


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel laid out like obp's: the later row comes first, and the six logs share their instants."""
    path = tmp_path / "obp.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for policy in ("bts", "random"):
            for campaign in ("all", "men", "women"):
                content = HEADER + (
                    f"0,2019-11-24 00:00:02.000001+00:00,7,3,1,0.5,{policy}\n"
                    f"1,2019-11-24 00:00:01.999999+00:00,{len(campaign)},1,0,0.0125,{campaign}\n"
                )
                archive.writestr(f"obp/dataset/obd/{policy}/{campaign}/{campaign}.csv", content)
    return path


def _make(wheel: Path, target: Path, digest: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "make_open_bandit.py")]
    return subprocess.run(
        [*command, str(wheel), str(target), "--sha256", digest], capture_output=True, text=True, check=False
    )


def test_the_script_joins_and_sorts_the_logs_of_a_wheel(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.parquet"
    done = _make(wheel, target, hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert (done.returncode, done.stderr) == (0, "")
    table = pq.read_table(target)
    assert table.schema.equals(SCHEMA)
    logs = ["bts/all", "bts/men", "bts/women", "random/all", "random/men", "random/women"]
    assert table["event_id"].to_pylist() == [f"{log}/{row:05d}" for row in (1, 0) for log in logs]
    assert table.slice(11).to_pylist() == [
        {
            "event_id": "random/women/00000",
            "ts": datetime(2019, 11, 24, 0, 0, 2, 1, tzinfo=UTC),
            "policy": "random",
            "campaign": "women",
            "item_id": 7,
            "position": 3,
            "click": 1,
            "propensity_score": 0.5,
        }
    ]


def test_the_script_writes_the_same_bytes_again(wheel: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    once, twice = tmp_path / "once.parquet", tmp_path / "twice.parquet"
    assert [_make(wheel, target, digest).returncode for target in (once, twice)] == [0, 0]
    assert once.read_bytes() == twice.read_bytes()


def test_the_script_refuses_another_wheel(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.parquet"
    refused = _make(wheel, target, "0" * 64)
    assert refused.returncode == 1
    assert "is another wheel" in refused.stderr
    assert not target.exists()
