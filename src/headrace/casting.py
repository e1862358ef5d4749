"""Columns people hand over, cast to a declared type or to instants: nothing is guessed, nothing is lost.

A cast keeps every value's meaning or is an error that names the first row that could not: 1.0 is no text ("1"
or "1.0"?), 1.5 is no integer, "007" is the text "007" and the integer 7. NaN is null, -0.0 is 0.0. Rows are
counted from 0.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from headrace.clock import EARLIEST, LATEST, instant
from headrace.errors import DataError
from headrace.lazy import compute, numpy, pyarrow

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.schema import Type

    Column: TypeAlias = pyarrow.Array | pyarrow.ChunkedArray
    Instants: TypeAlias = "numpy.ndarray[tuple[int], numpy.dtype[numpy.int64]]"

__all__ = ["cast_column", "instants", "listed", "unboxed"]

_ACCEPTS = {
    "string": {"text", "integer", "date", "binary"},
    "binary": {"text", "binary"},
    "int64": {"integer", "float", "text", "decimal"},
    "double": {"integer", "float", "text", "decimal"},
    "decimal": {"integer", "text", "decimal"},
    "bool": {"bool", "text"},
    "date": {"date", "text", "timestamp"},
    "timestamp": {"timestamp", "date", "text"},
    "list": {"list"},
    "map": {"map"},
    "struct": {"struct"},
}
"""By a declared type, the families of columns whose values can be said in it without doubt."""

_PLAIN = frozenset(
    {str, int, float, bool, bytes, type(None), Decimal, dt.date, dt.datetime, list, tuple, dict}
)
"""The types of values that are in no box."""

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def cast_column(column: Column, of: Type, what: str) -> pyarrow.ChunkedArray:
    """A column with the values of its declared type; nulls stay null.

    Args:
        column: n values.
        of: The declared type.
        what: What the column is, for messages: `the spine's key 'user_id'`.

    Returns:
        n values of `of.arrow()`.

    Raises:
        DataError: The column's type does not fit, or a value does not; the first such row is named.
    """
    flat = _flat(column)
    family = _family(flat.type)
    if family == "null":
        return flat.cast(of.arrow())
    _check_family(flat.type, of, what)
    if family == "list":
        return _cast_or_say(flat, lambda part: _as_lists(part, of, what), str(of), what)
    if family == "float":
        flat = _without_nan(flat)
    if of.name == "timestamp":
        return _as_timestamps(flat, of, what)

    through = pyarrow.decimal128(38, 0) if family == "integer" and of.name == "decimal" else None

    def cast(part: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
        # Arrow wants room for every integer of the type; only those that are there have to fit.
        return (part if through is None else part.cast(through)).cast(of.arrow())

    whole = _cast_or_say(flat, cast, str(of), what)
    return compute.add(_without_nan(whole), 0.0) if of.name == "double" else whole


def listed(values: Any, what: str) -> list[Any]:
    """A column that people hand over as Python's own values: None for null, no box of any library.

    Args:
        values: A list or tuple, or a column of Arrow, NumPy, pandas or polars.
        what: What the column is, for messages.

    Raises:
        DataError: It is no column.
    """
    if isinstance(values, list | tuple):
        return list(values) if _PLAIN.issuperset(map(type, values)) else list(map(unboxed, values))
    if isinstance(values, str | bytes | Mapping | AbstractSet) or not hasattr(values, "__len__"):
        raise _no_list(values, what)
    try:
        if isinstance(values, numpy.ndarray) and values.dtype.kind != "m":
            return listed(unboxed(values), what)
        array = values if isinstance(values, pyarrow.Array | pyarrow.ChunkedArray) else pyarrow.array(values)
        if pyarrow.types.is_timestamp(array.type) and array.type.unit == "ns":
            array = array.cast(pyarrow.timestamp("us", array.type.tz), safe=False)
        found: list[Any] = array.to_pylist()
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError):
        raise _no_list(values, what) from None
    return found


def _no_list(values: Any, what: str) -> DataError:
    kind = type(values).__name__
    return DataError(
        f"{what} is a {kind}, which is no list of values of one type.", asked=kind, remedy="Give a list."
    )


def unboxed(value: Any) -> Any:
    """A value without its box of NumPy, pandas or Arrow; nanoseconds, which Python has not, are floored.

    A length of time stays in it: as a number it would have lost its unit.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind.__name__ in {"NaTType", "NAType"}:
        return None
    if isinstance(value, numpy.generic | numpy.ndarray):
        if value.dtype.kind == "m":
            return value
        in_nanoseconds = value.dtype == numpy.dtype("datetime64[ns]")
        return (value.astype("datetime64[us]") if in_nanoseconds else value).tolist()
    if isinstance(value, pyarrow.Scalar):
        return unboxed(value.as_py())
    return value.to_pydatetime(warn=False) if hasattr(value, "to_pydatetime") else value


def _check_family(given: pyarrow.DataType, of: Type, what: str) -> None:
    """Refuse a type, of a column or of its lists' items, that leaves doubt."""
    if pyarrow.types.is_dictionary(given) or pyarrow.types.is_run_end_encoded(given):
        given = given.value_type
    family = _family(given)
    if family == "null":
        return
    if family not in _ACCEPTS[of.name]:
        raise DataError(
            f"{what} is {of} and cannot be made from {given} without doubt.",
            asked=given,
            available=sorted(_ACCEPTS[of.name]),
            remedy=f"Cast the column to {of} yourself.",
        )
    if family == "list":
        _check_family(given.value_type, of.items[0], f"{what}, by item,")


def _as_lists(column: pyarrow.ChunkedArray, of: Type, what: str) -> pyarrow.ChunkedArray:
    """Lists whose items are cast as a column's values are."""
    lengths = compute.fill_null(compute.list_value_length(column), 0).to_numpy()
    offsets = numpy.concatenate(([0], numpy.cumsum(lengths)))
    items = cast_column(compute.list_flatten(column), of.items[0], what).combine_chunks()
    missing = pyarrow.array(column.is_null().to_numpy())
    lists = pyarrow.ListArray.from_arrays(pyarrow.array(offsets, pyarrow.int32()), items, mask=missing)
    return pyarrow.chunked_array([lists.cast(of.arrow())])


def instants(column: Column, what: str) -> Instants:
    """Event times as instants.

    Args:
        column: n timestamps (naive ones are UTC, nanoseconds are floored), dates, integers (microseconds UTC)
            or ISO 8601 texts.
        what: What the column is, for messages.

    Returns:
        n int64, microseconds UTC.

    Raises:
        DataError: The column has another type, nulls, or a value that is no instant of the years 1 to 9999.
    """
    micros = _microseconds(column, what)
    outside = (micros < EARLIEST) | (micros > LATEST)
    if outside.any():
        row = int(outside.argmax())
        raise DataError(
            f"{what} holds {int(micros[row])} microseconds in row {row}, not in the years 1 to 9999.",
            asked=int(micros[row]),
            remedy="Correct or drop that row; numbers are read as microseconds UTC.",
        )
    return micros


def _microseconds(column: Column, what: str) -> Instants:
    """Times as microseconds UTC, however far they are."""
    flat = _flat(column)
    if flat.null_count:
        first = int(compute.index(flat.is_null(), value=True).as_py())
        raise DataError(
            f"{what} has {flat.null_count} null(s), the first in row {first}.",
            asked=first,
            remedy="Drop these rows or give them a time: a row without an instant has no features.",
        )
    match _family(flat.type):
        case "timestamp":
            micros = _rescaled(flat, what)
        case "date":
            micros = _rescaled(flat.cast(pyarrow.timestamp("s")), what)
        case "integer":
            micros = _cast_or_say(flat, lambda part: part.cast(pyarrow.int64()), "int64", what).to_numpy()
        case "text":
            micros = _parsed(flat, what)
        case "null":
            micros = numpy.empty(0, dtype=numpy.int64)
        case _:
            raise DataError(
                f"{what} is {flat.type}, which is not an instant.",
                asked=flat.type,
                available=["timestamp", "date", "ISO 8601 text", "int64 microseconds UTC"],
                remedy="Cast the column to a timestamp.",
            )
    return micros.astype(numpy.int64, copy=False)


def _flat(column: Column) -> pyarrow.ChunkedArray:
    """The column in chunks, plain where it was dictionary or run-length encoded."""
    whole = column if isinstance(column, pyarrow.ChunkedArray) else pyarrow.chunked_array([column])
    if pyarrow.types.is_dictionary(whole.type):
        return whole.cast(whole.type.value_type)
    if pyarrow.types.is_run_end_encoded(whole.type):
        return pyarrow.chunked_array(
            [compute.run_end_decode(each) for each in whole.chunks], whole.type.value_type
        )
    return whole


def _family(of: pyarrow.DataType) -> str:
    is_a = pyarrow.types
    tests: dict[str, tuple[Callable[[pyarrow.DataType], bool], ...]] = {
        "text": (is_a.is_string, is_a.is_large_string, is_a.is_string_view),
        "integer": (is_a.is_integer,),
        "float": (is_a.is_floating,),
        "bool": (is_a.is_boolean,),
        "decimal": (is_a.is_decimal,),
        "date": (is_a.is_date,),
        "timestamp": (is_a.is_timestamp,),
        "binary": (is_a.is_binary, is_a.is_large_binary, is_a.is_binary_view, is_a.is_fixed_size_binary),
        "list": (is_a.is_list, is_a.is_large_list, is_a.is_list_view, is_a.is_fixed_size_list),
        "map": (is_a.is_map,),
        "struct": (is_a.is_struct,),
        "null": (is_a.is_null,),
    }
    return next((name for name, checks in tests.items() if any(check(of) for check in checks)), "other")


def _without_nan(column: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    return compute.if_else(compute.is_nan(column), None, column)


def _cast_or_say(
    column: pyarrow.ChunkedArray,
    cast: Callable[[pyarrow.ChunkedArray], pyarrow.ChunkedArray],
    target: str,
    what: str,
) -> pyarrow.ChunkedArray:
    """The cast column, or an error that names the first row it fails on."""
    try:
        return cast(column)
    except (pyarrow.ArrowException, DataError):
        low, high = 0, len(column)  # the first failing row is in [low, high)
        while high - low > 1:
            middle = (low + high) // 2
            try:
                cast(column.slice(low, middle - low))
            except (pyarrow.ArrowException, DataError):
                high = middle
            else:
                low = middle
        value = column[low].as_py()
        raise DataError(
            f"{what} is {target}, but row {low} holds {value!r}.",
            asked=value,
            remedy="Correct or drop that row.",
        ) from None


def _as_timestamps(column: pyarrow.ChunkedArray, of: Type, what: str) -> pyarrow.ChunkedArray:
    valid = column.is_valid()
    micros = numpy.zeros(len(column), dtype=numpy.int64)
    micros[valid.to_numpy()] = _microseconds(column.drop_null(), what)
    return pyarrow.chunked_array([pyarrow.array(micros, mask=~valid.to_numpy())]).cast(of.arrow())


def _rescaled(column: pyarrow.ChunkedArray, what: str) -> Instants:
    """Timestamps of any unit as microseconds; Arrow stores those with a zone in UTC already."""
    counts: Instants = column.cast(pyarrow.int64()).to_numpy()
    per_second = _PER_SECOND[column.type.unit]
    if per_second >= 1_000_000:
        return counts // (per_second // 1_000_000)  # floors below 1970 too
    factor = 1_000_000 // per_second
    largest = numpy.iinfo(numpy.int64).max // factor
    outside = (counts > largest) | (counts < -largest)
    if outside.any():
        row = int(outside.argmax())
        raise DataError(
            f"{what} holds an instant outside int64 microseconds in row {row}.",
            asked=int(counts[row]),
            remedy="Correct or drop that row.",
        )
    return counts * factor


def _parsed(column: pyarrow.ChunkedArray, what: str) -> Instants:
    """ISO 8601 texts as microseconds: at once where all have a zone or none has, else one by one."""
    texts = column.cast(pyarrow.string())
    for kind in (pyarrow.timestamp("us", tz="UTC"), pyarrow.timestamp("us")):
        try:
            whole: Instants = texts.cast(kind).cast(pyarrow.int64()).to_numpy()
        except pyarrow.ArrowException:
            continue
        return whole
    micros = numpy.empty(len(texts), dtype=numpy.int64)
    for row, text in enumerate(texts.to_pylist()):
        try:
            micros[row] = instant(text)
        except DataError as error:
            raise DataError(f"{what}, row {row}: {error.message}", asked=text, remedy=error.remedy) from None
    return micros
