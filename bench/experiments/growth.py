"""Cost as the log grows: twice the events, at most 2.2 times the time, within the memory budget."""

from __future__ import annotations

import itertools

from bench.experiment import Experiment, Goal, Side, Size
from bench.inputs import Inputs, Log
from bench.ours import MEMORY_MB

FACTOR = 2.2


def experiments(size: Size) -> tuple[Experiment, ...]:
    """The plain case at each size; the spine stays, users grow with the events."""
    sides = tuple(
        Side(
            f"headrace {events / 1e6:g}M",
            "bench.ours:windowed",
            Inputs(Log(events, events // 50), size.spine),
            ours=True,
        )
        for events in size.growth
    )
    doublings = (
        Goal("at first", larger.name, FACTOR, (smaller.name,))
        for smaller, larger in itertools.pairwise(sides)
    )
    memory = (Goal("at first", side.name, MEMORY_MB, quantity="peak_mb") for side in sides)
    return (
        Experiment(
            "growth",
            f"plain case as the log doubles from {size.growth[0]:,} to {size.growth[-1]:,} events",
            sides,
            (*doublings, *memory),
            rounds=1,
        ),
    )
