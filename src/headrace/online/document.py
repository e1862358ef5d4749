"""The document of an online answer: bytes of JSON, written column by column.

What does not change between the answers for one list of features is made once, an `AnswerForm`. Of an answer
only its values are written; statuses and times that several columns share are written once.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
from functools import lru_cache
from itertools import groupby
from types import MappingProxyType, NoneType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from headrace.clock import format_instant
from headrace.kernel.columns import INVALID, NULL_VALUE, PRESENT, STATUS_NAMES
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from headrace.aggregations.states import Array
    from headrace.kernel.columns import Alike, Columns, Told
    from headrace.retrieval.plan import Member
    from headrace.schema import Type

__all__ = ["INFINITE", "NO_TIME", "AnswerForm", "wire_value"]

NO_TIME = "1970-01-01T00:00:00Z"
"""The time of what has none: Feast's models take a text for each."""

INFINITE = "the value is infinite"
"""Why a double that JSON cannot hold is INVALID."""

_ENCODE = msgspec.json.Encoder().encode
_AS_THEY_ARE = frozenset({"string", "int64", "double", "bool", "decimal", "timestamp", "date"})
"""Types whose values msgspec writes as the contract has them."""
_PLAIN_SCALE = 6
"""Fraction digits up to which the text of a decimal has no exponent."""
_NUMBERS = frozenset({"int64", "double", "bool"})
_BEGIN = b',{"values":'
_NO_TIME = _ENCODE(NO_TIME)
_N = ord("n")
"""In columns of numbers only null has one."""
_PLAIN = {str, int, bool, NoneType}
_NAMES = [b'"' + name.encode() + b'"' for name in STATUS_NAMES]
_REMEMBERED = 16_384
_FEW = 256


class _Field(NamedTuple):
    """One output column: its name, what it is called in its part, what writes its values, what they hold."""

    output: str
    name: str
    encode: Callable[[Sequence[Any]], bytes]
    holds_doubles: bool


class _Block(NamedTuple):
    """Neighbouring output columns of one part, all of numbers or none."""

    part: int
    fields: tuple[_Field, ...]
    names: tuple[str, ...]
    is_numbers: bool


class AnswerForm:
    """How answers for some features are written."""

    def __init__(self, members: Sequence[Member]) -> None:
        """Prepare what all of them share.

        Args:
            members: The features, in the order asked.
        """
        self._names = [_ENCODE(member.output) for member in members]
        self._blocks = []
        for (part, numbers), group in groupby(members, lambda each: (each.view, each.type.name in _NUMBERS)):
            fields = tuple(map(_field, group))
            self._blocks.append(_Block(part, fields, tuple(field.name for field in fields), numbers))

    def write(
        self,
        entities: Mapping[str, Sequence[Any]],
        parts: Sequence[Columns],
        as_of: str,
        overran: Mapping[str, float] = MappingProxyType({}),
    ) -> bytes:
        """The document: one result for each column, entity columns first.

        Args:
            entities: The entities' columns as asked.
            parts: The columns of each view; of functions the last.
            as_of: The instant, RFC 3339.
            overran: The functions that were running at the deadline, and the milliseconds they took.
        """
        pieces: list[bytes] = []
        for given in entities.values():
            pieces += _given(given)
        reasons = _Reasons({}, {})
        told: dict[int, Mapping[str, Told]] = {}
        for block in self._blocks:
            alike = parts[block.part].alike(block.names) if block.is_numbers else None
            written = None if alike is None else _written_at_once(block, alike, reasons)
            if written is None:
                if block.part not in told:
                    told[block.part] = parts[block.part].told()
                written = _written(block, told[block.part], parts[block.part], reasons)
            pieces += written
        why = b',"reasons":' + _ENCODE(reasons.of_columns) if reasons.of_columns else b""
        if reasons.of_rows:
            why += b',"reasons_of_rows":' + _ENCODE(reasons.of_rows)
        if overran:
            why += b',"overran":' + _ENCODE(dict(overran))
        names = b",".join([*map(_ENCODE, entities), *self._names])
        head = b'{"metadata":{"feature_names":[%b],"as_of":"%b"%b},"results":[' % (names, as_of.encode(), why)
        pieces[0] = pieces[0][1:]  # the comma before the first result
        return b"".join([head, *pieces, b"]}"])


def _field(member: Member) -> _Field:
    name = member.reference.feature or member.reference.name
    return _Field(member.output, name, _writer(member.type), _holds_doubles(member.type))


def _holds_doubles(of: Type) -> bool:
    return of.name == "double" or any(map(_holds_doubles, of.items))


class _Reasons(NamedTuple):
    """Why values are INVALID: of each column, and of its rows where they differ, by column and row."""

    of_columns: dict[str, str]
    of_rows: dict[str, dict[int, str]]


def _written_at_once(block: _Block, alike: Alike, reasons: _Reasons) -> list[bytes]:
    """The results of columns of numbers that differ in values and nulls only, in pieces.

    Args:
        block: The columns.
        alike: What they hold.
        reasons: Hears why values are INVALID.
    """
    written = _ENCODE(alike.values)
    times = _times(alike.newest)
    begin, end = _BEGIN + b"[", b"]" + _tail(alike.status, times)
    between = end + begin
    columns = written[2:-2].split(b"],[")  # no number has a bracket in it
    pieces: list[bytes] = []
    first = 0
    for place in [place for place, column in enumerate(columns) if _N in column] if _N in written else ():
        values, field = alike.values[place], block.fields[place]
        own = alike.status_of(values)
        if columns[place].count(b"null") > values.count(None):
            own, reason = _status_of_doubles(values, own)
            if reason:
                reasons.of_columns[field.output] = reason
        if own is not alike.status:
            pieces += (begin, between.join(columns[first : place + 1]), b"]", _tail(own, times))
            first = place + 1
    if first < len(columns):
        pieces += (begin, between.join(columns[first:]), end)
    return pieces


def _written(block: _Block, told: Mapping[str, Told], columns: Columns, reasons: _Reasons) -> list[bytes]:
    """The results of columns, one by one, in pieces.

    Args:
        block: The columns.
        told: The columns of their part.
        columns: The same, which know the reasons of their rows.
        reasons: Hears why values are INVALID.
    """
    pieces: list[bytes] = []
    status: Array | None = None
    newest: Array | None = None
    tail = b""
    for output, name, encode, holds_doubles in block.fields:
        values, own, times, reason = told[name]
        written = encode(values)
        if holds_doubles and b"null" in written:
            before, (own, infinite) = own, _status_of_doubles(values, own)
            if reason and infinite:
                beyond = np.flatnonzero((own == INVALID) & (before != INVALID)).tolist()
                reasons.of_rows[output] = dict.fromkeys(beyond, infinite)
            reason = reason or infinite
        if own is not status or times is not newest:
            status, newest, tail = own, times, _tail(own, _times(times))
        if reason and bool((own == INVALID).any()):
            reasons.of_columns[output] = reason
            of_rows = {**columns[name].reasons, **reasons.of_rows.get(output, {})}
            if of_rows:
                reasons.of_rows[output] = of_rows
        pieces += (_BEGIN, written, tail)
    return pieces


def _given(values: Sequence[Any]) -> tuple[bytes, ...]:
    """An entity column as it was asked, in pieces: all of it is there, and has no time."""
    n = len(values)
    plain = values if _PLAIN.issuperset(map(type, values)) else [wire_value(value) for value in values]
    statuses, times = b",".join([_NAMES[PRESENT]] * n), b",".join([_NO_TIME] * n)
    tail = b',"statuses":[%b],"event_timestamps":[%b]}' % (statuses, times)
    return _BEGIN, _ENCODE(list(plain)), tail


def _tail(status: Array, times: bytes) -> bytes:
    """What follows a column's values."""
    codes = np.asarray(status, dtype=np.uint8).tobytes()
    statuses = _statuses(codes) if len(codes) <= _FEW else _statuses.__wrapped__(codes)
    return b',"statuses":%b,"event_timestamps":[%b]}' % (statuses, times)


def _times(newest: Array) -> bytes:
    return b",".join(map(_time, np.asarray(newest).tolist()))


@lru_cache(maxsize=1_024)
def _statuses(codes: bytes) -> bytes:
    return b"[" + b",".join([_NAMES[code] for code in codes]) + b"]"


@lru_cache(maxsize=_REMEMBERED)
def _time(at: int) -> bytes:
    return _NO_TIME if at == FOREVER_AGO else b'"' + format_instant(at).encode() + b'"'


def _status_of_doubles(values: Sequence[Any], status: Array) -> tuple[Array, str]:
    """The status of doubles, or what holds some, as JSON has them; why some are INVALID now.

    What is not finite is null there; a value that is or holds an infinity, in a list or map, is INVALID.
    """
    nan = np.array([isinstance(value, float) and math.isnan(value) for value in values], dtype=bool)
    infinite = np.array(list(map(_is_infinite, values)), dtype=bool)
    if not (nan.any() or infinite.any()):
        return status, ""
    own = np.where(infinite, np.uint8(INVALID), np.where(nan, np.uint8(NULL_VALUE), status))
    return own, INFINITE if infinite.any() else ""


def _is_infinite(value: Any) -> bool:
    """Whether a value is an infinity or holds one."""
    match value:
        case float():
            return math.isinf(value)
        case list():
            return any(map(_is_infinite, value))
        case dict():
            return any(map(_is_infinite, (*value, *value.values())))
        case _:
            return False


def _writer(of: Type) -> Callable[[Sequence[Any]], bytes]:
    """What writes a column of a type."""
    if _is_direct(of):
        return _ENCODE
    return lambda values: _ENCODE([wire_value(value) for value in values])


def _is_direct(of: Type) -> bool:
    if of.is_scalar:
        return of.name in _AS_THEY_ARE and of.scale <= _PLAIN_SCALE
    if of.name == "map":
        return of.items[0].name in {"string", "int64"} and _is_direct(of.items[1])
    return all(map(_is_direct, of.items))


def wire_value(value: Any) -> Any:  # noqa: PLR0911 - one return a kind of value
    """A Python value as JSON has it: decimals and bytes as texts, instants (UTC if naive) as RFC 3339."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case decimal.Decimal():
            return format(value, "f")
        case dt.datetime():
            moment = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
            return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
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
