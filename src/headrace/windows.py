"""The window rule: which events count at an instant. Nothing else in Headrace computes an edge.

At a query instant `t`, a window of length `W` with hop `h` holds the events with

    floor((t - W) / h) * h <= event_time        and        known < t

The head is exact (`t` itself is excluded: an impression never counts in its own features), the tail moves in
hops, so tiles one hop wide answer it exactly. The true span lies in `[W, W + h)`. Shifted windows floor both
edges; calendar windows take their edges from the local calendar; a lifetime window has no tail.

Instants and lengths are int64 microseconds; hops are aligned to the epoch.
"""

from __future__ import annotations

import bisect
import datetime as dt
import re
import zoneinfo
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from headrace.clock import DAY, HOUR, MINUTE, SECOND
from headrace.errors import DefinitionError

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "FOREVER_AGO",
    "HOPS",
    "Calendar",
    "Lifetime",
    "Series",
    "Sliding",
    "Window",
    "bounded",
    "calendar",
    "default_hop",
    "duration",
    "edges",
    "parts",
    "series",
    "tile_hop",
    "window",
]

HOPS = (SECOND, 5 * SECOND, MINUTE, 5 * MINUTE, HOUR, DAY)
"""The hops there are, microseconds; each nests in the next."""

SHORTEST = 12 * SECOND
LONGEST = 36_525 * DAY
"""A hundred years. Instants lie in the years 1 to 9999: no edge leaves int64, wherever a window is moved."""
FOREVER_AGO = -(1 << 62)
"""The start of a lifetime window: before every instant a source can hold, and every edge of other windows."""

_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_NAMES = {SECOND: "1s", 5 * SECOND: "5s", MINUTE: "1m", 5 * MINUTE: "5m", HOUR: "1h", DAY: "1d"}

_IN_A_YEAR = {"day": 365, "week": 52, "month": 12}
"""How many periods at least begin in a year."""

Instants = TypeVar("Instants", int, "np.ndarray[tuple[int], np.dtype[np.int64]]")


@dataclass(frozen=True)
class Sliding:
    """The last `length` before `t`, or the same moved back by `offset`.

    Attributes:
        text: The length as written, used in feature names.
        length: Microseconds, at least 12 seconds.
        hop: Microseconds, one of `HOPS`.
        offset: Microseconds, a multiple of the hop; 0 for a window that runs up to `t`.
        offset_text: The offset as written.
    """

    text: str
    length: int
    hop: int
    offset: int = 0
    offset_text: str = ""

    @property
    def suffix(self) -> str:
        """What the window adds to a feature's name."""
        return f"{self.text}_offset_{self.offset_text}" if self.offset else self.text


@dataclass(frozen=True)
class Series:
    """`n` windows of one length side by side, oldest first, the last running up to `t`."""

    each: Sliding
    n: int

    @property
    def suffix(self) -> str:
        """What the window adds to a feature's name."""
        return f"{self.n}x{self.each.text}"


@dataclass(frozen=True)
class Calendar:
    """The local day, week (from Monday) or month of `t`, up to `t`; `offset=n`: the n-th before, whole."""

    unit: Literal["day", "week", "month"]
    offset: int = 0

    @property
    def suffix(self) -> str:
        """What the window adds to a feature's name."""
        name = {"day": "cal_1d", "week": "cal_1w", "month": "cal_1mo"}[self.unit]
        return f"{name}_offset_{self.offset}" if self.offset else name


@dataclass(frozen=True)
class Lifetime:
    """Every event there ever was."""

    suffix: str = "all"


Window: TypeAlias = Sliding | Series | Calendar | Lifetime


def duration(text: str | dt.timedelta) -> int:
    """Microseconds of a duration such as `"90s"`, `"5m"`, `"1h"`, `"7d"`, `"2w"`, or of a timedelta.

    Raises:
        DefinitionError: The text is not a whole number and a unit, or the duration is negative or longer than
            100 years.
    """
    if isinstance(text, dt.timedelta):
        return bounded(text // dt.timedelta(microseconds=1), text)
    match = re.fullmatch(r"([0-9]+)([smhdw])", text) if isinstance(text, str) else None
    if match is None:
        raise DefinitionError(
            f"{text!r} is not a duration.",
            asked=text,
            remedy="Write a whole number and s, m, h, d or w, like '7d'.",
        )
    digits = match[1].lstrip("0") or "0"
    # A number of thousands of digits is not even read.
    return bounded(LONGEST + 1 if len(digits) > 18 else int(digits) * _UNITS[match[2]], text)


def bounded(length: int, written: object) -> int:
    """A length of time, microseconds, if it can be one.

    Raises:
        DefinitionError: It is negative or longer than 100 years; the text names it as it is written.
    """
    if length < 0:
        raise DefinitionError(
            f"{written!r} is negative.", asked=written, remedy="Give a duration of at least '0s'."
        )
    if length > LONGEST:
        raise DefinitionError(
            f"{written!r} is longer than 100 years.",
            asked=written,
            remedy=f"Give at most '{LONGEST // DAY}d'; a window of all there is is 'all'.",
        )
    return length


def default_hop(length: int) -> int:
    """The largest hop that is at most a twelfth of the window."""
    return max((hop for hop in HOPS if hop <= length // 12), default=SECOND)


def window(length: str | Window, hop: str | None = None, offset: str | None = None) -> Window:
    """A sliding window; `"all"` is the lifetime.

    Args:
        length: A duration, at least 12 seconds; `"all"`; or a window, returned as it is.
        hop: One of 1s, 5s, 1m, 5m, 1h, 1d; by default the largest that is at most a twelfth of the length. It
            need not divide the length.
        offset: How far the whole window is moved into the past, a multiple of the hop.

    Raises:
        DefinitionError: A duration that is none, a window under 12 s, an unknown hop, an offset that is no
            multiple.
    """
    if isinstance(length, Window):
        return length
    if not isinstance(length, str):
        raise DefinitionError(
            f"{length!r} is not a window.", asked=length, remedy="Write a duration such as '7d', or 'all'."
        )
    if length == "all":
        if hop or offset:
            raise DefinitionError("A lifetime window has neither hop nor offset.", asked=length)
        return Lifetime()
    size = duration(length)
    if size < SHORTEST:
        raise DefinitionError(
            f"The window {length!r} is under 12 seconds.", asked=length, remedy="Make it at least '12s'."
        )
    step = default_hop(size) if hop is None else duration(hop)
    if step not in HOPS:
        raise DefinitionError(f"{hop!r} is not a hop.", asked=hop, available=_NAMES.values())
    if step > size:
        raise DefinitionError(
            f"The hop {hop!r} is longer than the window {length!r}.",
            asked=hop,
            remedy="Choose a shorter hop.",
        )
    shift = duration(offset) if offset else 0
    if shift % step:
        raise DefinitionError(
            f"The offset {offset!r} is not a multiple of the hop {_NAMES[step]!r}.",
            asked=offset,
            remedy="Choose a shorter hop or another offset.",
        )
    return Sliding(length, size, step, shift, offset if shift and offset else "")


def series(length: str, n: int, hop: str | None = None) -> Series:
    """`n` windows of `length` side by side, oldest first, the last running up to `t`."""
    each = window(length, hop)
    if not isinstance(each, Sliding):
        raise DefinitionError(
            "A series needs a length.", asked=length, remedy="Give a duration such as '1d'."
        )
    if not isinstance(n, int) or n < 1:
        raise DefinitionError(
            f"A series of {n} windows is empty.", asked=n, remedy="Give a whole number of at least 1."
        )
    if n * each.length > LONGEST:
        raise DefinitionError(
            f"A series of {n} windows of {length!r} is longer than 100 years.", asked=n, remedy="Give fewer."
        )
    if each.length % each.hop:
        raise DefinitionError(
            f"The windows of a series must be a whole number of hops ({_NAMES[each.hop]}) long.", asked=length
        )
    return Series(each, n)


def calendar(unit: Literal["day", "week", "month"], offset: int = 0) -> Calendar:
    """The running local day, week or month; with `offset=n`, the n-th complete one before it."""
    if unit not in {"day", "week", "month"}:
        raise DefinitionError(
            f"{unit!r} is not a calendar period.", asked=unit, available=["day", "week", "month"]
        )
    if offset < 0:
        raise DefinitionError(
            "A calendar window cannot lie in the future.", asked=offset, remedy="Use offset >= 0."
        )
    if offset > 100 * _IN_A_YEAR[unit]:
        raise DefinitionError(
            f"The {unit} {offset} {unit}s ago is more than 100 years ago.",
            asked=offset,
            remedy=f"Use an offset of at most {100 * _IN_A_YEAR[unit]}.",
        )
    return Calendar(unit, offset)


def parts(of: Window) -> tuple[Sliding | Calendar | Lifetime, ...]:
    """The single windows a window is made of: a series' members oldest first, else the window itself."""
    if not isinstance(of, Series):
        return (of,)
    each = of.each
    return tuple(replace(each, offset=(of.n - 1 - i) * each.length) for i in range(of.n))


def edges(
    of: Sliding | Calendar | Lifetime, t: Instants, zone: str = "UTC"
) -> tuple[Instants, Instants | None]:
    """THE window rule: the span of event times that counts at `t`.

    Args:
        of: A single window (see `parts`).
        t: Query instants, one or many.
        zone: IANA name of the zone whose calendar governs; only calendar windows read it.

    Returns:
        `(start, end)`: an event counts iff `start <= event_time`, `known < t` and, unless `end` is None,
        `event_time < end`. None means that `known < t` is the only upper edge.
    """
    if isinstance(of, Lifetime):
        return t * 0 + FOREVER_AGO, None
    if isinstance(of, Calendar):
        return _calendar_edges(of, t, zone)
    start = (t - of.offset - of.length) // of.hop * of.hop
    return start, ((t - of.offset) // of.hop * of.hop if of.offset else None)


def tile_hop(of: Sliding | Calendar | Lifetime, zone: str = "UTC") -> int | None:
    """The tile width, microseconds, that answers the window exactly; None if one state an entity will do."""
    if isinstance(of, Lifetime):
        return None
    if isinstance(of, Calendar):
        return _calendar_hop(zone)
    return of.hop


def _calendar_edges(of: Calendar, t: Instants, zone: str) -> tuple[Instants, Instants | None]:
    back = 2 + of.offset // _IN_A_YEAR[of.unit]
    if isinstance(t, int):
        starts = _period_starts(of.unit, zone, _year(t) - back, _year(t) + 1)
        at = bisect.bisect_right(starts, t) - 1 - of.offset
        return starts[max(at, 0)], (starts[max(at + 1, 0)] if of.offset else None)
    import numpy as np

    if not len(t):
        return t, (t if of.offset else None)
    known = _period_array(of.unit, zone, _year(int(t.min())) - back, _year(int(t.max())) + 1)
    index = np.searchsorted(known, t, side="right") - 1 - of.offset
    return known[np.maximum(index, 0)], (known[np.maximum(index + 1, 0)] if of.offset else None)


def _year(t: int) -> int:
    """The year of an instant, or the one beside it."""
    return 1970 + t // (365 * DAY + DAY // 4)


@lru_cache(maxsize=256)
def _period_starts(unit: str, zone: str, first_year: int, last_year: int) -> list[int]:
    """The instants at which local periods start, ascending, for all periods that touch the years.

    The first is `FOREVER_AGO`: what lies before the year 1 is one period.
    """
    first, last = dt.date(min(max(first_year, 1), 9999), 1, 1), dt.date(min(max(last_year, 1), 9999), 12, 31)
    if unit == "month":
        years = range(first.year, last.year + 1)
        days = [dt.date(year, month, 1) for year in years for month in range(1, 13)]
    else:
        monday = first.toordinal() - first.weekday()  # the year 1 begins with one
        begin, step = (monday, 7) if unit == "week" else (first.toordinal(), 1)
        days = [dt.date.fromordinal(number) for number in range(begin, last.toordinal() + 1, step)]
    starts = [FOREVER_AGO, *(_local_midnight(day, zone) for day in days)]
    if last == dt.date.max and unit != "week":
        starts.append(
            _local_midnight(last, zone) + DAY
        )  # east of Greenwich the year 10000 begins before ours ends
    return starts


@lru_cache(maxsize=256)
def _period_array(
    unit: str, zone: str, first_year: int, last_year: int
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """`_period_starts` as an array, made once: pushes ask about the same years again and again."""
    import numpy as np

    return np.asarray(_period_starts(unit, zone, first_year, last_year), dtype=np.int64)


def _local_midnight(day: dt.date, zone: str) -> int:
    """The first instant of a local day; where the clocks skip midnight, the instant they are moved at."""
    info = zoneinfo.ZoneInfo(zone)
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    local = dt.datetime(day.year, day.month, day.day, tzinfo=info)
    midnight = (day.toordinal() - epoch.toordinal()) * DAY  # in UTC; a datetime ends at the years 1 and 9999
    at, early = (midnight - _offset(each) for each in (local, local.replace(fold=1)))
    while (
        early < at
    ):  # Midnight was skipped: clocks were moved somewhere between its readings before and after.
        middle = (early + at) // 2
        if (epoch + dt.timedelta(microseconds=middle)).astimezone(info).date() < day:
            early = middle + 1
        else:
            at = middle
    return at


def _offset(local: dt.datetime) -> int:
    """How far a local time is ahead of UTC, microseconds."""
    return (local.utcoffset() or dt.timedelta(0)) // dt.timedelta(microseconds=1)


@lru_cache(maxsize=256)
def _calendar_hop(zone: str) -> int:
    """5 minutes, or 1 second where the zone has had an offset since 1970 that is no multiple of 5 minutes."""
    info = zoneinfo.ZoneInfo(zone)
    months = (
        dt.datetime(year, month, 15, tzinfo=info) for year in range(1970, 2100) for month in range(1, 13)
    )
    odd = any((moment.utcoffset() or dt.timedelta(0)) % dt.timedelta(minutes=5) for moment in months)
    return SECOND if odd else 5 * MINUTE
