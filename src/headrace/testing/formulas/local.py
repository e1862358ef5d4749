"""What depends on the days and hours people see on their calendars and clocks."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from functools import lru_cache
from typing import TYPE_CHECKING

from headrace.testing.formulas.asked import Asked, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.testing.formulas.asked import Formula

__all__ = ["FORMULAS", "begin", "local_date"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SECOND = 1_000_000
_DAY = dt.timedelta(days=1)


def local_date(t: int, zone: str) -> dt.date:
    """The date at an instant, microseconds UTC."""
    return _local(t, zone).date()


def _local(t: int, zone: str) -> dt.datetime:
    return (_EPOCH + dt.timedelta(microseconds=t)).astimezone(zoneinfo.ZoneInfo(zone))


@lru_cache(maxsize=4096)
def begin(day: dt.date, zone: str) -> int:
    """The first instant whose local date is the day (or, where the day was skipped, a later one)."""
    at = (day - dt.date(1970, 1, 1)).days * 86_400 * _SECOND - 86_400 * _SECOND
    while local_date(at, zone) < day:  # minute by minute, from a day before any clock on Earth can show it
        at += 60 * _SECOND
    while local_date(at - _SECOND, zone) >= day:  # and back, second by second: some clocks were odd
        at -= _SECOND
    return at


def _day(t: int, zone: str) -> dt.date:
    """The local day: the latest that has begun, though clocks put back may show the one before again."""
    day = local_date(t, zone)
    while begin(day + _DAY, zone) <= t:
        day += _DAY
    return day


def _before(day: dt.date, zone: str) -> dt.date:
    """The day before, one there was."""
    day -= _DAY
    while begin(day, zone) == begin(day + _DAY, zone):
        day -= _DAY
    return day


def _active_days(asked: Asked) -> Result:
    return Result(len({_day(event.time, asked.zone) for event in asked.taken()}))


def _active_hours(asked: Asked) -> Result:
    shown = {_local(event.time, asked.zone) for event in asked.taken()}
    return Result(len({(clock.date(), clock.hour) for clock in shown}))


def _streak(asked: Asked) -> dict[str, Result]:
    days = {_day(event.time, asked.zone) for event in asked.taken()}
    today = _day(asked.t, asked.zone)
    last = today if today in days else _before(today, asked.zone)
    longest = max((_run(day, days, asked.zone) for day in days), default=0)
    return {"": Result(_run(last, days, asked.zone)), "longest": Result(longest)}


def _run(day: dt.date, days: set[dt.date], zone: str) -> int:
    """How many days in a row there are up to a day."""
    length = 0
    while day in days:
        day, length = _before(day, zone), length + 1
    return length


FORMULAS: Mapping[str, Formula] = {
    "active_days": _active_days,
    "active_hours": _active_hours,
    "streak": _streak,
}
