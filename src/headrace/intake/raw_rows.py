"""Rows as people hand them over, as an Arrow table that cleaning can judge value by value.

A list of dicts may hold anything: one wrong value must spoil its own row, not the batch. A column of one kind
of values goes to Arrow as it is; a column of several is written as texts (or bytes) that are cast exactly as
the values would be.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

from headrace.casting import unboxed
from headrace.clock import format_instant, instant
from headrace.errors import DataError
from headrace.intake.casts import castable
from headrace.lazy import compute as pc
from headrace.lazy import pyarrow as pa
from headrace.tables import is_frame, table_of

if TYPE_CHECKING:
    from headrace.schema import Schema, Type

__all__ = ["raw_table"]

_NATURAL = {
    bool: {"bool", "int64"},
    int: {"int64", "double", "decimal", "bool", "timestamp", "string"},
    float: {"int64", "double", "decimal", "bool"},
    str: {"string", "binary", "int64", "double", "decimal", "bool", "timestamp", "date", "list"},
    bytes: {"string", "binary"},
    Decimal: {"decimal", "int64", "double"},
    dt.datetime: {"timestamp", "date"},
    dt.date: {"date", "timestamp", "string"},
}
"""For each kind of value the types that cleaning casts it to."""

_NUMBERS = {int, float}
_WIDE = Context(prec=400)  # a double has up to 309 digits before the point
_INSTANTS = range(-62_135_596_800_000_000, 253_402_300_800_000_000)


def raw_table(rows: Any, schema: Schema, what: str = "rows") -> pa.Table:
    """Rows as a table for cleaning.

    Args:
        rows: A list of dicts (a key that a row lacks is null, further keys are kept), or a table of any kind
            that `headrace.tables.table_of` takes; a pandas column of mixed values is taken value by value.
        schema: The source's frozen schema. Of a list of dicts, all its columns are in the result.
        what: What the rows are, for messages.

    Raises:
        DataError: The rows have no form that can be read.
    """
    if (
        isinstance(rows, Sequence)
        and not isinstance(rows, str)
        and all(isinstance(row, Mapping) for row in rows)
    ):
        names = dict.fromkeys([*schema, *(str(name) for row in rows for name in row)])
        columns = {name: [row.get(name) for row in rows] for name in names}
        return pa.table({name: _column(values, schema.get(name)) for name, values in columns.items()})
    if is_frame(rows):
        if not len(rows):  # pandas does not know the types of no values
            return raw_table([], schema, what)
        try:
            return table_of(rows, what)
        except DataError:
            if not rows.columns.is_unique:
                raise
            # a column mixes types
            return raw_table(rows.to_dict("records"), schema, what)
    return table_of(rows, what)


def _column(values: list[Any], to: Type | None) -> pa.Array:
    """A column of Python values."""
    values = list(map(unboxed, values))
    if to is None:  # no column of the source: kept for the quarantine only
        return _as_texts(values, None)
    kinds = {*map(type, values)} - {type(None)}
    if not kinds:
        return pa.nulls(len(values))
    if to.name == "list" and kinds <= {list, tuple}:
        return _lists(values, to)
    alike = len(kinds) == 1 or (kinds == _NUMBERS and to.name not in {"timestamp", "string"})
    if alike and all(to.name in _NATURAL.get(kind, ()) for kind in kinds):
        try:
            array = pa.array(values, pa.timestamp("us", tz="UTC") if kinds == {dt.datetime} else None)
        except (pa.ArrowException, OverflowError, TypeError, UnicodeError):
            array = pa.array([], pa.time32("s"))  # a value is too large for its kind, infinite, or no UTF-8
        if castable(array.type, to) and (to.name != "timestamp" or _in_four_digits(array)):
            return array
    return _as_texts(values, to, as_bytes=bytes in kinds)


def _in_four_digits(array: pa.Array) -> bool:
    """Whether integers for instants can be written as ISO 8601 texts too."""
    if not pa.types.is_integer(array.type):
        return True
    ends = pc.min_max(array)
    return all(each.as_py() in _INSTANTS for each in (ends["min"], ends["max"]))


def _lists(values: list[Any], to: Type) -> pa.Array:
    items = _column([item for value in values if value is not None for item in value], to.items[0])
    lengths = [0]
    for value in values:
        lengths.append(lengths[-1] + (0 if value is None else len(value)))
    mask = pa.array([value is None for value in values], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(lengths, pa.int32()), items, mask=mask)


def _as_texts(values: list[Any], to: Type | None, *, as_bytes: bool = False) -> pa.Array:
    """The values as texts; as bytes where some are, or where UTF-8 cannot write a text."""
    text_wanted = to is not None and to.is_text
    if as_bytes and text_wanted:
        return pa.array([None if value is None else _as_bytes(value, to) for value in values], pa.binary())
    texts = [None if value is None else _as_text(value, to) for value in values]
    try:
        return pa.array(texts, pa.string())
    except UnicodeError:
        if text_wanted:  # these bytes are no text: cleaning refuses them
            return _as_texts(values, to, as_bytes=True)
        return pa.array(
            [text if text is None or _is_utf8(text) else ascii(text) for text in texts], pa.string()
        )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeError:
        return False
    return True


def _as_bytes(value: Any, to: Type | None) -> bytes | None:
    if isinstance(value, bytes):
        return value
    text = _as_text(value, to)
    return None if text is None else text.encode(errors="surrogatepass")


def _as_text(value: Any, to: Type | None) -> str | None:  # noqa: C901, PLR0911 - one for each kind
    """A value as the text that is cast as the value itself would be."""
    name = to.name if to is not None else ""
    match value:
        case str():
            return value
        case bool():
            return str(int(value)) if name == "int64" else "true" if value else "false"
        case int():
            return format_instant(value) if name == "timestamp" and value in _INSTANTS else str(value)
        case float():
            return _float_text(value, to)
        case Decimal():
            return None if value.is_nan() and name else format(value, "f")
        case dt.datetime() if name == "date":
            return format_instant(instant(value))[:10]
        case dt.datetime() | dt.date():
            return value.isoformat()
        case bytes():
            return str(value)  # b'...': bytes say no number or time
        case list() | tuple() if name == "list" and to is not None:
            return _list_text(value, to.items[0])
        case list() | tuple() | Mapping():
            return json.dumps(value, ensure_ascii=False, default=str)
        case _:
            return str(value)


def _list_text(values: Sequence[Any], to: Type) -> str:
    """A list as JSON of texts."""
    texts: list[str | None] = []
    for value in map(unboxed, values):
        if isinstance(value, bytes) and to.is_text:
            try:
                texts.append(value.decode())
            except UnicodeError:
                return f"no list: {values!a}"
        else:
            texts.append(None if value is None else _as_text(value, to))
    return json.dumps(texts, ensure_ascii=False)


def _float_text(value: float, to: Type | None) -> str | None:
    name = to.name if to is not None else ""
    if math.isnan(value) and name not in {"", "double"}:  # of doubles cleaning counts them
        return None
    if math.isfinite(value):
        if name == "decimal" and to is not None and math.isfinite(scaled := value * 10.0**to.scale):
            return format(Decimal(round(scaled)).scaleb(-to.scale, _WIDE), "f")
        if name in {"int64", "bool"} and value.is_integer():
            return str(int(value))
    return repr(value)
