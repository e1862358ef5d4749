"""Layouts: the packed record against what else could be kept of an entity, read by the hundred."""

from __future__ import annotations

from bench.experiment import Experiment, Goal, Side, Size

OURS = "packed, rows"
RIVALS = ("a key for each tile", "packed, columns", "packed, narrow columns", "packed, rows, lz4")
CALLS = 50


def experiments(_size: Size) -> tuple[Experiment, ...]:
    """The same tiles in several layouts; bytes and all other figures are in `bench/layouts.md`."""
    sides = tuple(
        Side(name, "bench.layouts.timed:read", None, {"layout": name}, CALLS, ours=name == OURS)
        for name in (OURS, *RIVALS)
    )
    goals = tuple(Goal("for scale", OURS, None, (name,)) for name in RIVALS)
    what = "get and unpack 100 dense entities, 10 aggregates x 4 windows, in several layouts"
    return (Experiment("layouts", what, sides, goals),)
