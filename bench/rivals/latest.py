"""The newest row of each user before an instant: DuckDB's ASOF JOIN and Polars' `join_asof`, as they come.

Seconds at 1M spine rows, 1M rows, 50 columns, two quiet cores: DuckDB 2.0 1.7 to 1.9, Polars 2.1 1.4 to 1.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from bench.rivals.windowed import query

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from bench.inputs import Inputs


def duckdb_asof(inputs: Inputs) -> Callable[[], pa.Table]:
    """All value columns of the newest row with `updated_at < ts`; spine rows without one are kept."""
    return query(f"""
        SELECT s.request_id, p.* EXCLUDE (user_id, updated_at)
        FROM '{inputs.spine}' AS s
        ASOF LEFT JOIN '{inputs.profiles}' AS p ON s.user_id = p.user_id AND s.ts > p.updated_at""")


def polars_asof(inputs: Inputs) -> Callable[[], pa.Table]:
    """The same; the spine is sorted first, as Polars asks, the profiles are in time order as written."""

    def run() -> pa.Table:
        spine = pl.scan_parquet(inputs.spine).sort("ts")
        profiles = pl.scan_parquet(inputs.profiles).set_sorted("updated_at")
        joined = spine.join_asof(
            profiles,
            left_on="ts",
            right_on="updated_at",
            by="user_id",
            strategy="backward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        return joined.drop("user_id", "ts", "updated_at", strict=False).collect().to_arrow()

    return run
