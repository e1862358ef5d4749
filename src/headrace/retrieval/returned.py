"""What an on-demand function returned, as its declared type holds it: exactly, or not at all."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from headrace.casting import unboxed
from headrace.errors import DataError

if TYPE_CHECKING:
    from headrace.schema import Type

__all__ = ["fitting"]

_KINDS: dict[str, Any] = {
    "string": (str,),
    "binary": (bytes, bytearray),
    "int64": (int, float, Decimal),
    "double": (float, int),
    "decimal": (Decimal, int),
    "bool": (bool,),
    "timestamp": (dt.datetime,),
    "date": (dt.date,),
    "list": (list, tuple),
}
"""What a function may return for a type; what Arrow would round, cut or take apart besides is refused."""

_BUT_NOT: dict[str, Any] = {"int64": bool, "double": bool, "decimal": bool, "date": dt.datetime}
"""To Python a truth is an integer and an instant a date."""


def fitting(value: Any, of: Type) -> Any:
    """The value, if its type can hold it: NaN and NaT are null, a naive time is UTC.

    Args:
        value: What a function returned; NumPy scalars and arrays are taken as what they hold.
        of: The declared type.

    Raises:
        DataError: The type cannot hold it; the text shows the value.
    """
    try:
        return pa.scalar(_checked(value, of), type=of.arrow()).as_py()
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError, ValueError) as error:
        detail = f": {error}" if str(error) else ""
        raise DataError(f"returned {value!r}, which is no {of}{detail}") from None


def _checked(value: Any, of: Type) -> Any:
    """The value as Arrow takes it without loss.

    Raises:
        TypeError: It is of a kind the type does not hold.
        ValueError: It is infinite, no whole number where one is needed, or one that a double would round.
    """
    value = unboxed(value)
    if value is None or of.name not in _KINDS:
        return value
    if not isinstance(value, _KINDS[of.name]) or isinstance(value, _BUT_NOT.get(of.name, ())):
        raise TypeError
    if of.name == "list":
        return [_checked(item, of.items[0]) for item in value]
    if isinstance(value, float):
        if math.isnan(value):
            return None
        if not math.isfinite(value):
            raise ValueError("it is infinite")
    if of.name == "int64":
        if value != int(value):
            raise ValueError("it has a fraction")
        return int(value)
    return _double(value) if of.name == "double" else value


def _double(value: float) -> float:
    """A number as a double, 0.0 for -0.0."""
    double = value + 0.0
    if double != value:
        raise ValueError("a double would round it")
    return double
