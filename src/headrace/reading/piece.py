"""A piece of a source's data: rows that share one set of columns, read in the order in which they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from headrace.aggregations.states import Array
    from headrace.schema import Schema

__all__ = ["Batch", "Piece", "Place"]


class Batch(NamedTuple):
    """Raw rows.

    Attributes:
        rows: The rows.
        first: The place in its piece of the first of them.
        places: The place of each, int64; None where one follows the other.
        suspects: For which rows the screen is true, bool; None where nobody asked.
    """

    rows: pa.RecordBatch
    first: int
    places: Array | None = None
    suspects: Array | None = None

    def at(self, rows: Array) -> Array:
        """The places of some of the rows."""
        return rows + self.first if self.places is None else self.places[rows]


class Place(NamedTuple):
    """Where rows lie.

    Attributes:
        file: The file; "" for a table in memory.
        rows: Their places in it, counted from 0, int64.
    """

    file: str
    rows: Array


class Piece(Protocol):
    """Rows that share one set of columns.

    Every method raises DataError when the data cannot be read.
    """

    @property
    def what(self) -> str:
        """What it is, for messages: `file 'a.csv'`."""
        ...

    @property
    def columns(self) -> pa.Schema:
        """The columns that are there."""
        ...

    def checked(self, schema: Schema, *, allow_infinite: bool) -> list[str]:
        """The schema's columns whose values may spoil a row, or that are part of every batch anyway."""
        ...

    def batches(self, names: Sequence[str], screen: str = "") -> Iterator[Batch]:
        """The rows in their order, with at least these columns.

        Args:
            names: The columns.
            screen: SQL that may be asked of each row; see `Batch.suspects`.
        """
        ...

    @property
    def complete(self) -> bool:
        """Whether every batch has all columns that are there."""
        ...

    def whole(self, places: Array) -> pa.Table:
        """The rows at some ascending places, all their columns; not asked where batches are complete."""
        ...

    def places(self, places: Array) -> list[Place]:
        """Where ascending places of the piece lie."""
        ...

    def unreadable(self, schema: Schema) -> pa.Table | None:
        """What no batch held because it is no row: `row`, `reason`, `rule`, `ordinal`; at the end."""
        ...
