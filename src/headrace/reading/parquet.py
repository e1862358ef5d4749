"""Parquet: only the columns that are needed are read, and those whose values could spoil a row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.errors import DataError
from headrace.intake.casts import certain
from headrace.intake.locked import quoted, selection
from headrace.intake.times import holds_times
from headrace.reading.database import BATCH_ROWS, literal, reading_of
from headrace.reading.piece import Batch, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import duckdb

    from headrace.aggregations.states import Array
    from headrace.schema import Schema, Type

__all__ = ["ParquetPiece", "parquet_pieces"]


def parquet_pieces(
    database: duckdb.DuckDBPyConnection, paths: Sequence[Path], having: tuple[str, pa.Array] | None = None
) -> list[ParquetPiece]:
    """The files as pieces: neighbours with the same columns are one.

    Args:
        database: What reads.
        paths: The files.
        having: A column and values: rows that have none of them are left out where the files hold the column
            as cleaned rows do; places of rows are not told then.

    Raises:
        DataError: A file is no Parquet file.
    """
    groups: list[tuple[pa.Schema, list[Path], list[int]]] = []
    for path in paths:
        with reading_of(path):
            empty = database.sql(selection("*", f"{_scan([path])} LIMIT 0")).to_arrow_table()
            there = database.execute(selection("name", f"parquet_schema({literal(path)})")).fetchall()
            ((count,),) = database.execute(
                selection("num_rows", f"parquet_file_metadata({literal(path)})")
            ).fetchall()
        if renamed := [name for name in empty.column_names if (name,) not in there]:
            raise DataError(
                f"The file {str(path)!r} has several columns {renamed[0].rpartition('_')[0]!r}, "
                "which SQL cannot tell apart.",
                asked=renamed[0],
                available=[name for (name,) in there],
                remedy="Rename all but one.",
            )
        if not groups or groups[-1][0] != empty.schema:
            groups.append((empty.schema, [], []))
        groups[-1][1].append(path)
        groups[-1][2].append(int(count))
    return [ParquetPiece(database, schema, files, counts, having) for schema, files, counts in groups]


class ParquetPiece:
    """Parquet files with the same columns."""

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        columns: pa.Schema,
        paths: Sequence[Path],
        counts: Sequence[int],
        having: tuple[str, pa.Array] | None = None,
    ) -> None:
        """Read nothing yet.

        Args:
            database: What reads.
            columns: The files' columns.
            paths: The files.
            counts: How many rows each has.
            having: See `parquet_pieces`.
        """
        self._database = database
        self._paths = list(paths)
        self._ends = np.cumsum(counts)
        self.columns = columns
        self.what = f"file {str(paths[0])!r}"
        self.complete = False
        matches = having is not None and self._holds(*having)
        self._having = having if matches else None

    def _holds(self, name: str, values: pa.Array) -> bool:
        """Whether the files hold a column as cleaned rows do."""
        return name in self.columns.names and self.columns.field(name).type == values.type

    def checked(self, schema: Schema, *, allow_infinite: bool) -> list[str]:
        """The columns with values that may be uncastable or, for all statistics say, infinite or far off."""
        unsure = [
            name
            for name, of in schema.items()
            if name in self.columns.names and not certain(self.columns.field(name).type, of)
        ]
        bounded = [
            name
            for name, of in schema.items()
            if name not in unsure and (holds_times(of) or (_holds_doubles(of) and not allow_infinite))
        ]
        return [*unsure, *self._perhaps_beyond(bounded)]

    def _perhaps_beyond(self, names: list[str]) -> list[str]:
        if not names:
            return []
        wanted = ", ".join(literal(name) for name in names)
        files = ", ".join(literal(path) for path in self._paths)
        columns = "path_in_schema, stats_min_value, stats_max_value, num_values, stats_null_count"
        with reading_of(self._paths[0]):
            rows = self._database.execute(
                selection(columns, f"parquet_metadata([{files}]) WHERE path_in_schema IN ({wanted})")
            ).fetchall()
        sure: dict[str, bool] = {}
        for name, low, high, values, nulls in rows:
            bounded = _within(low) and _within(high)
            sure[name] = sure.get(name, True) and (bounded or values == nulls)
        return [name for name in names if not sure.get(name, False)]

    def batches(self, names: Sequence[str], screen: str = "") -> Iterator[Batch]:
        """The rows in the order of the files."""
        present = [name for name in names if name in self.columns.names]
        asked = [f"coalesce({screen}, false)"] if screen else []
        columns = ", ".join([*map(quoted, present), *asked])
        first = 0
        with reading_of(self._paths[0] if len(self._paths) == 1 else f"{self._paths[0]} and others"):
            for rows in self._database.sql(selection(columns, self._rows())).to_arrow_reader(BATCH_ROWS):
                suspects = None
                if screen:
                    suspects = rows.column(len(present)).to_numpy(zero_copy_only=False)
                    rows = rows.select(range(len(present)))  # noqa: PLW2901 - without what was asked besides
                yield Batch(rows, first, suspects=suspects)
                first += rows.num_rows

    def _rows(self) -> str:
        """The rows wanted, as SQL has it."""
        if self._having is None:
            return _scan(self._paths)
        name, values = self._having
        self._database.register("had", pa.table({"value": values}))
        return f"{_scan(self._paths)} WHERE {quoted(name)} IN (SELECT value FROM had)"  # noqa: S608 - a quoted name

    def whole(self, places: Array) -> pa.Table:
        """The rows at some places with all columns of the files."""
        parts = []
        for place in self.places(places):
            with reading_of(place.file):
                self._database.register("places", pa.table({"place": pa.array(place.rows)}))
                file = (
                    f"read_parquet({literal(place.file)}, file_row_number = true, hive_partitioning = false)"
                )
                found = self._database.sql(
                    f"SELECT * FROM {file} WHERE file_row_number IN (SELECT place FROM places) "  # noqa: S608 - a quoted path
                    "ORDER BY file_row_number"
                ).to_arrow_table()
                self._database.unregister("places")
            parts.append(found.select(self.columns.names))
        return pa.concat_tables(parts) if parts else self.columns.empty_table()

    def places(self, places: Array) -> list[Place]:
        """Files and rows in them."""
        files = np.searchsorted(self._ends, places, side="right")
        starts = np.concatenate([[0], self._ends])
        return [
            Place(str(self._paths[file]), places[files == file] - starts[file])
            for file in np.unique(files).tolist()
        ]

    def unreadable(self, schema: Schema) -> pa.Table | None:
        """Nothing: a Parquet file has rows only."""
        del schema
        return None


def _scan(paths: Sequence[Path]) -> str:
    files = ", ".join(literal(path) for path in paths)
    return f"read_parquet([{files}], hive_partitioning = false)"


def _within(bound: Any) -> bool:
    """Whether a bound, as DuckDB writes it, is a finite number or a time of the years 1 to 9999."""
    if isinstance(bound, str) and re.match(r"\d{4}-\d\d-\d\d", bound):
        return not bound.startswith("0000") and "(BC)" not in bound
    try:
        return bool(np.isfinite(float(bound)))
    except (TypeError, ValueError):
        return False


def _holds_doubles(of: Type) -> bool:
    return of.name == "double" or any(_holds_doubles(item) for item in of.items)
