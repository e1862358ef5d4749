"""Entities: the keys of rows as bytes, and a number for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.keys import encode_key, encode_key_column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.aggregations.states import Array
    from headrace.schema import Schema, Type

__all__ = ["Entities", "Numbers", "group_entities", "key_column", "plain_keys"]

_FEW = 256
_PYTHON: Mapping[str, type] = {"string": str, "int64": int, "binary": bytes}
"""The types of join keys whose values Python has as they are encoded."""


class Entities(NamedTuple):
    """The entities of some rows.

    Attributes:
        keys: The encoded key of each entity.
        group: For each row with a whole key, its entity's place in `keys`.
        keyless: Which rows have a null in their key; None for none.
    """

    keys: Sequence[bytes]
    group: Array
    keyless: Array | None


def key_column(rows: pa.Table, keys: Schema) -> pa.Array:
    """Each row's encoded key, Arrow binary; null where a part of it is null; empty for a global entity."""
    if not len(keys):
        return pa.array([b""] * rows.num_rows, type=pa.large_binary())
    columns = [_plain(rows.column(name), of) for name, of in keys.items()]
    encoded = encode_key_column(columns)
    null = None
    for column in columns:
        if column.null_count:
            mine = pc.is_null(column)
            null = mine if null is None else pc.or_(null, mine)
    if null is None:
        return encoded
    return pc.if_else(null.combine_chunks() if isinstance(null, pa.ChunkedArray) else null, None, encoded)


def plain_keys(columns: Sequence[Sequence[Any]], keys: Schema, n: int) -> list[bytes] | None:
    """The encoded keys of a few entities given as Python values, without a detour over Arrow.

    Args:
        columns: n values for each join key.
        keys: The join keys' names and types.
        n: How many entities.

    Returns:
        n keys; None where they are many, or a value is not exactly of Python's own type for the key's.
    """
    if not columns:
        return [b""] * n
    if n > _FEW:
        return None
    for column, of in zip(columns, keys.values(), strict=True):
        kind = _PYTHON.get(of.name)
        if any(type(value) is not kind for value in column):
            return None
    return [encode_key(parts) for parts in zip(*columns, strict=True)]


def _plain(column: pa.ChunkedArray, of: Type) -> pa.ChunkedArray:
    """Instants and dates as the integers they are."""
    if of.name == "timestamp":
        return column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return column.cast(pa.int32()) if of.name == "date" else column


def group_entities(rows: pa.Table, keys: Schema) -> Entities:
    """The entities of some rows, each once."""
    encoded = key_column(rows, keys)
    keyless = None
    if encoded.null_count:
        keyless = encoded.is_null().to_numpy(zero_copy_only=False)
        encoded = encoded.drop_null()
    coded = pc.dictionary_encode(encoded)
    group = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Entities(coded.dictionary.to_pylist(), group, keyless)


class Numbers:
    """Numbers for the entities that somebody asks for, dense from 0.

    Attributes:
        asked: The number of each question's entity, int64; those whose key is not whole have one in common.
        count: How many numbers there are.
    """

    def __init__(self, asked: pa.Table, keys: Schema) -> None:
        """Number the entities.

        Args:
            asked: Questions with the key columns.
            keys: Their names and types.
        """
        self._keys = keys
        wanted = pc.dictionary_encode(self._encoded(asked))
        self._entities = wanted.dictionary
        self.count = len(self._entities)
        self.asked: Array = pc.fill_null(wanted.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
        keyless = self.asked < 0
        if keyless.any():
            self.asked = np.where(keyless, self.count, self.asked)
            self.count += 1

    def of(self, rows: pa.Table) -> Array:
        """The number of each row's entity, int64; -1 if nobody asked for it."""
        found = pc.index_in(self._encoded(rows), value_set=self._entities, skip_nulls=True)
        numbers: Array = pc.fill_null(found.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
        return numbers

    def _encoded(self, rows: pa.Table) -> pa.Array:
        if len(self._keys) != 1:
            return key_column(rows, self._keys)
        # A single column is its own key: nothing need be encoded.
        ((name, of),) = self._keys.items()
        return _one(_plain(rows.column(name), of))


def _one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The column in one piece."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    whole = column.combine_chunks()
    return whole if not isinstance(whole, pa.ChunkedArray) else pa.concat_arrays(whole.chunks)
