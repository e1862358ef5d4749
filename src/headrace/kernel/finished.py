"""Finished values as columns: Arrow arrays and Python lists, made when somebody asks for them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.aggregations.states import Array, Finished
from headrace.kernel.columns import NO_REASONS, ArrowColumn, Columns, python_values, statuses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.aggregations.dictionary import Dictionary
    from headrace.kernel.columns import Column
    from headrace.kernel.plan import OutputPlan
    from headrace.schema import Type

__all__ = ["FinishedColumns", "Stack"]


class Stack:
    """One output of an aggregation, for n queries over each of several spans: span after span.

    What is asked of it (Arrow array, Python list, statuses) is made once for all of it.
    """

    def __init__(self, part: Finished, of: Type, newest: Array) -> None:
        """Over finished values of a type, and the newest event time of each."""
        self.part = part
        self.newest = newest
        self._of = of

    @cached_property
    def values(self) -> pa.Array:
        """The values, null where not valid or invalid."""
        return _array(self.part, self._of)

    @cached_property
    def status(self) -> Array:
        """The status of each value."""
        return statuses(self._null, self.newest, self.part.invalid, self.part.partial)

    @cached_property
    def list(self) -> list[Any]:
        """The values as Python has them."""
        part, of = self.part, self._of
        if of.name not in {"int64", "double"}:
            return python_values(self.values)
        plain: list[Any] = part.data.tolist()
        null = self._null
        if null is not None:
            for row in np.flatnonzero(null).tolist():
                plain[row] = None
        return plain

    @cached_property
    def _null(self) -> Array | None:
        """Where there is no value."""
        valid, invalid = self.part.valid, self.part.invalid
        if valid is None or self._of.items:
            return invalid
        return ~valid if invalid is None else ~valid | invalid


class StackedColumn:
    """A window's share of a stack."""

    __slots__ = ("_stack", "_start", "_stop")

    def __init__(self, stack: Stack, start: int, stop: int) -> None:
        """Rows `start` to `stop`."""
        self._stack, self._start, self._stop = stack, start, stop

    @property
    def values(self) -> pa.Array:
        """See `Column`."""
        return self._stack.values.slice(self._start, self._stop - self._start)

    @property
    def status(self) -> Array:
        """See `Column`."""
        return self._stack.status[self._start : self._stop]

    @property
    def newest(self) -> Array:
        """See `Column`."""
        return self._stack.newest[self._start : self._stop]

    @property
    def reason(self) -> str:
        """See `Column`."""
        return self._why[0]

    @property
    def reasons(self) -> Mapping[int, str]:
        """See `Column`."""
        return self._why[1]

    @property
    def _why(self) -> tuple[str, Mapping[int, str]]:
        own, part = slice(self._start, self._stop), self._stack.part
        if part.invalid is None and part.partial is None:
            return "", NO_REASONS
        return _why(*(None if rows is None else rows[own] for rows in (part.invalid, part.partial)))

    def to_list(self) -> list[Any]:
        """See `Column`."""
        return self._stack.list[self._start : self._stop]


class FinishedColumns(Columns):
    """The features of n queries, each made of its aggregation's stack when it is asked for."""

    def __init__(self, outputs: Mapping[str, OutputPlan], stacks: Sequence[Sequence[Stack]], n: int) -> None:
        """Over the stacks of every finishing."""
        super().__init__(outputs)
        self._outputs = outputs
        self._stacks = stacks
        self._n = n

    def __getitem__(self, name: str) -> Column:
        of, finishing, place, first, members = self._outputs[name]
        stack, start = self._stacks[finishing][place], first * self._n
        if members:
            return _series_column(stack, start, members, self._n, of)
        return StackedColumn(stack, start, start + self._n)

    def to_lists(self) -> Mapping[str, list[Any]]:
        """Every column's values as Python has them."""
        n, stacks = self._n, self._stacks
        return {
            name: self[name].to_list()
            if members
            else stacks[finishing][place].list[first * n : (first + 1) * n]
            for name, (_, finishing, place, first, members) in self._outputs.items()
        }


def _series_column(stack: Stack, start: int, members: int, n: int, of: Type) -> ArrowColumn:
    """The column of a series: each row the list of its members' values, oldest first.

    Args:
        stack: Holds the members one after another.
        start: Where the first begins.
        members: How many there are.
        n: How many queries.
        of: The feature's type, a list.
    """
    # Row-major order: the first value of every member, then the second of every member, ...
    place = start + np.arange(n * members).reshape(members, n).T.reshape(-1)
    items = stack.values.take(pa.array(place))
    offsets = np.arange(0, n * members + 1, members, dtype=np.int32)
    square = slice(start, start + n * members)
    newest = stack.newest[square].reshape(members, n).max(axis=0)
    invalid = _any(stack.part.invalid, square, members, n)
    partial = _any(stack.part.partial, square, members, n)
    values = _lists(offsets, items, of, invalid)
    status = statuses(invalid, newest, invalid, partial)
    return ArrowColumn(values, status, newest, *_why(invalid, partial))


def _why(invalid: Array | None, partial: Array | None) -> tuple[str, Mapping[int, str]]:
    """Why rows of a column are INVALID, and the reason of each where they have two."""
    overflow = [] if invalid is None else np.flatnonzero(invalid).tolist()
    truncated = [] if partial is None else np.flatnonzero(partial).tolist()
    if not (overflow and truncated):
        return "overflow" if overflow else "truncated" if truncated else "", NO_REASONS
    reasons = dict.fromkeys(truncated, "truncated") | dict.fromkeys(overflow, "overflow")
    return "overflow; truncated", reasons


def _any(flags: Array | None, square: slice, members: int, n: int) -> Array | None:
    if flags is None:
        return None
    found: Array = np.logical_or.reduce(flags[square].reshape(members, n), axis=0)
    return found


def _array(part: Finished, of: Type) -> pa.Array:
    """Finished values of a type as Arrow, null where not valid or invalid."""
    hidden = part.invalid
    if of.name == "map":
        return _maps(part.offsets, _keys(part, of.items[0]), _items(part, of.items[1]), of, hidden)
    if of.name == "list":
        items = _pairs(part, of.items[0]) if part.keys is not None else _items(part, of.items[0])
        return _lists(part.offsets, items, of, hidden)
    null = None if part.valid is None else ~part.valid
    if hidden is not None and hidden.any():
        null = hidden if null is None else null | hidden
    return _scalars(part, of, null)


def _keys(part: Finished, of: Type) -> pa.Array:
    assert part.keys is not None  # noqa: S101 - maps and lists of pairs have keys
    return _scalars(Finished(part.keys, dictionary=part.key_dictionary), of, None)


def _pairs(part: Finished, of: Type) -> pa.Array:
    """Structs of a key and an item."""
    both = [_keys(part, of.items[0]), _items(part, of.items[1])]
    return pa.StructArray.from_arrays(both, fields=list(of.arrow()))


def _items(part: Finished, of: Type) -> pa.Array:
    return _scalars(part, of, None if part.valid_items is None else ~part.valid_items)


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
