"""Loads: a day's against a month's, and one of ten times the budget against one that fits."""

from __future__ import annotations

from bench.experiment import Experiment, Goal, Side, Size
from bench.inputs import Inputs, Log

DAYS = 30
BUDGET_MB = 512
ROW_BYTES = 80
"""What a row of the log takes in memory, about: ten budgets are so many rows."""

_DAY = (
    "Profiled on 2026-11-23, a day of the first week (334,000 events, 77,000 records) took 1.09 s of "
    "processor time on average: reading 0.15, telling copies 0.12, cutting by entity 0.08, making records "
    "0.18, writing them and merged ones 0.18, merging 0.10; a day without a merge 0.87 s, the one that "
    "merged seven 2.75 s."
)
"""The profile of a miss."""


def experiments(size: Size) -> tuple[Experiment, ...]:
    """Thirty daily loads may cost three loads of the month; ten budgets of rows half as much again a row."""
    month = Inputs(Log(size.events, size.users, span_days=DAYS, knowledge=True, redelivered=0.02))
    sides = (
        Side("one load of the month", "bench.month:once", month, ours=True),
        Side("thirty daily loads", "bench.month:daily", month, ours=True),
    )
    return (
        Experiment(
            "daily",
            f"{size.events:,} events of a month, 30 % late, 2 % twice: loaded at once, and day by day",
            sides,
            (Goal("at first", sides[1].name, 3.0, (sides[0].name,)),),
            rounds=1,
            note=_DAY,
        ),
        _budget(size),
    )


def _budget(size: Size) -> Experiment:
    most = 10 * BUDGET_MB * 1_000_000 // ROW_BYTES
    rows = min(most, size.growth[-1])
    fits = rows // 16
    options = {"memory": BUDGET_MB}
    sides = tuple(
        Side(
            f"{n / 1e6:g}M rows",
            "bench.month:load",
            Inputs(Log(n, max(1, n // 50), span_days=DAYS)),
            options,
            ours=True,
        )
        for n in (fits, rows)
    )
    goals = (
        Goal("at first", sides[1].name, 1.5 * rows / fits, (sides[0].name,)),
        *(Goal("at first", side.name, BUDGET_MB, quantity="peak_mb") for side in sides),
    )
    what = f"a load of {fits:,} and of {rows:,} rows in a budget of {BUDGET_MB} MB"
    return Experiment("budget", what, sides, goals, rounds=1)
