"""The spine: the rows somebody wants features for, each with an entity's keys and an instant."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from headrace.casting import cast_column, instants
from headrace.errors import DataError
from headrace.offline.digest import table_digest
from headrace.offline.spine_file import read_spine_file
from headrace.schema import TIMESTAMP
from headrace.tables import table_of, without_views

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np

    from headrace.aggregations.states import Array
    from headrace.schema import Type

__all__ = ["Spine"]


@dataclass(frozen=True, eq=False)
class Spine:
    """A spine of n rows.

    Attributes:
        table: The rows as given: order, duplicates and all columns kept.
        timestamp: The name of the time column.
        t: The rows' instants, n int64 microseconds UTC.
        path: The file it was read from; None for a table.
    """

    table: pa.Table
    timestamp: str
    t: np.ndarray[tuple[int], np.dtype[np.int64]]
    _keys: Mapping[str, pa.ChunkedArray] = field(repr=False)
    path: Path | None = None

    @classmethod
    def read(
        cls,
        spine: Any,
        timestamp: str,
        key_types: Mapping[str, Type],
        optional: Mapping[str, Type] | None = None,
    ) -> Spine:
        """Read a spine and check it.

        Args:
            spine: A table (Arrow, pandas, polars, list of dicts, dict of columns), or the path of a Parquet,
                CSV or JSON Lines file. A file's columns take the declared types; tables are kept as they are.
            timestamp: The column of instants: timestamps or dates (naive ones are UTC), ISO 8601 texts, or
                int64 microseconds UTC.
            key_types: The columns that the features asked for need (join keys, request values), with types.
            optional: Columns that are read likewise where the spine has them.

        Raises:
            DataError: The spine cannot be read, lacks one of the columns, has a row without an instant, or a
                value that is not of its declared type. A null key is no error.
        """
        path = Path(spine).expanduser() if isinstance(spine, str | os.PathLike) else None
        table = (
            table_of(spine, "spine")
            if path is None
            else read_spine_file(path, [*key_types, *(optional or {})])
        )
        _require(table, timestamp, key_types)
        there = {name: of for name, of in (optional or {}).items() if name in table.column_names}
        t = instants(table[timestamp], f"The spine's time column {timestamp!r}")
        keys = {
            name: cast_column(table[name], of, f"The spine's column {name!r}")
            for name, of in {**there, **key_types}.items()
        }
        if path is not None:
            table = _typed(table, timestamp, t, keys)
        return cls(table, timestamp, t, keys, path)

    def __len__(self) -> int:
        """How many rows."""
        return int(self.table.num_rows)

    def keys(self, names: Iterable[str]) -> pa.Table:
        """Some of the declared columns, cast to their types; n rows in the spine's order, nulls kept."""
        chosen = {name: self._keys[name] for name in names}
        if chosen:
            return pa.table(chosen)
        return pa.table({"": pa.nulls(len(self))}).select([])  # no columns, but still n rows

    def digest(self) -> str:
        """A SHA-256 over names, types and values of all columns; equal for equal rows in equal order."""
        return table_digest(self.table)

    def has(self, name: str) -> bool:
        """Whether a column was read as one of the declared ones."""
        return name in self._keys

    def kept(self, rows: Array) -> Spine:
        """Some of its rows, in their order.

        Args:
            rows: Which, n bool.
        """
        some = pa.array(rows)
        keys = {name: column.filter(some) for name, column in self._keys.items()}
        table = without_views(self.table).filter(some)
        return Spine(table, self.timestamp, self.t[rows], keys, self.path)


def _require(table: pa.Table, timestamp: str, keys: Iterable[str]) -> None:
    there = table.column_names
    missing = [name for name in dict.fromkeys([timestamp, *keys]) if name not in there]
    if not missing:
        return
    if not there:
        raise DataError(
            "The spine has no columns.", asked=missing[0], remedy="Give rows with keys and a time."
        )
    near = [close for name in missing for close in difflib.get_close_matches(name, there, n=3, cutoff=0.5)]
    roles = [f"time column {name!r}" if name == timestamp else f"column {name!r}" for name in missing]
    remedy = (
        "Name the time column with timestamp=."
        if timestamp in missing
        else "Add it, or rename the column it is in."
    )
    raise DataError(
        f"The spine has no {' and no '.join(roles)}.",
        asked=", ".join(missing),
        available=dict.fromkeys([*near, *there]),
        remedy=remedy,
    )


def _typed(table: pa.Table, timestamp: str, t: Any, keys: Mapping[str, pa.ChunkedArray]) -> pa.Table:
    """A file's rows with the declared types, where the file held only text or numbers."""
    for name in (timestamp, *keys):
        at = table.column_names.index(name)
        if pa.types.is_timestamp(table.schema.types[at]) and name == timestamp:
            continue
        column = pa.array(t).cast(TIMESTAMP.arrow()) if name == timestamp else keys[name]
        table = table.set_column(at, name, column)
    return table
