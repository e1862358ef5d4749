"""The pieces of a batch: what its files or its table are read as."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace.reading.database import open_database
from headrace.reading.delimited import DelimitedPiece
from headrace.reading.in_memory import InMemoryPiece
from headrace.reading.json_lines import JsonLinesPiece
from headrace.reading.locate import kind_of
from headrace.reading.parquet import parquet_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from headrace.reading.piece import Piece
    from headrace.schema import Schema

__all__ = ["opened_pieces"]


@contextmanager
def opened_pieces(
    table: pa.Table | None,
    paths: Sequence[Path],
    schema: Schema,
    memory: str | int | None = None,
    threads: int | None = None,
    *,
    having: tuple[str, pa.Array] | None = None,
) -> Iterator[Sequence[Piece]]:
    """The pieces, which can be read while the context is open.

    Args:
        table: A table in memory; None for files.
        paths: The files, all of one kind.
        schema: The source's frozen schema.
        memory: The most that DuckDB may hold: bytes, or a size such as "2GB".
        threads: How many threads read.
        having: A column and values: rows that have none of them may be left out, where that is cheap.

    Raises:
        DataError: A file cannot be read.
    """
    if table is not None:
        yield [InMemoryPiece(table)]
        return
    if not paths:
        yield []
        return
    database = open_database(memory, threads)
    try:
        match kind_of(paths[0]):
            case "parquet":
                yield parquet_pieces(database, paths, having)
            case "csv":
                yield [DelimitedPiece(database, path, list(schema)) for path in paths]
            case _:
                yield [JsonLinesPiece(database, path, schema) for path in paths]
    finally:
        database.close()
