"""Columns of features: values, the status of each, and the newest event time behind it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import pyarrow as pa

from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.aggregations.states import Array

__all__ = [
    "INVALID",
    "NOT_FOUND",
    "NO_REASONS",
    "NULL_VALUE",
    "OUTSIDE_MAX_AGE",
    "PRESENT",
    "STATUS_NAMES",
    "Alike",
    "ArrowColumn",
    "Column",
    "Columns",
    "HeldColumns",
    "Told",
    "python_values",
    "reason_of",
    "statuses",
    "told",
    "without",
]

INVALID, PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE = range(5)
STATUS_NAMES = ("INVALID", "PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE")

NO_REASONS: Mapping[int, str] = MappingProxyType({})


class Column(Protocol):
    """One feature for n queries."""

    @property
    def values(self) -> pa.Array:
        """Arrow array; null where there is no value or it could not be computed.

        What is only part of the answer (a map cut to its largest number of keys) is INVALID, but given.
        """
        ...

    @property
    def status(self) -> Array:
        """uint8, places in `STATUS_NAMES`."""
        ...

    @property
    def newest(self) -> Array:
        """The newest event time of the entity in the feature's window, int64; FOREVER_AGO without any."""
        ...

    @property
    def reason(self) -> str:
        """Why rows are INVALID; of one row see `reason_of`."""
        ...

    @property
    def reasons(self) -> Mapping[int, str]:
        """Why a row is, for the rows that have a reason of their own."""
        ...

    def to_list(self) -> list[Any]:
        """The values as Python has them, None for null; maps as dicts."""
        ...


class ArrowColumn(NamedTuple):
    """A column that is there."""

    values: pa.Array
    status: Array
    newest: Array
    reason: str = ""
    reasons: Mapping[int, str] = NO_REASONS

    def to_list(self) -> list[Any]:
        """The values as Python has them."""
        return python_values(self.values)


def reason_of(column: Column, row: int) -> str:
    """Why a row is INVALID: the column's reason, unless the rows have several."""
    return column.reasons.get(row, column.reason)


def without(column: Column, why: Mapping[str, Array]) -> ArrowColumn:
    """A column without the values of some rows; those are INVALID, besides the rows that were before.

    Args:
        column: n rows.
        why: Reason -> the rows it takes the value of, n bool. A row may have several, and one of its own.
    """
    spoiled = np.logical_or.reduce(list(why.values()))
    values = column.values.take(pa.array(np.arange(len(spoiled)), mask=spoiled))
    before = column.status == INVALID
    status = np.where(spoiled, np.uint8(INVALID), column.status)
    reasons = {}
    if before.any() or len(why) > 1:
        for row in np.flatnonzero(status == INVALID).tolist():
            own = reason_of(column, row) if before[row] else ""
            reasons[row] = _together(own, *(reason for reason, rows in why.items() if rows[row]))
    reason = _together(column.reason if before.any() else "", *why)
    return ArrowColumn(values, status, column.newest, reason, reasons)


def _together(*reasons: str) -> str:
    return "; ".join(filter(None, reasons))


Told: TypeAlias = tuple[Sequence[Any], "Array", "Array", str]
"""A column as Python has it: the values of `Column.to_list`, its status, newest and reason."""


class Alike(NamedTuple):
    """Several columns whose rows differ in no more than values and which of them are null.

    Attributes:
        values: Each column's, as Python has them.
        status: The status of each row's values, unless they are null.
        newest: The newest event time of each row.
        status_of: The status of a column, by its values; `status` itself unless a null makes it differ.
    """

    values: Sequence[Sequence[Any]]
    status: Array
    newest: Array
    status_of: Callable[[Sequence[Any]], Array]


class Columns(Mapping[str, Column]):
    """Named columns of n queries, which may be made only when they are asked for."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        """Under the names that a mapping has."""
        self._names = names

    def __contains__(self, name: object) -> bool:
        return name in self._names  # what Mapping has would make the column

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @abstractmethod
    def to_lists(self) -> Mapping[str, list[Any]]:
        """Every column's values as Python has them."""

    def told(self) -> Mapping[str, Told]:
        """Every column as Python has it; what columns share is the same object."""
        return {name: told(column) for name, column in self.items()}

    def alike(self, names: tuple[str, ...]) -> Alike | None:
        """Some columns at once, if each row's newest is the same in all, and its status but for nulls."""
        return None


class HeldColumns(Columns):
    """Columns that are there."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        """Hold them."""
        super().__init__(columns)
        self._columns = columns

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def to_lists(self) -> Mapping[str, list[Any]]:
        """Every column's values as Python has them."""
        return {name: column.to_list() for name, column in self._columns.items()}


def told(column: Column) -> Told:
    """A column as Python has it."""
    return column.to_list(), column.status, column.newest, column.reason


def statuses(null: Array | None, newest: Array, invalid: Array | None, partial: Array | None) -> Array:
    """The status of each value; None where nothing is null, invalid or partial."""
    status = np.full(len(newest), PRESENT, dtype=np.uint8)
    if null is not None:
        status[null] = NULL_VALUE
        status[null & (newest == FOREVER_AGO)] = NOT_FOUND
    for spoiled in (invalid, partial):
        if spoiled is not None:
            status[spoiled] = INVALID
    return status


def python_values(values: pa.Array) -> list[Any]:
    """An Arrow array as Python values; maps as dicts."""
    found: list[Any] = values.to_pylist(maps_as_pydicts="strict")
    return found
