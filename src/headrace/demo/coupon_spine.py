"""The demo's question: does a household that a campaign reaches redeem one of its coupons within 28 days?

One row of the spine is one household reached by one campaign, at the instant the campaign starts: the moment
at which a shop decides whom to send the coupons. The label looks ahead from there, `ts <= redemption < ts +
within`; features must not. A row is mature when the last redemption that can count has been reported, one day
after the last day that counts, and only mature rows may train: `split` takes the past as it was known at one
instant and tests on what came after.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from headrace.demo.households import END

if TYPE_CHECKING:
    from headrace.demo.households import HouseholdFiles

__all__ = ["FIRST", "SPLIT", "WITHIN", "coupon_spine", "split"]

FIRST = datetime(2017, 2, 1, tzinfo=UTC)
"""The spine begins here: before, a household has no month of history."""
SPLIT = datetime(2017, 10, 1, tzinfo=UTC)
"""Train on what was known here; test on campaigns that start later."""
WITHIN = timedelta(days=28)
REPORTED_AFTER = timedelta(days=1)

SPINE = """
    WITH touched AS (SELECT * FROM read_parquet($touches) WHERE ts >= $first),
    redeemed AS (
        SELECT DISTINCT touched.event_id
        FROM touched JOIN read_parquet($redemptions) AS coupon USING (household_id, campaign_id)
        WHERE coupon.ts >= touched.ts AND coupon.ts < touched.ts + $within
    )
    SELECT household_id, campaign_id, campaign_type, campaign_days, ts,
        ts + $within + $reported_after AS mature_at,
        CAST(redeemed.event_id IS NOT NULL AS BIGINT) AS redeemed
    FROM touched LEFT JOIN redeemed USING (event_id)
    ORDER BY ts, campaign_id, household_id
"""


def coupon_spine(files: HouseholdFiles, *, first: datetime = FIRST, within: timedelta = WITHIN) -> pa.Table:
    """The spine with its label.

    Args:
        files: What `write_households` wrote.
        first: Campaigns that start earlier are left out.
        within: How long after the campaign's start a redemption counts.

    Returns:
        One row for each household and campaign, by time: household_id, campaign_id (int64), campaign_type
        (string), campaign_days (int64), ts and mature_at (timestamps, UTC), redeemed (int64, 0 or 1).
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        asked = {
            "touches": str(files.touches),
            "redemptions": str(files.redemptions),
            "first": first,
            "within": within,
            "reported_after": REPORTED_AFTER,
        }
        return connection.sql(SPINE, params=asked).to_arrow_table()


def split(spine: pa.Table, *, at: datetime = SPLIT, end: datetime = END) -> tuple[pa.Table, pa.Table]:
    """Training and test rows: no training label is younger than any test row.

    Args:
        spine: A table with `ts` and `mature_at`; other columns are kept.
        at: The instant the model is trained at.
        end: The end of the data: rows that mature later have no true label.

    Returns:
        The rows mature at `at`, and the rows that start from `at` on and mature by `end`.
    """
    instants = pa.timestamp("us", tz="UTC")
    now, last = pa.scalar(at, instants), pa.scalar(end, instants)
    train = spine.filter(pc.less_equal(spine["mature_at"], now))
    later = pc.and_(pc.greater_equal(spine["ts"], now), pc.less_equal(spine["mature_at"], last))
    return train, spine.filter(later)
