"""The casts once more, one value at a time, in the plainest Python: what the fast ones have to equal."""

from __future__ import annotations

import datetime as dt
import math
import re
import struct
from decimal import Decimal, InvalidOperation, localcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.schema import Type

UTC = dt.UTC
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000
LOWEST, LARGEST = -(2**63), 2**63 - 1
TRUTHS = {"true": True, "t": True, "yes": True, "y": True, "1": True}
TRUTHS |= {"false": False, "f": False, "no": False, "n": False, "0": False}
ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?"
)


class Uncastable(Exception):  # noqa: N818 - a verdict on a value, not an error
    """The value says nothing of the type."""


def plain_cast(value: Any, to: Type) -> Any:
    """A Python value as the type's: int, float, Decimal, bool, str, bytes, microseconds, days, list, None."""
    if value is None:
        return None
    if isinstance(value, float) and math.isnan(value) and to.name in {"int64", "double", "decimal", "bool"}:
        return None
    if isinstance(value, str) and to.name != "binary":
        value = value if to.name == "string" else value.strip(" \t\r\n\v\f")
    cast = {
        "int64": as_int, "double": as_double, "bool": as_bool, "string": as_string, "binary": as_binary,
        "timestamp": as_instant, "date": as_day,
    }  # fmt: skip
    if to.name == "decimal":
        return as_decimal(value, to)
    if to.name == "list":
        if not isinstance(value, list):
            raise Uncastable
        return [plain_cast(item, to.items[0]) for item in value]
    return cast[to.name](value)


def as_int(value: Any) -> int:
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?[0-9]+(\.0*)?", value):
            raise Uncastable
        value = Decimal(value)
    if isinstance(value, float | Decimal) and (not math.isfinite(value) or value != int(value)):
        raise Uncastable
    if not LOWEST <= int(value) <= LARGEST:
        raise Uncastable
    return int(value)


def as_double(value: Any) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except ValueError:
        raise Uncastable from None
    return None if math.isnan(number) else number + 0.0


def as_decimal(value: Any, to: Type) -> Decimal:
    if isinstance(value, str) and not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)", value):
        raise Uncastable
    with localcontext(prec=400):
        try:
            if isinstance(value, float):
                scaled = value * 10.0**to.scale
                if not math.isfinite(scaled):
                    raise Uncastable
                number = Decimal(round(scaled)).scaleb(-to.scale)
            else:
                number = Decimal(value)
            exact = number.quantize(Decimal(1).scaleb(-to.scale))
        except InvalidOperation:
            raise Uncastable from None
        if exact != number or abs(exact.scaleb(to.scale)) >= 10**to.precision:
            raise Uncastable
        return exact


def as_bool(value: Any) -> bool:
    if isinstance(value, str):
        value = TRUTHS.get(value.lower())
    if value not in {0, 1} or isinstance(value, Decimal):
        raise Uncastable
    return bool(value)


def as_string(value: Any) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise Uncastable from None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def as_binary(value: Any) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def as_instant(value: Any) -> int:
    if isinstance(value, str):
        return parsed(value)
    if isinstance(value, int):
        if not LOWEST <= value <= LARGEST:
            raise Uncastable
        return value
    if not isinstance(value, dt.datetime):
        return (value - EPOCH.date()).days * DAY
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return (value - EPOCH) // dt.timedelta(microseconds=1)


def parsed(text: str) -> int:
    match = ISO.fullmatch(text)
    if not match:
        raise Uncastable
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        at = dt.datetime(*(int(part or 0) for part in (year, month, day, hour, minute, second)), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        raise Uncastable from None
    micros = (at - EPOCH) // dt.timedelta(microseconds=1) + int((fraction or "").ljust(6, "0")[:6])
    if zone and zone != "Z":
        digits = zone[1:].replace(":", "")
        offset = int(digits[:2]) * 3_600 + int(digits[2:] or 0) * 60
        micros -= (-1 if zone[0] == "-" else 1) * offset * 1_000_000
    return micros


def as_day(value: Any) -> int:
    if isinstance(value, str):
        return parsed(value) // DAY
    if isinstance(value, dt.datetime):
        return as_instant(value) // DAY
    return (value - EPOCH.date()).days


def same(left: Any, right: Any) -> bool:
    """Equal, and the same kind of zero."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return struct.pack("<d", left) == struct.pack("<d", right)
    return type(left) is type(right) and left == right
