"""What each aggregation means, as a formula over the events of one window: the oracle's second half.

Exact arithmetic throughout (`int`, `Fraction`, `Decimal`); a double is made once, at the end. Beside its
value a formula states the *slack*: how far another answer may lie from it. No slack means identical.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import struct
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.windows import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from headrace.schema import Type

__all__ = ["FORMULAS", "Answer", "Event", "Result", "hash64", "ordered"]


class Event(NamedTuple):
    """One event as the oracle sees it.

    Attributes:
        row: Its columns, and for every `where` whether it is TRUE.
        time: When it happened, microseconds UTC.
        known: When it could be known: `max(event_time, available_at)`.
        content: All columns of the source's schema in name order, comparable.
        place: Its place in the total order of events: `(event_time, event id, known, content)`.
    """

    row: dict[str, Any]
    time: int
    known: int
    content: tuple[Any, ...]
    place: tuple[Any, ...]


class Answer(NamedTuple):
    """What a feature says of one row of a spine.

    Attributes:
        value: The value; None for null.
        status: PRESENT, NOT_FOUND, NULL_VALUE, INVALID or OUTSIDE_MAX_AGE.
        event_time: The newest event time of the entity in the feature's window, microseconds UTC.
        slack: How far another value may lie from this one; shaped like a value that is a list or a map.
        reason: Why it is INVALID.
    """

    value: Any
    status: str
    event_time: int | None
    slack: Any = 0
    reason: str = ""


class Result(NamedTuple):
    """What a formula says of one window: as in `Answer`."""

    value: Any
    slack: Any = 0
    reason: str = ""


def ordered(value: Any) -> tuple[Any, ...]:
    """The value as something comparable: nulls first, text by its bytes, lists item by item."""
    if value is None:
        return (0,)
    if isinstance(value, str):
        return (1, value.encode())
    if isinstance(value, (list, tuple)):
        return (1, tuple(ordered(item) for item in value))
    return (1, value)


def hash64(value: Any, of: Type) -> int:
    """The published 64-bit hash: BLAKE2b of text and bytes, SplitMix64's finalizer of all other words."""
    if isinstance(value, (str, bytes)):
        data = value.encode() if isinstance(value, str) else value
        return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
    if isinstance(value, float):
        word = int.from_bytes(struct.pack("<d", value), "little")
    elif isinstance(value, Decimal):
        word = int(Fraction(value) * 10**of.scale)
    elif isinstance(value, dt.date):
        word = (value - dt.date(1970, 1, 1)).days
    else:
        word = int(value)
    mask = (1 << 64) - 1
    x = (word + 0x9E3779B97F4A7C15) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    return x ^ (x >> 31)


# --- doubles ---

RELATIVE = Fraction(1, 10**9)
TINIEST = 2.0**-1022
"""Doubles below it have lost digits already: no relative promise can hold there."""


def _double(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def _near(exact: Fraction, size: Fraction, largest: Fraction) -> Result:
    """A double that may be off by 1e-9 of `size`; by anything where `largest`, met on the way, overflows."""
    reached = _double(largest)
    return Result(_double(exact), math.inf if math.isinf(reached) else _double(RELATIVE * size) + TINIEST)


def _infinite(values: Sequence[Any]) -> bool:
    return any(isinstance(value, float) and math.isinf(value) for value in values)


def _sum_of(values: Sequence[Any], share: int = 1) -> Result:
    """The sum of numbers over `share`, within 1e-9 of that of their absolute values."""
    if _infinite(values):
        return Result(sum(map(float, values)), math.inf)
    exact = [Fraction(value) for value in values]
    size = sum(map(abs, exact), Fraction(0))
    return _near(sum(exact, Fraction(0)) / share, size / share, size)


# --- which events a formula reads ---


class Asked(NamedTuple):
    """What a formula answers.

    Attributes:
        feature: The aggregation.
        events: The entity's events in the window, known before `t`, oldest first in the total order.
        t: The query instant, microseconds UTC.
        types: The types of the source's columns, derived ones included.
        siblings: The view's aggregations by name.
    """

    feature: Any
    events: Sequence[Event]
    t: int
    types: Mapping[str, Type]
    siblings: Mapping[str, Any]

    def taken(self, *columns: str) -> list[Event]:
        """The events for which `where` is TRUE and none of the columns is null."""
        where = self.feature.where
        passed = [event for event in self.events if where is None or event.row[where] is True]
        return [event for event in passed if all(event.row[column] is not None for column in columns)]

    def values(self) -> list[Any]:
        """The aggregated column of the events taken."""
        return [event.row[self.feature.column] for event in self.taken(self.feature.column)]


# --- the formulas ---


def _count(asked: Asked) -> Result:
    if asked.feature.by is None:
        return Result(len(asked.taken()))
    return _mapped(asked, asked.taken(asked.feature.by), lambda group: Result(len(group)))


def _sum(asked: Asked) -> Result:
    column, by = asked.feature.column, asked.feature.by
    of = asked.types[column]
    if by is None:
        return _total(asked.values(), of)
    return _mapped(asked, asked.taken(column, by), lambda group: _total([e.row[column] for e in group], of))


def _mapped(asked: Asked, events: Sequence[Event], one: Callable[[list[Event]], Result]) -> Result:
    """A map from key to what `one` says of its events; at most `max_keys`, those of smallest (hash, key)."""
    by, most = asked.feature.by, asked.feature.max_keys
    groups: dict[Any, list[Event]] = {}
    for event in events:
        groups.setdefault(event.row[by], []).append(event)
    kept = sorted(groups, key=lambda key: (hash64(key, asked.types[by]), ordered(key)))[:most]
    results = {key: one(groups[key]) for key in sorted(kept, key=ordered)}
    for result in results.values():
        if result.reason:
            return Result(None, 0, result.reason)
    value = {key: result.value for key, result in results.items()}
    slack = {key: result.slack for key, result in results.items()}
    return Result(value, slack, "truncated" if len(groups) > len(kept) else "")


def _total(values: Sequence[Any], of: Type) -> Result:
    if of.name == "double":
        return _sum_of(values)
    unscaled = int(sum(map(Fraction, values), Fraction(0)) * 10**of.scale)
    if of.name == "decimal":
        digits = tuple(int(digit) for digit in str(abs(unscaled)))
        exact = Decimal((int(unscaled < 0), digits, -of.scale))
        return Result(exact) if len(digits) <= 38 else Result(None, 0, "overflow")
    return Result(unscaled) if -(2**63) <= unscaled < 2**63 else Result(None, 0, "overflow")


def _mean(asked: Asked) -> Result:
    values = asked.values()
    return _sum_of(values, len(values)) if values else Result(None)


def _min(asked: Asked) -> Result:
    return Result(min(asked.values(), key=ordered, default=None))


def _max(asked: Asked) -> Result:
    return Result(max(asked.values(), key=ordered, default=None))


def _variance(asked: Asked) -> Result:
    values = asked.values()
    if len(values) < 2:
        return Result(None)
    return Result(math.nan, math.inf) if _infinite(values) else _near(*_moments(values))


def _stddev(asked: Asked) -> Result:
    variance = _variance(asked)
    if variance.value is None or math.isinf(variance.slack):
        return variance
    _, size, _ = _moments(asked.values())
    return Result(math.sqrt(variance.value), 1e-9 * math.sqrt(_double(size)) + math.sqrt(TINIEST))


def _moments(values: Sequence[Any]) -> tuple[Fraction, Fraction, Fraction]:
    """The sample variance, `mean^2 + variance`, and the largest number that merging may meet."""
    exact = [Fraction(value) for value in values]
    mean = sum(exact, Fraction(0)) / len(exact)
    variance = sum(((x - mean) ** 2 for x in exact), Fraction(0)) / (len(exact) - 1)
    return variance, mean**2 + variance, 4 * len(exact) * sum((x * x for x in exact), Fraction(0))


def _first(asked: Asked) -> Result:
    return Result(next(iter(asked.values()), None))


def _last(asked: Asked) -> Result:
    return Result(next(reversed(asked.values()), None))


def _last_k(asked: Asked) -> Mapping[str, Result]:
    column = asked.feature.column
    newest = asked.taken(column)[::-1][: asked.feature.k]
    values = [event.row[column] for event in newest]
    times = [event.time for event in newest]
    same = [0] * len(newest)
    return (
        {"": Result(values, same), "ts": Result(times, same)}
        if asked.feature.timestamps
        else {"": Result(values, same)}
    )


def _rate(asked: Asked) -> Result:
    numerator, denominator = (
        len(asked._replace(feature=asked.siblings[name]).taken())
        for name in (asked.feature.numerator, asked.feature.denominator)
    )
    if asked.feature.prior is None:
        return Result(numerator / denominator if denominator else None)
    a, b = asked.feature.prior
    return Result((numerator + a) / (denominator + a + b))


def _decayed_sum(asked: Asked) -> Result:
    column, half_life = asked.feature.column, duration(asked.feature.half_life)
    taken = asked.taken(column)
    values = [float(event.row[column]) for event in taken]
    ages = [asked.t - event.time for event in taken]
    decayed = _sum_of([x * 2.0 ** (-age / half_life) for x, age in zip(values, ages, strict=True)])
    # States hold sums as they were when the newest event happened: those must be doubles too.
    return decayed if math.isfinite(_sum_of(values).slack) else Result(decayed.value, math.inf)


def _recency(asked: Asked) -> Result:
    times = [event.time for event in asked.taken()]
    return Result(float(asked.t - max(times)) / 1e6 if times else None)


def _distinct(asked: Asked) -> Result:
    values = set(asked.values())
    if len(values) <= 1024:
        return Result(len(values))
    registers = [0] * 4096
    for value in values:
        hashed = hash64(value, asked.types[asked.feature.column]) | 1 << 63
        rest = hashed >> 12
        zeros = (rest & -rest).bit_length() - 1
        registers[hashed % 4096] = max(registers[hashed % 4096], zeros + 1)
    return Result(round(_estimate(registers)))


def _estimate(registers: list[int]) -> float:
    """How many hashes filled the registers: Ertl's improved estimator (arXiv:1702.01284, section 4)."""
    m = len(registers)
    z = 0.0  # no rank can exceed 52, so that nothing is added for saturated registers
    for rank in range(52, 0, -1):
        z = 0.5 * (z + registers.count(rank))
    x = registers.count(0) / m
    sigma, weight = x, 1.0
    while x > 0.0:
        if x == 1.0:
            return 0.0
        x *= x
        sigma, weight = sigma + x * weight, 2.0 * weight
    return m * m / (2.0 * math.log(2.0)) / (z + m * sigma)


FORMULAS: Mapping[str, Callable[[Asked], Result | Mapping[str, Result]]] = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "min": _min,
    "max": _max,
    "variance": _variance,
    "stddev": _stddev,
    "first": _first,
    "last": _last,
    "last_k": _last_k,
    "rate": _rate,
    "decayed_sum": _decayed_sum,
    "recency": _recency,
    "distinct": _distinct,
}
"""The formula of every kind; one with companions answers by their names, the feature itself by ""."""
