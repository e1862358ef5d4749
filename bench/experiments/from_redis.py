"""Reads from Redis: a hundred entities of fifty latest values, against a bare pipeline of the same bytes."""

from __future__ import annotations

from bench.experiment import Experiment, Goal, Side, Size
from bench.inputs import Inputs, Log

CALLS = 1_000


def experiments(size: Size) -> tuple[Experiment, ...]:
    """Median of many calls in one process, a Redis on this machine beside it."""
    users = size.read_users
    values = Inputs(Log(users, users, 1, sigma=0.0), profile_rows=100 * users, with_events=False)
    sides = [
        Side(
            f"{what} {entities} x 50",
            f"bench.rivals.in_redis:{entry}",
            values,
            {"entities": entities},
            CALLS,
            ours=entry == "served",
        )
        for entities in (1, 100)
        for what, entry in (("headrace", "served"), ("redis-py pipeline", "pipeline"))
    ]
    one, bare_one, many, bare_many = sides
    return (
        Experiment(
            "redis",
            "reads from a Redis of this machine: 1 and 100 entities x 50 latest values",
            tuple(sides),
            (
                Goal("for scale", one.name, None, (bare_one.name,)),
                Goal("at first", many.name, 2, (bare_many.name,)),
                Goal("must end", many.name, 1.3, (bare_many.name,)),
            ),
        ),
    )
