"""Made-up households come in the files of the real ones, and in the same ones for everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from headrace.demo.households import BEGIN, END
from headrace.demo.made_up import FEWEST_ROWS, write_made_up
from headrace.errors import DataError, StoreError
from tests.demo.by_hand import redeemed_by_hand
from tests.demo.test_households import SCHEMAS

if TYPE_CHECKING:
    from pathlib import Path

    from headrace.demo.households import HouseholdFiles

ROWS = 30_000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> HouseholdFiles:
    return write_made_up(tmp_path_factory.mktemp("made_up"), ROWS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_columns_are_those_of_the_real_files(files: HouseholdFiles, name: str) -> None:
    found = pq.read_schema(getattr(files, name))
    assert found.names == list(SCHEMAS[name])
    assert {field.name: field.type for field in found} == SCHEMAS[name]


def test_there_are_as_many_rows_as_asked(files: HouseholdFiles) -> None:
    assert files.rows["transactions"] == ROWS
    for name, rows in files.rows.items():
        assert pq.read_metadata(getattr(files, name)).num_rows == rows > 0
    ids = pq.read_table(files.transactions, columns=["household_id"])["household_id"]
    assert pc.count_distinct(ids).as_py() == files.households


@pytest.mark.parametrize("name", ["transactions", "touches", "redemptions"])
def test_events_are_sorted_and_their_ids_unique(files: HouseholdFiles, name: str) -> None:
    events = pq.read_table(getattr(files, name), columns=["event_id", "ts"])
    ticks = events["ts"].cast(pa.int64()).combine_chunks()
    assert pc.all(pc.less_equal(ticks.slice(0, len(ticks) - 1), ticks.slice(1))).as_py()
    assert pc.count_distinct(events["event_id"]).as_py() == len(events)
    first, last = pc.min_max(events["ts"]).as_py().values()
    assert BEGIN <= first < last < END


def test_some_coupons_are_redeemed_and_most_are_not(files: HouseholdFiles) -> None:
    redeemed = pc.mean(redeemed_by_hand(files.touches, files.redemptions)["redeemed"]).as_py()
    assert 0.02 < redeemed < 0.3


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    one, again, other = (
        write_made_up(tmp_path / name, FEWEST_ROWS, seed=seed)
        for name, seed in {"one": 1, "again": 1, "other": 2}.items()
    )
    assert one.rows == again.rows
    for name in SCHEMAS:
        assert getattr(one, name).read_bytes() == getattr(again, name).read_bytes()
    assert one.transactions.read_bytes() != other.transactions.read_bytes()


def test_too_few_rows_and_a_place_that_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few"):
        write_made_up(tmp_path, FEWEST_ROWS - 1)
    (tmp_path / "file").write_text("here")
    with pytest.raises(StoreError, match="cannot be written"):
        write_made_up(tmp_path / "file", FEWEST_ROWS)
