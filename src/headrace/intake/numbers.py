"""Numbers cast to numbers, exactly or not at all; only doubles are rounded, and only to decimals."""

from __future__ import annotations

import decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.intake.locked import decimals
from headrace.lazy import numpy as np
from headrace.lazy import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.aggregations.states import Array
    from headrace.schema import Type

__all__ = ["Cast", "cast_number", "data_of", "outcome", "valid_of"]

_LARGEST = (1 << 63) - 1
_WIDE = decimal.Context(prec=80)


class Cast(NamedTuple):
    """n values cast.

    Attributes:
        values: The values; null where they were, and where the cast is refused.
        bad: Where the cast is refused, bool; None for nowhere.
        nans: How many values were NaN and became null.
    """

    values: pa.Array
    bad: Array | None = None
    nans: int = 0


def cast_number(array: pa.Array, to: Type) -> Cast:  # noqa: PLR0911 - one for each pair of families
    """Booleans, integers, floats or decimals as `int64`, `double`, `bool` or `decimal`."""
    found = pa.types
    kind = array.type
    if found.is_floating(kind):
        return _from_float(array if kind == pa.float64() else array.cast(pa.float64()), to)
    if found.is_decimal(kind):
        return _from_decimal(array.cast(pa.decimal128(38, kind.scale)), to)
    if found.is_boolean(kind):
        return Cast(array if to.name == "bool" else array.cast(pa.int64()))
    if to.name == "double":
        return Cast(array.cast(pa.float64(), safe=False))
    whole = _whole(array)
    if to.name == "int64":
        return whole
    data, valid = data_of(whole.values, np.int64), valid_of(whole.values)
    if to.name == "bool":
        return outcome(_truths(data), (data == 0) | (data == 1), valid, whole.bad)
    limit = 10 ** (to.precision - to.scale)
    fits = (data > -limit) & (data < limit)
    return outcome(_decimals(np.where(fits, data, 0) * 10**to.scale, to), fits, valid, whole.bad)


def _whole(array: pa.Array) -> Cast:
    """Integers of any width as int64."""
    if array.type != pa.uint64():
        return Cast(array if array.type == pa.int64() else array.cast(pa.int64()))
    data = data_of(array, np.uint64)
    fits = data <= _LARGEST
    return outcome(_integers(data.view(np.int64)), fits, valid_of(array))


def _from_float(array: pa.Array, to: Type) -> Cast:
    if to.name == "double":
        return Cast(array)  # NaN is settled together with the doubles of every other origin
    data, valid = data_of(array, np.float64), valid_of(array)
    nan = np.isnan(data) if valid is None else np.isnan(data) & valid
    nans = int(nan.sum())
    if nans:
        valid = ~nan if valid is None else valid & ~nan
    if to.name == "decimal":
        with np.errstate(over="ignore", invalid="ignore"):
            unscaled = np.rint(data * 10.0**to.scale)
        fits = np.abs(unscaled) < 10.0**to.precision
        return outcome(_decimals(np.where(fits, unscaled, 0).astype(np.int64), to), fits, valid, nans=nans)
    if to.name == "bool":
        return outcome(_truths(data), (data == 0) | (data == 1), valid, nans=nans)
    fits = (np.trunc(data) == data) & (data >= -(2.0**63)) & (data < 2.0**63)
    return outcome(_integers(np.where(fits, data, 0).astype(np.int64)), fits, valid, nans=nans)


def _from_decimal(array: pa.Array, to: Type) -> Cast:
    valid = valid_of(array)
    unscaled, fits = _rescaled(array, to.scale)
    if to.name == "int64":
        return outcome(_integers(unscaled), fits, valid)
    limit = 10**to.precision
    fits &= (unscaled > -limit) & (unscaled < limit)
    return outcome(_decimals(np.where(fits, unscaled, 0), to), fits, valid)


def _rescaled(array: pa.Array, scale: int) -> tuple[Array, Array]:
    """Unscaled values at another scale, int64, and where that is exact."""
    words = np.frombuffer(array.buffers()[1], dtype="<i8,<i8")[array.offset : array.offset + len(array)]
    low, high = words["f0"], words["f1"]
    narrow = high == (low >> 63)
    shift = scale - array.type.scale
    factor = 10 ** min(abs(shift), 18)
    if shift >= 0:
        limit = _LARGEST // 10**shift
        fits = narrow & (low >= -limit) & (low <= limit)
        unscaled = np.where(fits, low, 0) * factor
    else:
        divisor = 10**-shift
        fits = narrow & ((low % factor == 0) if divisor == factor else (low == 0))
        unscaled = np.where(fits, low, 0) // factor
    for row in np.flatnonzero(~narrow):  # beyond 64 bits, and in range only if a scale is taken away
        value = array[int(row)].as_py()
        if value is not None:
            exact, rest = divmod(int(value.scaleb(array.type.scale, _WIDE)), 10 ** max(-shift, 0))
            exact *= 10 ** max(shift, 0)
            if rest == 0 and -_LARGEST <= exact <= _LARGEST:
                unscaled[row], fits[row] = exact, True
    return unscaled, fits


def outcome(
    build: Callable[[Array | None], pa.Array],
    fits: Array,
    valid: Array | None,
    bad: Array | None = None,
    nans: int = 0,
) -> Cast:
    """The outcome of a cast that fits some values.

    Args:
        build: Makes the array, given where it is null.
        fits: Where the cast is possible; anything under nulls.
        valid: Where there was a value; None for everywhere.
        bad: What an earlier step refused.
        nans: How many values were NaN.
    """
    refused = ~fits if valid is None else ~fits & valid
    if bad is not None:
        refused |= bad
    some = bool(refused.any())
    null = None if valid is None else ~valid
    if some:
        null = refused if null is None else null | refused
    return Cast(build(null), refused if some else None, nans)


def data_of(array: pa.Array, dtype: Any) -> Array:
    """The values where they lie, with anything under the nulls."""
    data = array.buffers()[1]
    if data is None:
        return np.zeros(len(array), dtype=dtype)
    return np.frombuffer(data, dtype=dtype)[array.offset : array.offset + len(array)]


def valid_of(array: pa.Array) -> Array | None:
    """Where there is a value, bool; None for everywhere."""
    if not array.null_count:
        return None
    valid: Array = array.is_valid().to_numpy(zero_copy_only=False)
    return valid


def _integers(data: Array) -> Callable[[Array | None], pa.Array]:
    return lambda null: pa.array(data, pa.int64(), mask=null)


def _truths(data: Array) -> Callable[[Array | None], pa.Array]:
    return lambda null: pa.array(data == 1, pa.bool_(), mask=null)


def _decimals(unscaled: Array, to: Type) -> Callable[[Array | None], pa.Array]:
    return lambda null: decimals(unscaled, null, to)
