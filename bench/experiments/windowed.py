"""Point-in-time windows: count, sum and count-where over four windows, plain events of lognormal users."""

from __future__ import annotations

from bench.experiment import Experiment, Goal, Side, Size
from bench.inputs import Inputs, Log


def plain(size: Size) -> Inputs:
    """Events as they come, integer keys, nothing late."""
    return Inputs(Log(size.events, size.users), size.spine)


def experiments(size: Size) -> tuple[Experiment, ...]:
    """Against the two best DuckDB forms at first; against reading and sorting alone in the end."""
    inputs = plain(size)
    ours = Side("headrace", "bench.ours:windowed", inputs, ours=True)
    running_sums = Side("duckdb running sums", "bench.rivals.windowed:running_sums", inputs)
    asof = Side("duckdb asof", "bench.rivals.windowed:asof", inputs)
    read_and_sort = Side("duckdb read and sort", "bench.rivals.windowed:read_and_sort", inputs)
    rivals = (running_sums.name, asof.name)
    return (
        Experiment(
            "windowed",
            f"{size.events:,} events x {size.spine:,} spine rows, 4 windows x (count, sum, count where)",
            (ours, running_sums, asof, read_and_sort),
            (
                Goal("at first", ours.name, 1 / 5, rivals),
                Goal("must end", ours.name, 2.0, (read_and_sort.name,)),
                Goal("for scale", ours.name, None, rivals, quantity="peak_mb"),
            ),
            agree=((ours.name, *rivals),),
            note="A fifth of the best SQL would be less than reading and sorting alone: see ADR 0015.",
        ),
    )
