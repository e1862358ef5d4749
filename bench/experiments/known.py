"""The same windows where 30 % of the events become known late, some twice, and keys are strings."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from bench.experiment import Experiment, Goal, Side, Size
from bench.experiments.windowed import plain

if TYPE_CHECKING:
    from bench.inputs import Inputs


def late(size: Size, hot_share: float | None = None) -> Inputs:
    """The plain log's parameters with `available_at`, `event_id` and string keys."""
    inputs = plain(size)
    log = dataclasses.replace(inputs.log, knowledge=True, string_keys=True, hot_share=hot_share)
    return dataclasses.replace(inputs, log=log)


def experiments(size: Size) -> tuple[Experiment, ...]:
    """Against our own plain case; DuckDB's best effort stands beside it for scale."""
    plain_case = Side("headrace plain", "bench.ours:windowed", plain(size), ours=True)
    ours = Side("headrace late", "bench.ours:windowed", late(size), ours=True)
    hot = Side("headrace late, hot key", "bench.ours:windowed", late(size, hot_share=0.5), ours=True)
    rival = Side("duckdb running sums late", "bench.rivals.known:running_sums", late(size))
    floor = Side(
        "duckdb read and sort late", "bench.rivals.windowed:read_and_sort", late(size), {"knowledge": True}
    )
    return (
        Experiment(
            "known",
            "the same with available_at (30 % late, tail of days), event_id, string keys; "
            "and with half of all events on one user",
            (plain_case, ours, hot, rival, floor),
            (
                Goal("at first", ours.name, 3.0, (plain_case.name,)),
                Goal("must end", ours.name, 1.5, (plain_case.name,)),
                Goal("at first", hot.name, 10.0, (plain_case.name,)),
                Goal("must end", hot.name, 4.0, (plain_case.name,)),
                Goal("for scale", ours.name, None, (rival.name,)),
                Goal("for scale", ours.name, None, (floor.name,)),
            ),
            agree=((ours.name, rival.name),),
        ),
    )
