"""Tables in memory, read as files are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.reading.database import BATCH_ROWS
from headrace.reading.piece import Batch, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from headrace.aggregations.states import Array
    from headrace.schema import Schema

__all__ = ["InMemoryPiece"]


class InMemoryPiece:
    """One table."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.what = "table in memory"
        self.complete = True
        self.columns: pa.Schema = table.schema

    def checked(self, schema: Schema, *, allow_infinite: bool) -> list[str]:
        """All columns: to look at them costs little."""
        del allow_infinite
        return list(schema)

    def batches(self, names: Sequence[str], screen: str = "") -> Iterator[Batch]:
        """Slices of the table, without a copy, all its columns."""
        del names, screen
        first = 0
        chunks = max((column.num_chunks for column in self._table.columns), default=1)
        table = self._table
        if chunks > 1 and table.num_rows < chunks * 1_000:  # many small pieces cost more than their copy
            table = table.combine_chunks()
        for rows in table.to_batches(max_chunksize=BATCH_ROWS):
            yield Batch(rows, first)
            first += rows.num_rows

    def whole(self, places: Array) -> pa.Table:
        """Batches are complete."""
        raise AssertionError(self.what)

    def places(self, places: Array) -> list[Place]:
        """Places in the table."""
        return [Place("", places)]

    def unreadable(self, schema: Schema) -> pa.Table | None:
        """Nothing: a table has rows only."""
        del schema
        return None
