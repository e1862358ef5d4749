"""Doubles settled: NaN is null and counted, -0.0 is 0.0, infinite values are pointed out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from headrace.lazy import compute as pc
from headrace.lazy import numpy as np
from headrace.lazy import pyarrow as pa

if TYPE_CHECKING:
    from headrace.aggregations.states import Array
    from headrace.schema import Type

__all__ = ["Settled", "any_in_list", "relisted", "settle_array"]


class Settled(NamedTuple):
    """n values without NaN and -0.0.

    Attributes:
        values: The values; where infinite ones are not allowed, null instead.
        infinite: Which rows hold an infinite value that is not allowed, bool; None for none.
        nans: How many values were NaN.
    """

    values: pa.Array
    infinite: Array | None = None
    nans: int = 0


def settle_array(array: pa.Array, of: Type, *, allow_infinite: bool) -> Settled:
    """An array of any type, its doubles settled.

    Args:
        array: n values of `of.arrow()`.
        of: The type.
        allow_infinite: Whether infinite values stay.
    """
    if of.name == "list" and _holds_doubles(of):
        items = settle_array(array.flatten(), of.items[0], allow_infinite=allow_infinite)
        infinite = None if items.infinite is None else any_in_list(array, items.infinite)
        return Settled(relisted(array, items.values), infinite, items.nans)
    if of.name != "double" or not len(array):
        return Settled(array)
    data = np.frombuffer(array.buffers()[1], dtype=np.float64)[array.offset : array.offset + len(array)]
    finite = np.isfinite(data)
    if finite.all():
        return Settled(_without_minus_zero(array, data))
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    nan = np.isnan(data) & valid
    infinite = ~finite & ~nan & valid  # under a null there may lie anything
    with np.errstate(invalid="ignore"):  # a signalling NaN, or anything, may lie under a null
        positive = data + 0.0
    keep = valid & ~nan if allow_infinite else valid & ~nan & ~infinite
    told = None if allow_infinite or not infinite.any() else infinite
    return Settled(pa.array(positive, pa.float64(), mask=~keep), told, int(nan.sum()))


def _without_minus_zero(array: pa.Array, data: Array) -> pa.Array:
    # Only -0.0 has the bits of the smallest integer.
    if not (data.view(np.int64) == np.iinfo(np.int64).min).any():
        return array
    mask = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    return pa.array(data + 0.0, pa.float64(), mask=mask)


def any_in_list(lists: pa.Array, items: Array) -> Array:
    """For each list whether one of its items is marked.

    Args:
        lists: n lists.
        items: A bool for each item of `lists.flatten()`.

    Returns:
        n bools.
    """
    before = np.concatenate([[0], np.cumsum(items)])
    offsets = _offsets(lists)
    marked: Array = before[offsets[1:]] > before[offsets[:-1]]
    return marked


def relisted(lists: pa.Array, items: pa.Array) -> pa.Array:
    """The lists with other items.

    Args:
        lists: n lists.
        items: What stands for `lists.flatten()`.
    """
    mask = lists.is_null() if lists.null_count else None
    return pa.ListArray.from_arrays(pa.array(_offsets(lists).astype(np.int32)), items, mask=mask)


def _offsets(lists: pa.Array) -> Array:
    """Where each list's items start in `lists.flatten()`, n + 1."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _holds_doubles(of: Type) -> bool:
    return of.name == "double" or any(_holds_doubles(item) for item in of.items)
