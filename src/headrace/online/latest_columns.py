"""The latest values of entities as columns, made from the kept rows when somebody asks for them."""

from __future__ import annotations

import datetime as dt
import decimal
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from headrace.kernel.columns import (
    NO_REASONS,
    NOT_FOUND,
    NULL_VALUE,
    OUTSIDE_MAX_AGE,
    PRESENT,
    Alike,
    Columns,
    python_values,
)
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from headrace.aggregations.states import Array
    from headrace.kernel.columns import Column, Told
    from headrace.schema import Type

__all__ = ["KeptRow", "LatestColumns", "LatestFeatures"]

Made = TypeVar("Made")

_AS_KEPT = frozenset({"int64", "double", "bool", "string", "binary"})
"""Types whose values MessagePack gives back as Python has them."""


class _Once(Generic[Made]):
    """A property that is made when it is first asked for; without the lock that `cached_property` has.

    What is made is the same each time: two threads at once do no harm.
    """

    def __init__(self, make: Callable[[Any], Made]) -> None:
        """By a method."""
        self._make = make

    def __get__(self, instance: Any, _: type) -> Made:
        made = self._make(instance)
        instance.__dict__[self._make.__name__] = made
        return made


class KeptRow(NamedTuple):
    """A row as kept: its place in the order of rows, its instants, its values as MessagePack holds them."""

    order: bytes
    time: int
    known: int
    values: list[Any]


class LatestFeatures:
    """The features wanted of a view of latest values, and where kept rows have them."""

    def __init__(self, columns: Sequence[tuple[str, Type]], names: Sequence[str] | None) -> None:
        """Of the columns kept, in their order; all of them, or those of some names.

        Attributes:
            width: How many values a kept row has.
            places: Each feature's place among them.
            types: Each feature's type.
            restored: Those whose kept values are not as Python has them.
        """
        self.width = len(columns)
        places = {name: place for place, (name, _) in enumerate(columns)}
        self.places = {name: place for name, place in places.items() if names is None or name in names}
        self.types = {name: columns[place][1] for name, place in self.places.items()}
        self.restored = {name: of for name, of in self.types.items() if of.name not in _AS_KEPT}
        self._choices: dict[tuple[str, ...], Callable[[Sequence[Any]], Sequence[Any]]] = {}

    def chosen(self, names: tuple[str, ...], kept: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """Some columns of those kept; what chooses them is made once."""
        choice = self._choices.get(names)
        if choice is None:
            places = [self.places[name] for name in names]
            choice = itemgetter(*places) if len(places) > 1 else itemgetter(slice(places[0], places[0] + 1))
            self._choices[names] = choice
        return choice(kept)


class LatestColumn:
    """One feature of the newest rows; its Arrow array is made when it is asked for."""

    __slots__ = ("_kept", "_of", "newest", "status")

    reason = ""
    reasons = NO_REASONS

    def __init__(self, kept: Sequence[Any], of: Type, status: Array, newest: Array) -> None:
        """Over values as MessagePack holds them."""
        self._kept = kept
        self._of = of
        self.status = status
        self.newest = newest

    @property
    def values(self) -> pa.Array:
        """See `Column`."""
        return _restored(self._kept, self._of)

    def to_list(self) -> list[Any]:
        """See `Column`."""
        return list(self._kept) if self._of.name in _AS_KEPT else python_values(self.values)


class LatestColumns(Columns):
    """The features of the newest row of each entity."""

    def __init__(
        self,
        features: LatestFeatures,
        rows: Sequence[KeptRow | None],
        t: int,
        ttl: int | None,
    ) -> None:
        """Over kept rows.

        Args:
            features: What is wanted.
            rows: The newest row of each entity; None without any.
            t: The instant.
            ttl: The age, microseconds, beyond which a row no longer counts.
        """
        super().__init__(features.places)
        self._features = features
        self._rows = rows
        self._fresh: list[list[Any] | None] = [
            None if row is None or (ttl is not None and t - row.time > ttl) else row.values for row in rows
        ]

    def __getitem__(self, name: str) -> Column:
        features = self._features
        values = self._values[features.places[name]]
        return LatestColumn(values, features.types[name], self._status_of(values), self._newest)

    def _status_of(self, values: Sequence[Any]) -> Array:
        """The status of a column: what all columns share, unless it has nulls of its own."""
        nulls = values.count(None)
        if nulls == self._absent:
            return self._status
        codes, at = bytearray(self._codes), -1
        for _ in range(nulls):
            at = values.index(None, at + 1)
            if codes[at] == PRESENT:
                codes[at] = NULL_VALUE
        return np.frombuffer(codes, dtype=np.uint8)

    def told(self) -> Mapping[str, Told]:
        """Every column as Python has it."""
        columns, newest = self._values, self._newest
        told: dict[str, Told] = {
            name: (columns[place], self._status_of(columns[place]), newest, "")
            for name, place in self._features.places.items()
        }
        for name, of in self._features.restored.items():
            told[name] = (python_values(_restored(told[name][0], of)), *told[name][1:])
        return told

    def alike(self, names: tuple[str, ...]) -> Alike | None:
        """See `Columns`."""
        return Alike(self._features.chosen(names, self._values), self._status, self._newest, self._status_of)

    def to_lists(self) -> Mapping[str, list[Any]]:
        """Every column's values as Python has them."""
        features = self._features
        lists = {name: list(self._values[place]) for name, place in features.places.items()}
        for name, of in features.restored.items():
            lists[name] = python_values(_restored(lists[name], of))
        return lists

    @_Once
    def _values(self) -> Sequence[Sequence[Any]]:
        """The values of each column kept."""
        nothing = [None] * self._features.width
        rows = [nothing if row is None else row for row in self._fresh]
        return list(zip(*rows, strict=True)) if rows else [()] * self._features.width

    @_Once
    def _newest(self) -> Array:
        return np.array([FOREVER_AGO if row is None else row.time for row in self._rows], dtype=np.int64)

    @_Once
    def _codes(self) -> bytes:
        """The status of each row's values, a byte each, unless they are null."""
        return bytes(
            PRESENT if fresh is not None else NOT_FOUND if row is None else OUTSIDE_MAX_AGE
            for row, fresh in zip(self._rows, self._fresh, strict=True)
        )

    @_Once
    def _absent(self) -> int:
        """How many rows have no values: every column has so many nulls that are not its own."""
        return self._fresh.count(None)

    @_Once
    def _status(self) -> Array:
        return np.frombuffer(self._codes, dtype=np.uint8)


def _restored(values: Sequence[Any], of: Type) -> pa.Array:
    """The Arrow array of values as they are kept."""
    if of.name == "timestamp":
        return pa.array(values, type=pa.int64()).view(of.arrow())
    if of.name == "date":
        return pa.array(values, type=pa.int32()).view(of.arrow())
    read = _reader(of)
    return pa.array(values if read is None else list(map(read, values)), type=of.arrow())


@lru_cache(maxsize=256)
def _reader(of: Type) -> Callable[[Any], Any] | None:
    """What reads a kept value that Arrow does not take as it is; None for types of which it takes all.

    In lists MessagePack keeps instants as they are, days and decimals as texts.
    """
    read = _reader(of.items[0]) if of.name == "list" else _READ.get(of.name)
    if read is None:
        return None
    if of.name == "list":
        return lambda value: None if value is None else list(map(read, value))
    return lambda value: None if value is None else read(value)


_READ: dict[str, Callable[[str], Any]] = {"decimal": decimal.Decimal, "date": dt.date.fromisoformat}
