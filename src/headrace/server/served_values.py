"""What an answer holds, view by view: how many values of each status, and how old they are."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headrace.clock import SECOND
from headrace.kernel.columns import STATUS_NAMES
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.aggregations.states import Array
    from headrace.online.answer import OnlineFeatures

__all__ = ["AGES", "ServedValues", "served_values"]

AGES = (1.0, 10.0, 60.0, 600.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0, 31_536_000.0)
"""Upper bounds of a histogram of ages, seconds: from a second to a year."""


class ServedValues(NamedTuple):
    """Of one view or function in one answer.

    Attributes:
        statuses: Status -> how many values have it; those that none has are left out.
        ages: Seconds since the newest event behind any value of each entity that has one.
    """

    statuses: Mapping[str, int]
    ages: Sequence[float]


def served_values(answer: OnlineFeatures) -> dict[str, ServedValues]:
    """What an answer holds, by `name@version` of the view or function."""
    found = {}
    members = sorted(answer.members, key=lambda each: str(each.reference.definition))
    for view, group in groupby(members, lambda each: str(each.reference.definition)):
        columns = [answer.columns[member.output] for member in group]
        statuses, times = [each.status for each in columns], [each.newest for each in columns]
        counts = np.zeros(len(STATUS_NAMES), dtype=np.int64)
        for each, many in _shared(statuses):
            counts += many * np.bincount(each, minlength=len(counts))
        newest = np.maximum.reduce([each for each, _ in _shared(times)])
        ages = (answer.t - newest[newest != FOREVER_AGO]) / SECOND
        told = {name: many for name, many in zip(STATUS_NAMES, counts.tolist(), strict=True) if many}
        found[view] = ServedValues(told, ages.tolist())
    return found


def _shared(arrays: Sequence[Array]) -> list[tuple[Array, int]]:
    """Each array once, and how often it is there: most columns of a view have theirs in common."""
    often = Counter(map(id, arrays))
    return [(each, often[at]) for at, each in {id(each): each for each in arrays}.items()]
