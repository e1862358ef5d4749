"""Many drawn logs in one case, each with entities of its own: for whatever takes its time to begin.

An engine that starts a job for every question answers two hundred drawn logs in one: entities do not know of
each other, so the oracle's answer about each is what it would be alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase, settings

from headrace.testing.generate import filled, frames
from headrace.testing.generate_latest import filled_latest, latest_frames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypothesis.strategies import SearchStrategy

    from headrace.testing.generate import Case
    from headrace.testing.generate_latest import LatestCase

__all__ = ["drawn", "many_cases", "many_latest_cases"]

Drawn = TypeVar("Drawn")

_AT_ONCE = 12
"""How many are drawn from one seed; later ones resemble earlier ones."""


def many_cases(seed: int, count: int, logs: int) -> list[Case]:
    """Cases over the whole catalogue.

    Args:
        seed: What they are drawn from.
        count: How many.
        logs: How many logs each holds, where its view has entities to tell them apart by.
    """
    found = []
    for place in range(count):
        frame = _one(frames(whole=True), seed + place)
        keys = frame.case.key_columns
        each = drawn(filled(frame), logs if keys else 1, seed + place)
        events = [_own(row, keys, n) for n, case in enumerate(each) for row in case.events]
        spine = [_own(row, keys, n) for n, case in enumerate(each) for row in case.spine]
        found.append(replace(frame.case, events=events, spine=spine))
    return found


def many_latest_cases(seed: int, count: int, logs: int) -> list[LatestCase]:
    """Cases of latest-value views; see `many_cases`."""
    found = []
    for place in range(count):
        frame = _one(latest_frames(), seed + place)
        keys = frame.key_columns
        each = drawn(filled_latest(frame), logs if keys else 1, seed + place)
        rows = [_own(row, keys, n) for n, case in enumerate(each) for row in case.rows]
        spine = [_own(row, keys, n) for n, case in enumerate(each) for row in case.spine]
        found.append(replace(frame, rows=rows, spine=spine))
    return found


def drawn(strategy: SearchStrategy[Drawn], count: int, seed: int) -> list[Drawn]:
    """Examples of a strategy, outside of any test of hypothesis's own."""
    found: list[Drawn] = []
    for start in range(0, count, _AT_ONCE):

        @hypothesis.seed(seed * 1_000 + start)
        @settings(
            max_examples=min(_AT_ONCE, count - start),
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(strategy)
        def collect(example: Drawn) -> None:
            found.append(example)

        collect()
    return found


def _one(strategy: SearchStrategy[Drawn], seed: int) -> Drawn:
    """One example; the first of a seed is always the simplest there is."""
    return drawn(strategy, 4, seed)[-1]


def _own(row: Mapping[str, Any], keys: Sequence[str], number: int) -> dict[str, Any]:
    """The row with a user whom no other log has."""
    if not keys or row["user"] is None:
        return dict(row)
    return {**row, "user": f"{number}/{row['user']}"}
