"""The newest row of each user before an instant: a million by a million, fifty columns."""

from __future__ import annotations

import dataclasses

from bench.experiment import Experiment, Goal, Side, Size
from bench.experiments.windowed import plain

COLUMNS = 50


def experiments(size: Size) -> tuple[Experiment, ...]:
    """Against DuckDB's raw ASOF JOIN; Polars for scale."""
    inputs = dataclasses.replace(
        plain(size), profile_rows=size.spine, profile_columns=COLUMNS, with_events=False
    )
    ours = Side("headrace", "bench.ours:latest", inputs, ours=True)
    duckdb = Side("duckdb asof join", "bench.rivals.latest:duckdb_asof", inputs)
    polars = Side("polars join_asof", "bench.rivals.latest:polars_asof", inputs)
    return (
        Experiment(
            "latest",
            f"latest-value join, {size.spine:,} spine rows x {size.spine:,} rows x {COLUMNS} columns",
            (ours, duckdb, polars),
            (
                Goal("at first", ours.name, 1.3, (duckdb.name,)),
                Goal("must end", ours.name, 1.1, (duckdb.name,)),
                Goal("for scale", ours.name, None, (polars.name,)),
            ),
            agree=((ours.name, duckdb.name, polars.name),),
        ),
    )
