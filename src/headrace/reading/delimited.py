"""CSV: read as texts, so that the schema's casts decide what a value is; lines that are no rows told apart.

The dialect is fixed, not guessed from data that may be dirty: a header line, UTF-8, quotes, doubled quotes;
of comma, tab, semicolon and bar the delimiter that splits the header best. An empty field is null, a quoted
one is the empty text.
"""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pyarrow as pa

from headrace.errors import DataError
from headrace.intake.locked import quoted, selection
from headrace.intake.rejects import rejects_of
from headrace.reading.database import BATCH_ROWS, literal, reading_of
from headrace.reading.lines import first_line_of
from headrace.reading.piece import Batch, Place
from headrace.reading.suggested import SAMPLE, of_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import duckdb

    from headrace.aggregations.states import Array
    from headrace.schema import Schema, Type

__all__ = ["DelimitedPiece"]

_DELIMITERS = (",", "\t", ";", "|")
_REMEDY = "Check that it is whole, and that all its lines end alike: in a line feed, or all in CR LF."


class DelimitedPiece:
    """One CSV file."""

    def __init__(self, database: duckdb.DuckDBPyConnection, path: Path, wanted: Sequence[str] = ()) -> None:
        """Read the header.

        Args:
            database: What reads.
            path: The file.
            wanted: Columns that should be there; they tell the delimiter.

        Raises:
            DataError: The header cannot be read, or names a column twice.
        """
        self._database = database
        self._path = path
        self.what = f"file {str(path)!r}"
        self.complete = True
        self._delimiter, names = _header(path, wanted)
        self.columns = pa.schema([(name, pa.string()) for name in names])

    def checked(self, schema: Schema, *, allow_infinite: bool) -> list[str]:
        """All columns: a line is taken apart anyway."""
        del allow_infinite
        return list(schema)

    def batches(self, names: Sequence[str], screen: str = "") -> Iterator[Batch]:
        """The lines that are rows, in their order."""
        columns = ", ".join(quoted(name) for name in names if name in self.columns.names)
        first = 0
        with reading_of(self._path, _REMEDY):
            for rows in self._database.sql(selection(columns, self._scan())).to_arrow_reader(BATCH_ROWS):
                yield Batch(rows, first)
                first += rows.num_rows

    def whole(self, places: Array) -> pa.Table:
        """Batches are complete."""
        raise AssertionError(self.what)

    def places(self, places: Array) -> list[Place]:
        """Places in the file."""
        return [Place(str(self._path), places)]

    def unreadable(self, schema: Schema) -> pa.Table | None:
        """Lines with more or fewer fields than the header, unclosed quotes, or bytes that are no UTF-8."""
        del schema
        found = self._database.execute(
            "SELECT line, any_value(csv_line), any_value(error_message) "
            "FROM reject_errors GROUP BY line ORDER BY line"
        ).fetchall()
        self._database.execute("DROP TABLE reject_errors; DROP TABLE reject_scans")
        if not found:
            return None
        rows = [json.dumps((text or "").strip("\r\n"), ensure_ascii=False) for _, text, _ in found]
        reasons = [f"line {line}: {message}" for line, _, message in found]
        lines = [line for line, _, _ in found]
        return rejects_of(rows, reasons, ["malformed"] * len(rows), [None] * len(rows), lines=lines)

    def suggested(self) -> dict[str, Type]:
        """The columns and the types their first values suggest."""
        with reading_of(self._path, _REMEDY):
            sample = self._database.sql(selection("*", f"{self._scan()} LIMIT {SAMPLE}")).to_arrow_table()
        return {name: of_texts(sample.column(name).combine_chunks()) for name in self.columns.names}

    def _scan(self) -> str:
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in self.columns.names)
        return (
            f"read_csv({literal(self._path)}, auto_detect = false, header = true, columns = {{{columns}}}, "
            f"delim = {literal(self._delimiter)}, quote = '\"', escape = '\"', allow_quoted_nulls = false, "
            "store_rejects = true)"
        )


def _header(path: Path, wanted: Sequence[str]) -> tuple[str, list[str]]:
    """The delimiter that gives most of the wanted columns, then most columns; and the columns."""
    try:
        line = first_line_of(path).decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"The file {str(path)!r} is not written in UTF-8.", asked=path, remedy="Convert it to UTF-8."
        ) from error
    if "\r" in line:
        raise DataError(
            f"The header of file {str(path)!r} does not end: its lines end in carriage returns alone.",
            asked=line[:200],
            remedy="End lines in a line feed, or in CR LF.",
        )
    split = {delimiter: next(csv.reader([line], delimiter=delimiter), []) for delimiter in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda each: (len(set(split[each]) & set(wanted)), len(split[each])))
    names = [name.strip() for name in split[delimiter]]
    again = [name for name in names if [each.casefold() for each in names].count(name.casefold()) > 1]
    if not line.strip() or again or "" in names:
        problem = f"names {again[0]!r} twice" if again else "has no name for a column"
        raise DataError(
            f"The header of file {str(path)!r} {problem}.",
            asked=line[:200],
            remedy="Write the columns' names there.",
        )
    return delimiter, names
