"""Casts to a frozen schema: each value keeps its meaning, is null, or is told apart as uncastable.

What a value becomes depends on the value alone, never on its neighbours. A time without a zone is UTC,
nanoseconds are floored, an integer for a timestamp is microseconds; a double becomes a whole number only
where it is one, and the nearest decimal (half to even); a text is read as a number, truth, ISO 8601 date or
time where it is one exactly. NaN is null.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from headrace.intake.doubles import any_in_list, relisted
from headrace.intake.numbers import Cast, cast_number, data_of, outcome, valid_of
from headrace.intake.texts import read_texts
from headrace.intake.times import FIRST_DAY, LAST_DAY, cast_time
from headrace.lazy import compute as pc
from headrace.lazy import numpy as np
from headrace.lazy import pyarrow as pa
from headrace.schema import DOUBLE, INT64, STRING, TIMESTAMP, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.aggregations.states import Array

__all__ = ["cast_all", "castable", "certain", "holds_unsigned", "type_of"]

_ACCEPTS = {
    "string": {"text", "binary", "integer", "bool", "date"},
    "binary": {"binary", "text"},
    "int64": {"integer", "bool", "float", "decimal", "text"},
    "double": {"float", "integer", "decimal", "text"},
    "decimal": {"decimal", "integer", "float", "text"},
    "bool": {"bool", "integer", "float", "text"},
    "timestamp": {"timestamp", "date", "integer", "text"},
    "date": {"date", "timestamp", "text"},
    "list": {"list", "text"},
}
"""By a declared type, the families of Arrow types whose values can be cast to it."""


def castable(found: pa.DataType, to: Type) -> bool:
    """Whether some values of an Arrow type can be cast to a column type."""
    found = _stored(found)
    family = _family(found)
    if family == "list" and to.name == "list":
        return castable(found.value_type, to.items[0])
    return family == "null" or family in _ACCEPTS.get(to.name, ())


def certain(found: pa.DataType, to: Type) -> bool:  # noqa: PLR0911 - a line for each type
    """Whether every value of an Arrow type can be cast; infinities and far years are refused later."""
    found, kinds = _stored(found), pa.types
    match to.name:
        case "int64":
            return bool(kinds.is_boolean(found) or (kinds.is_integer(found) and found != pa.uint64()))
        case "double":
            return bool(kinds.is_floating(found) or kinds.is_integer(found))
        case "timestamp":
            return bool(kinds.is_timestamp(found) and found.unit in {"us", "ns"})
        case "date":
            return kinds.is_date(found) or (kinds.is_timestamp(found) and found.unit in {"us", "ns"})
        case "list":
            return _family(found) == "list" and certain(found.value_type, to.items[0])
        case "string":
            return _family(found) in {"text", "integer", "bool"}
        case _:
            return (
                found == to.arrow()
                or _family(found) == "null"
                or (to.name == "binary" and castable(found, to))
            )


def type_of(found: pa.DataType) -> Type | None:
    """The column type that holds an Arrow type's values; None where there is none."""
    found = _stored(found)
    match _family(found):
        case "decimal":
            return (
                Type("decimal", found.precision, found.scale)
                if 0 <= found.scale <= found.precision <= 18
                else None
            )
        case "list":
            item = type_of(found.value_type)
            return Type("list", items=(item,)) if item else None
        case family:
            simple = {"text": "string", "integer": "int64", "float": "double"}
            name = simple.get(family, family)
            return Type(name) if name in _ACCEPTS else None


def holds_unsigned(found: pa.DataType) -> bool:
    """Whether values are integers of which int64 holds only some, or lists of them."""
    found = _stored(found)
    return holds_unsigned(found.value_type) if _family(found) == "list" else bool(found == pa.uint64())


def cast_all(columns: Mapping[str, tuple[pa.Array, Type]]) -> dict[str, Cast]:
    """Columns cast to their types.

    Args:
        columns: For each name n values and a type they are `castable` to.
    """
    plain = {name: (_plain(array), to) for name, (array, to) in columns.items()}
    done: dict[str, Cast] = {}
    waiting: dict[str, tuple[pa.Array, Type]] = {}
    for name, (array, to) in plain.items():
        cast = _cast(array, to)
        if cast is None:
            waiting[name] = array if _family(array.type) == "text" else array.cast(pa.string()), to
        else:
            done[name] = cast
    if waiting:
        read = read_texts([array for array, _ in waiting.values()], [to for _, to in waiting.values()])
        for (name, (_, to)), cast in zip(waiting.items(), read, strict=True):
            done[name] = _read_items(cast, to) if to.name == "list" else cast
    return {name: done[name] for name in columns}


def _cast(array: pa.Array, to: Type) -> Cast | None:  # noqa: PLR0911 - one for each pair of families
    """An array cast without reading texts; None where texts have to be read."""
    if array.type == to.arrow():
        return Cast(array)
    family = _family(array.type)
    if family == "null":
        return Cast(pa.nulls(len(array), to.arrow()))
    if to.name in {"string", "binary"}:
        return _texts(array, family, to)
    if family == "text" or (family == "decimal" and to == DOUBLE):  # by its digits: correctly rounded
        return None
    if to.name == "list":
        return _list(array, to)
    if family == "integer" and to == TIMESTAMP:
        whole = cast_number(array, INT64)
        return whole._replace(values=cast_time(whole.values, to).values)
    return cast_time(array, to) if to.name in {"timestamp", "date"} else cast_number(array, to)


def _texts(array: pa.Array, family: str, to: Type) -> Cast:
    if family == "date":
        days = data_of(array.cast(pa.date32()) if array.type != pa.date32() else array, np.int32)
        fits = (days >= FIRST_DAY) & (days <= LAST_DAY)
        inside = pa.array(np.where(fits, days, 0).astype(np.int32)).view(pa.date32()).cast(pa.string())
        return outcome(lambda null: _with_nulls(inside, null), fits, valid_of(array))
    if family != "binary" or to != STRING:
        return Cast(array if array.type == to.arrow() else array.cast(to.arrow()))
    try:
        return Cast(array.cast(pa.string()))
    except pa.ArrowInvalid:  # a value is no UTF-8; this is rare enough for a loop
        texts, bad = [], np.zeros(len(array), dtype=bool)
        for row, value in enumerate(array.to_pylist()):
            try:
                texts.append(None if value is None else value.decode())
            except UnicodeDecodeError:
                texts.append(None)
                bad[row] = True
        return Cast(pa.array(texts, pa.string()), bad)


def _list(array: pa.Array, to: Type) -> Cast:
    items = cast_all({"": (array.flatten(), to.items[0])})[""]
    bad = None if items.bad is None else any_in_list(array, items.bad)
    lists = relisted(array, items.values)
    return Cast(lists if bad is None else _with_nulls(lists, bad), bad, items.nans)


def _read_items(read: Cast, to: Type) -> Cast:
    """A list of texts as the list asked for."""
    cast = _list(read.values, to)
    bad = read.bad if cast.bad is None else cast.bad if read.bad is None else cast.bad | read.bad
    return cast._replace(bad=bad)


def _with_nulls(array: pa.Array, null: Array | None) -> pa.Array:
    return array if null is None else pc.if_else(pa.array(~null), array, pa.scalar(None, array.type))


def _plain(array: pa.Array) -> pa.Array:
    """The values themselves, where they were coded or wrapped."""
    kinds = pa.types
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if kinds.is_dictionary(array.type):
        array = array.dictionary_decode()
    elif kinds.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    if kinds.is_string_view(array.type):
        array = array.cast(pa.string())
    return array


def _stored(found: pa.DataType) -> pa.DataType:
    """The type of `_plain` values."""
    if isinstance(found, pa.BaseExtensionType):
        found = found.storage_type
    if pa.types.is_dictionary(found) or pa.types.is_run_end_encoded(found):
        found = found.value_type
    return found


@functools.cache
def _family(found: pa.DataType) -> str:
    """What kind of values an Arrow type has; `other` for those no column holds."""
    kinds = pa.types
    tests = {
        "text": (kinds.is_string, kinds.is_large_string, kinds.is_string_view),
        "integer": (kinds.is_integer,),
        "float": (kinds.is_floating,),
        "bool": (kinds.is_boolean,),
        "timestamp": (kinds.is_timestamp,),
        "date": (kinds.is_date,),
        "decimal": (kinds.is_decimal32, kinds.is_decimal64, kinds.is_decimal128),
        "binary": (kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view, kinds.is_fixed_size_binary),
        "list": (kinds.is_list, kinds.is_large_list, kinds.is_fixed_size_list, kinds.is_list_view),
        "null": (kinds.is_null,),
    }
    return next((name for name, checks in tests.items() if any(check(found) for check in checks)), "other")
