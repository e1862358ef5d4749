"""The batch of a source: its table in memory, or its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.definitions.source import InMemory
from headrace.errors import DataError
from headrace.reading.locate import locate
from headrace.tables import table_of

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from headrace.definitions.source import Source

__all__ = ["batch_files", "batch_table"]


def batch_table(source: Source) -> pa.Table:
    """The table in memory that a source's batch is.

    Raises:
        DataError: The registry remembers only that there was one.
    """
    if isinstance(source.batch, InMemory):
        raise DataError(
            f"The batch of source {source.name!r} was a table in memory, which the registry does not keep.",
            asked=source.name,
            remedy="Work where the definitions are loaded, or write the table to a file.",
        )
    return table_of(source.batch, f"batch of source {source.name!r}")


def batch_files(source: Source, directory: Path) -> list[Path]:
    """The files of a source's batch, in the order of their names.

    Raises:
        DataError: There are none, or they cannot be read.
    """
    if source.batch is None:
        raise DataError(
            f"Source {source.name!r} has no batch.", asked=source.name, remedy='Give batch="data/*.parquet".'
        )
    return locate(source.batch, directory, f"source {source.name!r}")
