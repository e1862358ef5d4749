"""What lies between events: gaps, and the sessions they part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.testing.formulas.asked import Asked, Result
from headrace.windows import duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.testing.formulas.asked import Formula

__all__ = ["FORMULAS"]


def _sessions(asked: Asked) -> dict[str, Result]:
    gap = duration(asked.feature.gap)
    sessions: list[list[int]] = []
    for time in sorted(event.time for event in asked.taken()):
        if sessions and time - sessions[-1][-1] <= gap:
            sessions[-1].append(time)
        else:
            sessions.append([time])
    length = sum(session[-1] - session[0] for session in sessions)
    return {"": Result(len(sessions)), "mean_length": Result(_seconds(length, len(sessions)))}


def _mean_gap(asked: Asked) -> Result:
    times = [event.time for event in asked.taken()]
    return Result(_seconds(max(times) - min(times), len(times) - 1) if times else None)


def _seconds(microseconds: int, share: int) -> float | None:
    """A share of some microseconds, in seconds; rounded once more only where they pass 285 years."""
    return float(microseconds) / (share * 1e6) if share else None


FORMULAS: Mapping[str, Formula] = {
    "sessions": _sessions,
    "mean_gap": _mean_gap,
}
