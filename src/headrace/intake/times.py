"""Dates and times cast to dates and instants: without a zone they are UTC, nanoseconds are floored.

Days and instants are of the years 1 to 9999: beyond, neither ISO 8601 nor Python can write them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.clock import DAY, EARLIEST, LATEST
from headrace.intake.doubles import any_in_list
from headrace.intake.numbers import Cast, data_of, outcome, valid_of
from headrace.lazy import numpy as np
from headrace.lazy import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.aggregations.states import Array
    from headrace.schema import Type

__all__ = ["FIRST_DAY", "LAST_DAY", "beyond_years", "cast_time", "holds_times"]

FIRST_DAY, LAST_DAY = EARLIEST // DAY, LATEST // DAY

_MICROSECONDS = {"s": 1_000_000, "ms": 1_000}
_NANOSECONDS = 1_000
_LARGEST = (1 << 63) - 1


def cast_time(array: pa.Array, to: Type) -> Cast:
    """Dates, timestamps of any unit and zone, or int64 microseconds as `timestamp` or `date`."""
    kind = array.type
    if pa.types.is_date32(kind):
        days = data_of(array, np.int32).astype(np.int64)
        return Cast(array) if to.name == "date" else _instants(days, DAY, valid_of(array))
    if pa.types.is_date64(kind):
        milliseconds = data_of(array, np.int64)
        if to.name == "date":
            days = milliseconds // (DAY // 1_000)
            fits = (days >= FIRST_DAY) & (days <= LAST_DAY)
            return outcome(_dates(np.where(fits, days, 0)), fits, valid_of(array))
        return _instants(milliseconds, 1_000, valid_of(array))
    instants = _timestamps(array)
    if to.name == "timestamp":
        return instants
    days = data_of(instants.values, np.int64) // DAY
    return outcome(_dates(days), _all(array), valid_of(instants.values), instants.bad)


def beyond_years(array: pa.Array, of: Type) -> Array | None:
    """Which values hold a day or an instant that is not in the years 1 to 9999, bool; None for none.

    Args:
        array: n values of `of.arrow()`.
        of: The type.
    """
    if of.name == "list" and holds_times(of):
        items = beyond_years(array.flatten(), of.items[0])
        return None if items is None else any_in_list(array, items)
    if of.name not in {"timestamp", "date"} or not len(array):
        return None
    first, last, bits = (
        (EARLIEST, LATEST, np.int64) if of.name == "timestamp" else (FIRST_DAY, LAST_DAY, np.int32)
    )
    data = data_of(array, bits)
    if data.min() >= first and data.max() <= last:
        return None
    beyond: Array = (data < first) | (data > last)
    valid = valid_of(array)  # under a null there may lie anything
    beyond = beyond if valid is None else beyond & valid
    return beyond if beyond.any() else None


def holds_times(of: Type) -> bool:
    """Whether values are days or instants, or lists of them."""
    return of.name in {"timestamp", "date"} or any(holds_times(item) for item in of.items)


def _timestamps(array: pa.Array) -> Cast:
    unit = array.type.unit if pa.types.is_timestamp(array.type) else "us"
    if unit == "us":
        return Cast(array.view(pa.timestamp("us", tz="UTC")))
    data, valid = data_of(array, np.int64), valid_of(array)
    if unit == "ns":
        return outcome(_micros(data // _NANOSECONDS), _all(array), valid)  # floors below 1970 too
    return _instants(data, _MICROSECONDS[unit], valid)


def _instants(data: Array, factor: int, valid: Array | None) -> Cast:
    limit = _LARGEST // factor
    fits = (data >= -limit) & (data <= limit)
    return outcome(_micros(np.where(fits, data, 0) * factor), fits, valid)


def _all(array: pa.Array) -> Array:
    return np.ones(len(array), dtype=bool)


def _micros(data: Array) -> Callable[[Array | None], pa.Array]:
    return lambda null: pa.array(data, pa.int64(), mask=null).view(pa.timestamp("us", tz="UTC"))


def _dates(days: Array) -> Callable[[Array | None], pa.Array]:
    return lambda null: pa.array(days.astype(np.int32), pa.int32(), mask=null).view(pa.date32())
