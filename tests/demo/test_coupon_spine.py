"""The spine is the campaigns' touches, and no training label is younger than a test row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.demo.coupon_spine import MATURE_AFTER, coupon_spine, split
from headrace.demo.households import HouseholdFiles

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2017, 3, 1, 5, tzinfo=UTC)
DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
INSTANT = pa.timestamp("us", tz="UTC")


def _files(directory: Path) -> HouseholdFiles:
    """Household 1 in campaigns 9 and 8, both from START on."""
    touches = {
        "event_id": ["9-1", "8-1"],
        "household_id": [1, 1],
        "campaign_id": [9, 8],
        "campaign_type": ["Type B", "Type A"],
        "campaign_days": [50, 40],
        "ts": pa.array([START, START], INSTANT),
    }
    unused = directory / "unused.parquet"
    files = HouseholdFiles(unused, directory / "touches.parquet", unused, unused, rows={}, households=1)
    pq.write_table(pa.table(touches), files.touches)
    return files


def test_the_spine_is_typed_and_in_order(tmp_path: Path) -> None:
    spine = coupon_spine(_files(tmp_path))
    assert {field.name: field.type for field in spine.schema} == {
        "household_id": pa.int64(),
        "campaign_id": pa.int64(),
        "campaign_type": pa.string(),
        "campaign_days": pa.int64(),
        "ts": INSTANT,
    }
    assert spine["campaign_id"].to_pylist() == [8, 9]


@pytest.mark.parametrize(("first", "rows"), [(START, 2), (START + TICK, 0)])
def test_campaigns_before_the_first_instant_are_left_out(tmp_path: Path, first: datetime, rows: int) -> None:
    assert len(coupon_spine(_files(tmp_path), first=first)) == rows


def test_split_keeps_the_future_out_of_training() -> None:
    now = START + 100 * DAY
    starts = [now - 29 * DAY, now - 29 * DAY + TICK, now - TICK, now, now + DAY, now + DAY + TICK]
    mature = [ts + MATURE_AFTER <= now + 30 * DAY for ts in starts]
    rows = pa.table({"row": range(6), "ts": pa.array(starts, INSTANT), "label_mature": mature})
    train, test = split(rows, at=now)
    assert train["row"].to_pylist() == [0]
    assert test["row"].to_pylist() == [3, 4]
