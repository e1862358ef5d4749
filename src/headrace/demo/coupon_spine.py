"""The demo's question: does a household that a campaign reaches redeem one of its coupons within 28 days?

One row of the spine is one household reached by one campaign, at the instant the campaign starts: the moment
at which a shop decides whom to send the coupons. The label `redeemed` of the project looks ahead from there;
features must not. A row is mature when the last redemption that can count has been reported, and only mature
rows may train: `split` takes the past as it was known at one instant and tests on what came after.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

if TYPE_CHECKING:
    from headrace.demo.households import HouseholdFiles

__all__ = ["FIRST", "MATURE_AFTER", "SPLIT", "coupon_spine", "split"]

FIRST = datetime(2017, 2, 1, tzinfo=UTC)
"""The spine begins here: before, a household has no month of history."""
SPLIT = datetime(2017, 10, 1, tzinfo=UTC)
"""Train on what was known here; test on campaigns that start later."""
MATURE_AFTER = timedelta(days=29)
"""The label's 28 days, and the day after which a redemption has been reported."""

COLUMNS = ["household_id", "campaign_id", "campaign_type", "campaign_days", "ts"]
INSTANTS = pa.timestamp("us", tz="UTC")


def coupon_spine(files: HouseholdFiles, *, first: datetime = FIRST) -> pa.Table:
    """The spine.

    Args:
        files: What `write_households` wrote.
        first: Campaigns that start earlier are left out.

    Returns:
        One row for each household and campaign, by time: household_id, campaign_id (int64), campaign_type
        (string), campaign_days (int64), ts (timestamp, UTC).
    """
    touched = parquet.read_table(files.touches, columns=COLUMNS)
    later = touched.filter(pc.greater_equal(touched["ts"], pa.scalar(first, INSTANTS)))
    return later.sort_by([(name, "ascending") for name in ("ts", "campaign_id", "household_id")])


def split(rows: pa.Table, *, at: datetime = SPLIT) -> tuple[pa.Table, pa.Table]:
    """Training and test rows: no training label is younger than any test row.

    Args:
        rows: A training set: a table with `ts` and `label_mature`; other columns are kept.
        at: The instant the model is trained at.

    Returns:
        The rows mature at `at`, and the mature rows that start from `at` on.
    """
    mature = rows.filter(rows["label_mature"])
    old = pc.less_equal(mature["ts"], pa.scalar(at - MATURE_AFTER, INSTANTS))
    return mature.filter(old), mature.filter(pc.greater_equal(mature["ts"], pa.scalar(at, INSTANTS)))
