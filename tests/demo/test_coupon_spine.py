"""The label looks ahead by exactly its window, and no training label is younger than a test row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.demo.coupon_spine import coupon_spine, split
from headrace.demo.households import HouseholdFiles

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2017, 3, 1, 5, tzinfo=UTC)
DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
INSTANT = pa.timestamp("us", tz="UTC")


def _files(directory: Path, redemptions: list[tuple[int, datetime]]) -> HouseholdFiles:
    """Household 1 in campaigns 8 and 9, both from START on; coupons of campaign and instant redeemed."""
    touches = {
        "event_id": ["8-1", "9-1"],
        "household_id": [1, 1],
        "campaign_id": [8, 9],
        "campaign_type": ["Type A", "Type B"],
        "campaign_days": [40, 50],
        "ts": pa.array([START, START], INSTANT),
    }
    redeemed = {
        "household_id": pa.array([1 for _ in redemptions], pa.int64()),
        "campaign_id": pa.array([campaign for campaign, _ in redemptions], pa.int64()),
        "ts": pa.array([ts for _, ts in redemptions], INSTANT),
    }
    unused = directory / "unused.parquet"
    files = HouseholdFiles(
        unused, directory / "touches", directory / "redemptions", unused, rows={}, households=1
    )
    pq.write_table(pa.table(touches), files.touches)
    pq.write_table(pa.table(redeemed), files.redemptions)
    return files


@pytest.mark.parametrize(
    ("redeemed", "expected"),
    [
        ([], [0, 0]),
        ([(8, START)], [1, 0]),
        ([(8, START - TICK)], [0, 0]),
        ([(9, START + 28 * DAY - TICK)], [0, 1]),
        ([(9, START + 28 * DAY)], [0, 0]),
        ([(8, START + DAY), (8, START + 2 * DAY), (9, START)], [1, 1]),
    ],
)
def test_a_redemption_counts_from_the_start_up_to_the_window(
    tmp_path: Path, redeemed: list[tuple[int, datetime]], expected: list[int]
) -> None:
    spine = coupon_spine(_files(tmp_path, redeemed))
    assert spine["redeemed"].to_pylist() == expected
    assert spine["campaign_id"].to_pylist() == [8, 9]


def test_the_spine_is_typed_and_matures_a_day_after_its_window(tmp_path: Path) -> None:
    spine = coupon_spine(_files(tmp_path, []), within=timedelta(days=10))
    assert {field.name: field.type for field in spine.schema} == {
        "household_id": pa.int64(),
        "campaign_id": pa.int64(),
        "campaign_type": pa.string(),
        "campaign_days": pa.int64(),
        "ts": INSTANT,
        "mature_at": INSTANT,
        "redeemed": pa.int64(),
    }
    assert spine["mature_at"].to_pylist() == [START + 11 * DAY] * 2


@pytest.mark.parametrize(("first", "rows"), [(START, 2), (START + TICK, 0)])
def test_campaigns_before_the_first_instant_are_left_out(tmp_path: Path, first: datetime, rows: int) -> None:
    assert len(coupon_spine(_files(tmp_path, []), first=first)) == rows


def test_split_keeps_the_future_out_of_training() -> None:
    now = START + 100 * DAY
    starts = [now - 29 * DAY, now - 29 * DAY + TICK, now - TICK, now, now + DAY, now + DAY + TICK]
    spine = pa.table(
        {
            "row": range(6),
            "ts": pa.array(starts, INSTANT),
            "mature_at": pa.array([ts + 29 * DAY for ts in starts], INSTANT),
        }
    )
    train, test = split(spine, at=now, end=now + 30 * DAY)
    assert train["row"].to_pylist() == [0]
    assert test["row"].to_pylist() == [3, 4]
