"""Finished values as Arrow columns, with the status and the newest event time of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from headrace.aggregations.states import Array, Finished
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.aggregations.dictionary import Dictionary
    from headrace.schema import Type

__all__ = [
    "INVALID",
    "NOT_FOUND",
    "NULL_VALUE",
    "OUTSIDE_MAX_AGE",
    "PRESENT",
    "STATUS_NAMES",
    "Column",
    "to_arrow",
]

INVALID, PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE = range(5)
STATUS_NAMES = ("INVALID", "PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE")


class Column(NamedTuple):
    """One feature for n queries.

    Attributes:
        values: Arrow array; null where there is no value or it could not be computed. What is only part of
            the answer (a map cut to its largest number of keys) is INVALID, but given.
        status: uint8, places in `STATUS_NAMES`.
        newest: The newest event time of the entity in the feature's window, int64 microseconds; FOREVER_AGO
            without any.
        reason: Why rows are INVALID.
    """

    values: pa.Array
    status: Array
    newest: Array
    reason: str = ""


def to_arrow(parts: Sequence[Finished], of: Type, newest: Array, *, listed: bool) -> Column:
    """The column of a feature.

    Args:
        parts: Its finished values; for a series one for each member, else one.
        of: The feature's type.
        newest: See `Column`.
        listed: Whether each row is the list of its parts.
    """
    n = len(newest)
    invalid, partial, reason = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool), ""
    for part in parts:
        if part.invalid is not None:
            invalid |= part.invalid
        if part.partial is not None:
            partial |= part.partial
        reason = reason or part.reason
    if listed:
        arrays = [_array(part, of.items[0], None) for part in parts]
        # Row-major order: the first value of every part, then the second of every part, ...
        place = np.arange(n * len(parts)).reshape(len(parts), n).T.reshape(-1)
        items = pa.concat_arrays(arrays).take(pa.array(place))
        offsets = np.arange(0, n * len(parts) + 1, len(parts), dtype=np.int32)
        values = _lists(offsets, items, of, invalid)
        null = invalid
    else:
        values = _array(parts[0], of, invalid)
        null = (
            values.is_null().to_numpy(zero_copy_only=False) if values.null_count else np.zeros(n, dtype=bool)
        )
    status = np.full(n, PRESENT, dtype=np.uint8)
    status[null] = NULL_VALUE
    status[null & (newest == FOREVER_AGO)] = NOT_FOUND
    status[invalid | partial] = INVALID
    return Column(values, status, newest, reason)


def _array(part: Finished, of: Type, invalid: Array | None) -> pa.Array:
    """Finished values of a type as Arrow, null where not valid or invalid."""
    hidden = invalid if part.invalid is None else part.invalid
    if of.name == "map":
        keys = _scalars(Finished(part.keys, dictionary=part.key_dictionary), of.items[0], None)  # type: ignore[arg-type]
        items = _scalars(part._replace(valid=None, invalid=None), of.items[1], None)
        return _maps(part.offsets, keys, items, of, hidden)
    if of.name == "list":
        return _lists(part.offsets, _scalars(part._replace(valid=None), of.items[0], None), of, hidden)
    null = None if part.valid is None else ~part.valid
    if hidden is not None and hidden.any():
        null = hidden if null is None else null | hidden
    return _scalars(part, of, null)


def _scalars(part: Finished, of: Type, null: Array | None) -> pa.Array:
    data = part.data
    if of.is_text:
        return _texts(part.dictionary, data, null).cast(of.arrow())
    if of.name == "decimal":
        return _decimals(data, part.high, of, null)
    if of.name == "double":
        return pa.array(data, type=pa.float64(), mask=null)
    whole = pa.array(np.ascontiguousarray(data), type=pa.int64(), mask=null)
    if of.name == "date":
        return whole.cast(pa.int32()).cast(pa.date32())
    return whole.cast(of.arrow()) if of.name != "int64" else whole


def _texts(dictionary: Dictionary | None, codes: Array, null: Array | None) -> pa.Array:
    if dictionary is None or not len(dictionary):
        return pa.nulls(len(codes), pa.binary())
    used = np.clip(codes, 0, len(dictionary) - 1)
    values = dictionary.take(used)
    return (
        values if null is None else values.take(pa.array(np.arange(len(values)), type=pa.int64(), mask=null))
    )


def _decimals(low: Array, high: Array | None, of: Type, null: Array | None) -> pa.Array:
    words = np.empty((len(low), 2), dtype=np.int64)
    words[:, 0] = low
    words[:, 1] = low >> 63 if high is None else high
    bitmap = None if null is None else pa.py_buffer(np.packbits(~null, bitorder="little").tobytes())
    return pa.Array.from_buffers(of.arrow(), len(low), [bitmap, pa.py_buffer(words.tobytes())])


def _lists(offsets: Array | None, items: pa.Array, of: Type, hidden: Array | None) -> pa.Array:
    return pa.ListArray.from_arrays(_offsets(offsets), items, type=of.arrow(), mask=_mask(hidden))


def _maps(offsets: Array | None, keys: pa.Array, items: pa.Array, of: Type, hidden: Array | None) -> pa.Array:
    return pa.MapArray.from_arrays(_offsets(offsets), keys, items, type=of.arrow(), mask=_mask(hidden))


def _offsets(offsets: Array | None) -> pa.Array:
    return pa.array(np.zeros(1, np.int32) if offsets is None else offsets.astype(np.int32))


def _mask(hidden: Array | None) -> pa.Array | None:
    """Hidden rows by mask, not by null offsets: those would give their items to the row before."""
    return None if hidden is None or not hidden.any() else pa.array(hidden)
