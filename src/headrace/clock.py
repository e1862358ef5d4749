"""Instants: int64 microseconds since 1970-01-01 UTC, and the clock that reads them.

Nothing in Headrace reads the wall clock but `SystemClock`; everything else is handed a `Clock`. Deadlines are
by `MonotonicClock`, whose instants mean nothing but their distance.
"""

from __future__ import annotations

import datetime as dt
import time
from functools import lru_cache
from typing import Protocol

from headrace.errors import DataError

__all__ = [
    "DAY",
    "EARLIEST",
    "HOUR",
    "LATEST",
    "MINUTE",
    "SECOND",
    "Clock",
    "FixedClock",
    "MonotonicClock",
    "SystemClock",
    "format_instant",
    "instant",
]

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The first and last instants of the years 1 to 9999. Beyond, text and arithmetic on instants end."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class Clock(Protocol):
    """Tells the current instant."""

    def now(self) -> int:
        """The current instant, microseconds UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """The current instant, microseconds UTC."""
        return time.time_ns() // 1_000


class MonotonicClock:
    """A clock that nobody can set: for how long something takes."""

    def now(self) -> int:
        """Microseconds since an instant that is the same as long as the machine runs."""
        return time.monotonic_ns() // 1_000


class FixedClock:
    """A clock that stands where it is put; for tests, replays and feature tests."""

    def __init__(self, at: int | str | dt.datetime) -> None:
        """Stand at the instant `at`."""
        self.at = instant(at)

    def now(self) -> int:
        """The instant the clock stands at."""
        return self.at

    def advance(self, microseconds: int) -> None:
        """Move the clock forward."""
        self.at += microseconds


def instant(value: int | str | dt.datetime | dt.date) -> int:
    """An instant from what people write.

    Args:
        value: Microseconds UTC; an ISO 8601 text; a datetime or date. Naive times are UTC.

    Raises:
        DataError: The text is not an ISO 8601 time, the value has another type, or it is not in the years 1
            to 9999.
    """
    if isinstance(value, bool):
        raise DataError("A boolean is not an instant.", asked=value, remedy="Give an ISO 8601 time.")
    if isinstance(value, int):
        if not EARLIEST <= value <= LATEST:
            raise DataError(
                f"{value} is not an instant: as microseconds UTC it is not in the years 1 to 9999.",
                asked=value,
                remedy="Give microseconds UTC or an ISO 8601 time.",
            )
        return value
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            raise DataError(
                f"{value!r} is not an instant.",
                asked=value,
                remedy="Write it as ISO 8601, for example 2026-01-31T00:00:00Z.",
            ) from None
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 - naive is UTC, set below
    if not isinstance(value, dt.datetime):
        raise DataError(
            f"A {type(value).__name__} is not an instant.",
            asked=value,
            remedy="Give an ISO 8601 time or a datetime.",
        )
    if value.tzinfo is None:
        value = value.replace(tzinfo=dt.UTC)
    return (value - _EPOCH) // _MICROSECOND


def format_instant(at: int) -> str:
    """The instant as RFC 3339 UTC, with as many fraction digits (0, 3 or 6) as it needs."""
    seconds, fraction = divmod(at, SECOND)
    try:
        whole = _whole_seconds(seconds)
    except OverflowError:
        return f"{at}us"
    if fraction == 0:
        return f"{whole}Z"
    return f"{whole}.{fraction // 1_000:03d}Z" if fraction % 1_000 == 0 else f"{whole}.{fraction:06d}Z"


@lru_cache(maxsize=256)
def _whole_seconds(at: int) -> str:
    """A second as RFC 3339 without its zone; most of those asked for are the present one."""
    return (_EPOCH + dt.timedelta(seconds=at)).replace(tzinfo=None).isoformat()
