"""The document of an online answer: bytes of JSON, written column by column.

What does not change between the answers for one list of features is made once, an `AnswerForm`. Of an answer
only its values are written; statuses and times that several columns share are written once.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
from functools import lru_cache
from types import NoneType
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from headrace.clock import format_instant
from headrace.kernel.columns import INVALID, NULL_VALUE, PRESENT, STATUS_NAMES
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from headrace.aggregations.states import Array
    from headrace.kernel.columns import Columns
    from headrace.retrieval.plan import Member
    from headrace.schema import Type

__all__ = ["INFINITE", "AnswerForm", "wire_value"]

INFINITE = "the value is infinite"
"""Why a double that JSON cannot hold is INVALID."""

_ENCODE = msgspec.json.Encoder().encode
_AS_THEY_ARE = frozenset({"string", "int64", "double", "bool", "decimal", "timestamp", "date"})
"""Types whose values msgspec writes as the contract has them."""
_PLAIN = {str, int, bool, NoneType}
_NAMES = [b'"' + name.encode() + b'"' for name in STATUS_NAMES]
_REMEMBERED = 16_384
_FEW = 256


class AnswerForm:
    """How answers for some features are written."""

    def __init__(self, members: Sequence[Member]) -> None:
        """Prepare what all of them share.

        Args:
            members: The features, in the order asked.
        """
        self._names = [b",".join(_ENCODE(member.output) for member in members)] if members else []
        self._columns = [
            (member.output, _writer(member.type), member.type.name == "double") for member in members
        ]

    def write(self, entities: Mapping[str, Sequence[Any]], columns: Columns, as_of: str) -> bytes:
        """The document: one result for each column, entity columns first.

        Args:
            entities: The entities' columns as asked.
            columns: Output column -> values.
            as_of: The instant, RFC 3339.
        """
        pieces: list[bytes] = []
        for given in entities.values():
            pieces += (b'},{"values":', *_given(given))
        reasons: dict[str, str] = {}
        status: Array | None = None
        newest: Array | None = None
        tail = b""
        told = columns.told()
        for output, encode, double in self._columns:
            values, own, times, reason = told[output]
            written = encode(values)
            if double and b"null" in written:
                own, infinite = _status_of_doubles(values, own)
                reason = reason or infinite
            if own is not status or times is not newest:
                status, newest = own, times
                tail = _tail(own, times)
            if reason and bool((own == INVALID).any()):
                reasons[output] = reason
            pieces += (b'},{"values":', written, tail)
        why = b',"reasons":' + _ENCODE(reasons) if reasons else b""
        names = b",".join([*map(_ENCODE, entities), *self._names])
        head = b'{"metadata":{"feature_names":[%b],"as_of":"%b"%b},"results":[' % (
            names,
            as_of.encode(),
            why,
        )
        pieces[0] = b'{"values":'
        return b"".join([head, *pieces, b"}]}"])


def _given(values: Sequence[Any]) -> tuple[bytes, bytes]:
    """An entity column as it was asked: all of it is there, and has no time."""
    n = len(values)
    plain = values if _PLAIN.issuperset(map(type, values)) else [wire_value(value) for value in values]
    statuses, times = b",".join([_NAMES[PRESENT]] * n), b",".join([b"null"] * n)
    return _ENCODE(list(plain)), b',"statuses":[%b],"event_timestamps":[%b]' % (statuses, times)


def _tail(status: Array, newest: Array) -> bytes:
    """What follows a column's values."""
    codes = np.asarray(status, dtype=np.uint8).tobytes()
    statuses = _statuses(codes) if len(codes) <= _FEW else _statuses.__wrapped__(codes)
    times = b",".join(map(_time, np.asarray(newest).tolist()))
    return b',"statuses":%b,"event_timestamps":[%b]' % (statuses, times)


@lru_cache(maxsize=1_024)
def _statuses(codes: bytes) -> bytes:
    return b"[" + b",".join([_NAMES[code] for code in codes]) + b"]"


@lru_cache(maxsize=_REMEMBERED)
def _time(at: int) -> bytes:
    return b"null" if at == FOREVER_AGO else b'"' + format_instant(at).encode() + b'"'


def _status_of_doubles(values: Sequence[float | None], status: Array) -> tuple[Array, str]:
    """The status of doubles as JSON has them, where what is not finite is null; why some are INVALID now."""
    nan = np.array([value is not None and math.isnan(value) for value in values], dtype=bool)
    infinite = np.array([value is not None and math.isinf(value) for value in values], dtype=bool)
    if not (nan.any() or infinite.any()):
        return status, ""
    own = np.where(infinite, np.uint8(INVALID), np.where(nan, np.uint8(NULL_VALUE), status))
    return own, INFINITE if infinite.any() else ""


def _writer(of: Type) -> Callable[[Sequence[Any]], bytes]:
    """What writes a column of a type."""
    if _is_direct(of):
        return _ENCODE
    return lambda values: _ENCODE([wire_value(value) for value in values])


def _is_direct(of: Type) -> bool:
    if of.is_scalar:
        return of.name in _AS_THEY_ARE
    if of.name == "map":
        return of.items[0].name in {"string", "int64"} and _is_direct(of.items[1])
    return all(map(_is_direct, of.items))


def wire_value(value: Any) -> Any:  # noqa: PLR0911 - one return a kind of value
    """A Python value as JSON has it: decimals and bytes as texts, instants as RFC 3339."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case decimal.Decimal():
            return str(value)
        case dt.datetime():
            return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
        case dt.date():
            return value.isoformat()
        case bytes():
            return value.hex()
        case dict():
            return {str(wire_value(key)): wire_value(item) for key, item in value.items()}
        case list():
            return [wire_value(item) for item in value]
        case np.generic():
            return wire_value(value.item())
        case _:
            return value
