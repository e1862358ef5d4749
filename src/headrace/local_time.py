"""Local time of many instants at once: what the wall clock shows, and which local day it is.

Days are those of `hr.calendar("day")`: where clocks are put back over midnight, the day that has begun stays.
Instants are int64 microseconds UTC; zones are IANA names.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from headrace.clock import DAY
from headrace.lazy import numpy as np

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Array: TypeAlias = np.ndarray[tuple[int], np.dtype[Any]]

__all__ = ["days_there_are", "local_days", "wall_time"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FIRST = (dt.datetime(1, 1, 2, tzinfo=dt.UTC) - _EPOCH) // dt.timedelta(microseconds=1)
_LAST = (dt.datetime(9999, 12, 30, tzinfo=dt.UTC) - _EPOCH) // dt.timedelta(microseconds=1)
"""Beyond, no datetime can hold every zone's local time: clocks are taken not to change there."""


def wall_time(t: Array, zone: str) -> Array:
    """What a clock on the wall shows, as microseconds since it showed 1970-01-01 00:00.

    Args:
        t: Instants.
        zone: The clock's zone.
    """
    if zone == "UTC" or not len(t):
        return t
    clocks = _clocks(t, zone)
    return t + clocks.ahead[clocks.at(t)]


def local_days(t: Array, zone: str) -> Array:
    """The local day of each instant, as days since 1970-01-01.

    Args:
        t: Instants.
        zone: Whose days.
    """
    if zone == "UTC" or not len(t):
        return t // DAY
    clocks = _clocks(t, zone)
    at = clocks.at(t)
    days: Array = np.maximum((t + clocks.ahead[at]) // DAY, clocks.begun[at])
    return days


def days_there_are(days: Array, zone: str) -> Array:
    """Days numbered so that each follows the one before; some zones left a date out when the date line moved.

    Args:
        days: Days since 1970-01-01.
        zone: Whose days.

    Returns:
        Numbers that mean something only beside each other.
    """
    if zone == "UTC" or not len(days):
        return days
    return days - np.searchsorted(_clocks(days * DAY, zone).missing, days)


class _Clocks(NamedTuple):
    """How far clocks are ahead of UTC, span after span.

    Attributes:
        since: The instants at which the spans begin, ascending.
        ahead: Microseconds, for each span.
        begun: The latest day that had begun before each span.
        missing: The days no clock ever showed, ascending.
    """

    since: Array
    ahead: Array
    begun: Array
    missing: Array

    def at(self, t: Array) -> Array:
        """The span of each instant."""
        return np.maximum(np.searchsorted(self.since, t, side="right") - 1, 0)


def _clocks(t: Array, zone: str) -> _Clocks:
    """The clocks of the years the instants lie in."""
    years = np.unique(t.astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64)) + 1970
    # The year before as well: a day may have begun in it that is not over yet, anywhere.
    return _clocks_of(zone, tuple(np.union1d(years - 1, years).clip(1, 9999).tolist()))


@lru_cache(maxsize=256)
def _clocks_of(zone: str, years: tuple[int, ...]) -> _Clocks:
    changes = [change for year in dict.fromkeys(years) for change in _changes(zone, year)]
    since, before, ahead = (np.array(column, dtype=np.int64) for column in zip(*changes, strict=True))
    ended, began = (since - 1 + before) // DAY, (since + ahead) // DAY
    missing = [np.arange(a + 1, b) for a, b in zip(ended.tolist(), began.tolist(), strict=True) if b > a + 1]
    ended[0] = np.iinfo(np.int64).min  # what was before the first year is not asked for
    return _Clocks(since, ahead, np.maximum.accumulate(ended), np.concatenate([since[:0], *missing]))


@lru_cache(maxsize=4096)
def _changes(zone: str, year: int) -> list[tuple[int, int, int]]:
    """The beginning of a year, then every change of clocks in it: (instant, ahead before, ahead after)."""
    info = zoneinfo.ZoneInfo(zone)
    start, end = (
        min(max((dt.date(year, 1, 1).toordinal() + days - _EPOCH.toordinal()) * DAY, _FIRST), _LAST)
        for days in (0, 366)
    )
    ahead = _ahead(start, info)
    changes = [(start, ahead, ahead)]
    for day in range(start, end, DAY):
        following = _ahead(day + DAY, info)
        if following != ahead:
            low, high = day, day + DAY
            while low + 1 < high:
                middle = (low + high) // 2
                low, high = (middle, high) if _ahead(middle, info) == ahead else (low, middle)
            changes.append((high, ahead, following))
            ahead = following
    return changes


def _ahead(t: int, info: zoneinfo.ZoneInfo) -> int:
    """How far a zone's clocks are ahead of UTC at an instant, microseconds."""
    offset = (_EPOCH + dt.timedelta(microseconds=t)).astimezone(info).utcoffset()
    return (offset or dt.timedelta(0)) // dt.timedelta(microseconds=1)
