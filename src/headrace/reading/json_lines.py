"""JSON Lines: one object a line, read as texts; a key that a line lacks is null, other lines are told apart.

A number with a point or an exponent is read as a double: money with more than 15 digits belongs in a text.
"""

from __future__ import annotations

import functools
import json
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.errors import DataError
from headrace.intake.locked import quoted, selection
from headrace.intake.rejects import rejects_of
from headrace.reading.database import BATCH_ROWS, literal, reading_of
from headrace.reading.lines import first_line_of, lines_of
from headrace.reading.piece import Batch, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import duckdb

    from headrace.aggregations.states import Array
    from headrace.schema import Schema

__all__ = ["JsonLinesPiece", "refuse_document"]


class JsonLinesPiece:
    """One JSON Lines file."""

    def __init__(self, database: duckdb.DuckDBPyConnection, path: Path, schema: Schema) -> None:
        """Look at the first line.

        Args:
            database: What reads.
            path: The file.
            schema: The source's frozen schema.

        Raises:
            DataError: The file cannot be read, or is one JSON document.
        """
        refuse_document(path)
        self._database = database
        self._path = path
        self._lost = 0
        self.what = f"file {str(path)!r}"
        self.complete = True
        self.columns = pa.schema([(name, pa.string()) for name in schema])

    def checked(self, schema: Schema, *, allow_infinite: bool) -> list[str]:
        """All columns: a line is taken apart anyway."""
        del allow_infinite
        return list(schema)

    def batches(self, names: Sequence[str], screen: str = "") -> Iterator[Batch]:
        """The objects in their order; those without any of the columns are left to `unreadable`."""
        del names, screen
        first = 0
        columns = ", ".join(quoted(name) for name in self.columns.names)
        with reading_of(self._path):
            for rows in self._database.sql(selection(columns, self._scan())).to_arrow_reader(BATCH_ROWS):
                # DuckDB makes a row of nulls of a line that it cannot read.
                nothing = functools.reduce(operator.and_, (_null(column) for column in rows.columns))
                if nothing.any():
                    self._lost += int(nothing.sum())
                    yield Batch(rows.filter(pa.array(~nothing)), first, first + np.flatnonzero(~nothing))
                else:
                    yield Batch(rows, first)
                first += rows.num_rows

    def whole(self, places: Array) -> pa.Table:
        """Batches are complete."""
        raise AssertionError(self.what)

    def places(self, places: Array) -> list[Place]:
        """Places in the file."""
        return [Place(str(self._path), places)]

    def unreadable(self, schema: Schema) -> pa.Table | None:
        """Lines that are no JSON objects, or have none of the schema's columns."""
        if not self._lost:
            return None
        rows: list[str] = []
        reasons: list[str] = []
        rules: list[str] = []
        lines: list[int | None] = []
        for number, line in enumerate(lines_of(self._path), start=1):
            verdict = _verdict(line, schema)
            if verdict and len(rows) < self._lost:
                rule, reason = verdict
                text = line.decode(errors="backslashreplace")
                rows.append(text if rule == "no_time" else json.dumps(text, ensure_ascii=False))
                reasons.append(f"line {number}: {reason}")
                rules.append(rule)
                lines.append(number)
        for _ in range(self._lost - len(rows)):  # DuckDB is stricter than Python about a line
            rows.append("null")
            reasons.append("a line that DuckDB cannot read")
            rules.append("malformed")
            lines.append(None)
        return rejects_of(rows, reasons, rules, [None] * len(rows), lines=lines)

    def _scan(self) -> str:
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in self.columns.names)
        return (
            f"read_json({literal(self._path)}, format = 'newline_delimited', columns = {{{columns}}}, "
            "ignore_errors = true)"
        )


def refuse_document(path: Path) -> None:
    """Check that a file does not begin as a JSON array.

    Raises:
        DataError: It does, or it cannot be read.
    """
    if first_line_of(path).lstrip()[:1] == b"[":
        raise DataError(
            f"The file {str(path)!r} is one JSON document, not JSON Lines.",
            asked=path,
            remedy="Write one object a line, without brackets and commas around them.",
        )


def _verdict(line: bytes, schema: Schema) -> tuple[str, str] | None:
    """What is wrong with a line of which DuckDB made nothing; None if it is a row after all, or blank."""
    if not line.strip():
        return None
    try:
        value: Any = json.loads(line)
    except ValueError as error:
        return "malformed", f"no JSON: {error}"
    if not isinstance(value, dict):
        return "malformed", "no JSON object"
    if all(value.get(name) is None for name in schema):
        return "no_time", "it has none of the source's columns"
    return None


def _null(column: pa.Array) -> Array:
    null: Array = pc.is_null(column).to_numpy(zero_copy_only=False)
    return null
