"""Values as they are expected and as they come, made comparable by the feature's type."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from headrace.clock import format_instant, instant
from headrace.errors import DefinitionError, HeadraceError

if TYPE_CHECKING:
    from headrace.schema import Type

__all__ = ["agree", "expected_value", "plain"]

RELATIVE = 1e-6
ABSOLUTE = 1e-12


def expected_value(value: Any, of: Type, feature: str) -> Any:
    """What is expected, as `plain` writes it.

    Raises:
        DefinitionError: It can be no value of the type.
    """
    try:
        return plain(value, of)
    except (ValueError, TypeError, LookupError, OverflowError, InvalidOperation, HeadraceError):
        raise DefinitionError(
            f"What is expected of {feature!r}, {value!r}, is no {of}.",
            asked=value,
            remedy=f"Give a value of type {of}.",
        ) from None


def plain(value: Any, of: Type) -> Any:
    """A value in Python's simplest words: texts for times and bytes, dicts for maps and structs.

    Raises:
        ValueError: It can be no value of the type; or TypeError, KeyError, OverflowError, DataError.
    """
    if value is None:
        return None
    match of.name:
        case "list":
            return [plain(each, of.items[0]) for each in _several(value)]
        case "map":
            pairs = value.items() if isinstance(value, Mapping) else _several(value)
            return {plain(key, of.items[0]): plain(item, of.items[1]) for key, item in pairs}
        case "struct":
            members = [value[name] for name in of.names] if isinstance(value, Mapping) else _several(value)
            each = zip(of.names, members, of.items, strict=True)
            return {name: plain(member, item) for name, member, item in each}
        case _:
            return _SCALARS[of.name](value)


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise TypeError(value)
    return value


def _whole(value: Any) -> int:
    number = _number(value)
    if number != int(number):
        raise ValueError(value)
    return int(number)


def _is(kind: type) -> Callable[[Any], Any]:
    def same(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError(value)
        return value

    return same


_SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "string": _is(str),
    "bool": _is(bool),
    "int64": _whole,
    "double": lambda value: float(_number(value)),
    "decimal": lambda value: Decimal(str(_number(value))),
    "timestamp": lambda value: format_instant(instant(value)),
    "date": lambda value: str(dt.date.fromisoformat(str(value))),
    "binary": lambda value: value.hex() if isinstance(value, bytes) else bytes.fromhex(value).hex(),
}


def _several(value: Any) -> Sequence[Any]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise TypeError(value)
    return value


def agree(one: Any, other: Any, tolerance: float | None) -> bool:
    """Whether two values, as `plain` writes them, are the same; of doubles, whether they are near.

    Args:
        one: A value.
        other: Another, of the same type.
        tolerance: How far doubles may be apart; None for a millionth of them.
    """
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        if tolerance is None:
            return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
        return math.isclose(one, other, rel_tol=0.0, abs_tol=tolerance)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(agree(a, b, tolerance) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(agree(one[key], other[key], tolerance) for key in one)
    return bool(one == other) and type(one) is type(other)
