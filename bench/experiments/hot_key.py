"""One user with half of all events, and with half of the spine rows: each kind of state by itself."""

from __future__ import annotations

import dataclasses

from bench.experiment import Experiment, Goal, Side, Size
from bench.experiments.windowed import plain

KINDS = {
    "count": "count",
    "sum": "sum of a double",
    "min": "min",
    "last_k": "last 20 ads",
    "by": "count by ad (a map)",
    "distinct": "distinct ads",
}
"""Feature set of `bench.ours` -> words for the table."""

ONE_WINDOW = {"by": ["1h"]}
"""A month of the hot user's map is every ad there is, for every spine row: the answer alone would not fit."""


def experiments(size: Size) -> tuple[Experiment, ...]:
    """Each kind against itself on lognormal users; the three of the plain case also against DuckDB."""
    inputs = plain(size)
    hot = dataclasses.replace(inputs, log=dataclasses.replace(inputs.log, hot_share=0.5))
    usual = Side("headrace", "bench.ours:windowed", inputs, ours=True)
    ours = Side("headrace hot", "bench.ours:windowed", hot, ours=True)
    rival = Side("duckdb running sums hot", "bench.rivals.windowed:running_sums", hot)
    together = Experiment(
        "hot-key",
        "the plain case with half of all events and spine rows on one user",
        (usual, ours, rival),
        (
            Goal("at first", ours.name, 10.0, (usual.name,)),
            Goal("must end", ours.name, 4.0, (usual.name,)),
            Goal("for scale", ours.name, None, (rival.name,)),
        ),
        agree=((ours.name, rival.name),),
    )
    return (together, *(_alone(kind, size) for kind in KINDS))


def _alone(kind: str, size: Size) -> Experiment:
    inputs = dataclasses.replace(plain(size), spine_rows=size.spine // 10)
    hot = dataclasses.replace(inputs, log=dataclasses.replace(inputs.log, hot_share=0.5))
    options = {"features": kind, "windows": ONE_WINDOW[kind]} if kind in ONE_WINDOW else {"features": kind}
    usual = Side("headrace", "bench.ours:windowed", inputs, options, ours=True)
    ours = Side("headrace hot", "bench.ours:windowed", hot, options, ours=True)
    windows = "1 window" if kind in ONE_WINDOW else "4 windows"
    return Experiment(
        f"hot-key-{kind}",
        f"{KINDS[kind]}, {windows}, {inputs.spine_rows:,} spine rows, half of everything on one user",
        (usual, ours),
        (
            Goal("at first", ours.name, 10.0, (usual.name,)),
            Goal("must end", ours.name, 4.0, (usual.name,)),
        ),
    )
