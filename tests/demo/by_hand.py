"""The demo's label in plain SQL, which shares nothing with the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from headrace.demo.coupon_spine import FIRST

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

REDEEMED = """
    WITH touched AS (SELECT * FROM read_parquet($touches) WHERE ts >= $first),
    redeemed AS (
        SELECT DISTINCT touched.event_id
        FROM touched JOIN read_parquet($redemptions) AS coupon USING (household_id, campaign_id)
        WHERE coupon.ts >= touched.ts AND coupon.ts < touched.ts + INTERVAL 28 DAY
    )
    SELECT household_id, campaign_id, ts, CAST(redeemed.event_id IS NOT NULL AS BIGINT) AS redeemed,
        ts + INTERVAL 29 DAY <= TIMESTAMPTZ '2018-01-01 05:00:00+00' AS label_mature
    FROM touched LEFT JOIN redeemed USING (event_id)
    ORDER BY ts, campaign_id, household_id
"""


def redeemed_by_hand(touches: Path, redemptions: Path) -> pa.Table:
    """household_id, campaign_id, ts, redeemed (0 or 1) and label_mature of every row of the coupon spine."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        asked = {"touches": str(touches), "redemptions": str(redemptions), "first": FIRST}
        return connection.sql(REDEEMED, params=asked).to_arrow_table()
