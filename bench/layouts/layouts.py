"""Layouts as a store has them: which keys there are of an entity, and what a read looks for."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from bench.layouts.columns import columns_of, fields_of, names_of, rows_of
from bench.layouts.forms import ByColumn, Compressed, Form, Narrow, Packed
from bench.layouts.inputs import K
from headrace.kernel.point_in_time import features_at
from headrace.keys import encode_key
from headrace.online.layout import segment_prefix
from headrace.stores.lmdb_layout import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lmdb import Transaction

    from headrace.aggregations.states import Array
    from headrace.kernel.plan import ViewPlan
    from headrace.kernel.rows import Rows

Item = tuple[bytes, bytes]

_PREFIX = PLAIN + segment_prefix(1)
_TIME = struct.Struct(">q")


def key_of(entity: int) -> bytes:
    """The key of an entity's record, as LMDB has it."""
    return _PREFIX + encode_key((entity,))


class Layout(ABC):
    """Where the tiles of a view lie."""

    @abstractmethod
    def items(self, tiles: Rows, bounds: Array) -> list[Item]:
        """What is stored of entities 0 to n - 1, ascending by key."""

    @abstractmethod
    def rows(self, txn: Transaction[bytes], entities: Sequence[int]) -> object:
        """The tiles of some entities, owned by 0, 1, and so on; `Rows`, if tiles are what is kept."""


class Records(Layout):
    """A record for each entity."""

    def __init__(self, form: Form) -> None:
        """In one form."""
        self._form = form

    def items(self, tiles: Rows, bounds: Array) -> list[Item]:
        """One for each entity."""
        return [(key_of(entity), data) for entity, data in enumerate(self._form.pack(tiles, bounds))]

    def rows(self, txn: Transaction[bytes], entities: Sequence[int]) -> Rows:
        """One look for each entity."""
        return self._form.unpack([txn.get(key_of(entity), b"") for entity in entities])


class KeyPerTile(Layout):
    """A record for each (entity, tile); its time is in the key, its texts lie behind its numbers."""

    def __init__(self, plan: ViewPlan) -> None:
        """For a view."""
        self._plan = plan
        self._row = np.dtype(names_of(plan)[1:])

    def items(self, tiles: Rows, bounds: Array) -> list[Item]:
        """One for each tile."""
        rows, texts = _structs(self._plan, tiles, [self._row])
        places = zip(tiles.entity.tolist(), tiles.time.tolist(), strict=True)
        keys = [key_of(entity) + _TIME.pack(time) for entity, time in places]
        return list(zip(keys, map(b"".join, zip(*rows, *texts, strict=True)), strict=True))

    def rows(self, txn: Transaction[bytes], entities: Sequence[int]) -> Rows:
        """A walk over the tiles of each entity."""
        owner, time, values = _walked(txn, entities)
        numbers, texts = _read(values, self._row)
        return rows_of(self._plan, [_times(time), *numbers], texts, np.array(owner, dtype=np.int64))


class KeyPerState(Layout):
    """A record for each (entity, measure, tile), as a hash with a field for each would have it."""

    def __init__(self, plan: ViewPlan) -> None:
        """For a view."""
        self._plan = plan
        forms = names_of(plan)[1:]
        measures = [i for i, _, _ in fields_of(plan)]
        self._rows = [
            np.dtype([form for i, form in zip(measures, forms, strict=True) if i == measure])
            for measure in range(len(plan.measures))
        ]

    def items(self, tiles: Rows, bounds: Array) -> list[Item]:
        """One for each tile and measure."""
        rows, texts = _structs(self._plan, tiles, self._rows)
        behind = iter(texts)
        found = []
        places = list(zip(tiles.entity.tolist(), tiles.time.tolist(), strict=True))
        for measure, (of, own) in enumerate(zip(self._rows, rows, strict=True)):
            parts = [own, *(next(behind) for name in of.names or () if of[name] == np.uint32)]
            for (entity, time), part in zip(places, zip(*parts, strict=True), strict=True):
                found.append((key_of(entity) + bytes([measure]) + _TIME.pack(time), b"".join(part)))
        found.sort()
        return found

    def rows(self, txn: Transaction[bytes], entities: Sequence[int]) -> Rows:
        """A walk over the states of each entity; those of one measure together, in the order of time."""
        by_measure: list[tuple[list[int], list[bytes], list[bytes]]] = [([], [], []) for _ in self._rows]
        for place, entity in enumerate(entities):
            key = key_of(entity)
            for found, value in _under(txn, key):
                owner, times, values = by_measure[found[len(key)]]
                owner.append(place)
                times.append(found[-8:])
                values.append(value)
        numbers: list[Array] = [_times(by_measure[0][1])]
        texts: list[bytes] = []
        for of, (_, _, values) in zip(self._rows, by_measure, strict=True):
            columns, own = _read(values, of)
            numbers += columns
            texts += own
        return rows_of(self._plan, numbers, texts, np.array(by_measure[0][0], dtype=np.int64))


class KeyPerValue(Layout):
    """A number for each (entity, feature, window), as stores of ready values keep it: of one instant only."""

    _VALUE = struct.Struct("<d")
    _FIELD = struct.Struct(">I")

    def __init__(self, plan: ViewPlan) -> None:
        """For a view."""
        self._plan = plan
        self._fields = [self._FIELD.pack(i) for i in range(sum(len(f.names) for f in plan.features))]

    def items(self, tiles: Rows, bounds: Array) -> list[Item]:
        """The values as of K; nulls are not kept."""
        n = len(bounds) - 1
        asked = np.arange(n, dtype=np.int64)
        columns = features_at(self._plan, tiles, asked, np.full(n, K))
        found = []
        for field, column in zip(self._fields, columns.values(), strict=True):
            for entity, value in enumerate(column.values.to_pylist()):
                if value is not None:
                    found.append((key_of(entity) + field, self._VALUE.pack(value)))
        found.sort()
        return found

    def rows(self, txn: Transaction[bytes], entities: Sequence[int]) -> object:
        """The values, None where there is none."""
        keys = [key_of(entity) + field for entity in entities for field in self._fields]
        unpack = self._VALUE.unpack
        return [None if data is None else unpack(data)[0] for data in map(txn.get, keys)]


def _times(keys: Sequence[bytes]) -> Array:
    return np.frombuffer(b"".join(keys), ">i8").astype(np.int64)


def _structs(
    plan: ViewPlan, tiles: Rows, dtypes: Sequence[np.dtype[np.void]]
) -> tuple[list[list[bytes]], list[list[bytes]]]:
    """Each tile's numbers, as structs of some dtypes one after another, and each coded field's texts."""
    numbers, texts = columns_of(plan, tiles, np.arange(len(tiles) + 1))
    columns = iter(numbers[1:])
    made = []
    for dtype in dtypes:
        rows = np.empty(len(tiles), dtype)
        for name in dtype.names or ():
            rows[name] = next(columns)
        data, size = rows.tobytes(), dtype.itemsize
        made.append([data[at : at + size] for at in range(0, len(data), size)])
    return made, texts


def _read(values: Sequence[bytes], dtype: np.dtype[np.void]) -> tuple[list[Array], list[bytes]]:
    """The columns of structs, and the texts behind them."""
    size = dtype.itemsize
    coded = [name for name in dtype.names or () if dtype[name] == np.uint32]
    rows = np.frombuffer(b"".join(value[:size] for value in values) if coded else b"".join(values), dtype)
    texts: list[list[bytes]] = [[] for _ in coded]
    if coded:
        widths = [np.where(rows[name] == 0xFFFFFFFF, 0, rows[name]).tolist() for name in coded]
        for value, *lengths in zip(values, *widths, strict=True):
            at = size
            for own, length in zip(texts, lengths, strict=True):
                own.append(value[at : at + length])
                at += length
    columns = [np.ascontiguousarray(rows[name]) for name in dtype.names or ()]
    return columns, [b"".join(own) for own in texts]


def _walked(txn: Transaction[bytes], entities: Sequence[int]) -> tuple[list[int], list[bytes], list[bytes]]:
    """The owner, the encoded time and the value of every record of some entities."""
    owner: list[int] = []
    times: list[bytes] = []
    values: list[bytes] = []
    for place, entity in enumerate(entities):
        for key, value in _under(txn, key_of(entity)):
            owner.append(place)
            times.append(key[-8:])
            values.append(value)
    return owner, times, values


def _under(txn: Transaction[bytes], prefix: bytes) -> Iterator[Item]:
    with txn.cursor() as cursor:
        if cursor.set_range(prefix):
            for key, value in cursor.iternext():
                if not key.startswith(prefix):
                    return
                yield key, value


LAYOUTS: dict[str, Callable[[ViewPlan], Layout]] = {
    "a key for each value": KeyPerValue,
    "a key for each state": KeyPerState,
    "a key for each tile": KeyPerTile,
    "packed, rows": lambda plan: Records(Packed(plan)),
    "packed, columns": lambda plan: Records(ByColumn(plan)),
    "packed, narrow columns": lambda plan: Records(Narrow(plan)),
    "packed, rows, lz4": lambda plan: Records(Compressed(Packed(plan), "lz4_raw")),
    "packed, rows, zstd": lambda plan: Records(Compressed(Packed(plan), "zstd")),
    "packed, rows, zlib": lambda plan: Records(Compressed(Packed(plan), "zlib")),
    "packed, columns, lz4": lambda plan: Records(Compressed(ByColumn(plan), "lz4_raw")),
    "packed, columns, zstd": lambda plan: Records(Compressed(ByColumn(plan), "zstd")),
}
"""The layouts that are compared; "packed, rows" is the one that Headrace has."""
