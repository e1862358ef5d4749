"""The DuckDB instance that reads files: apart from the locked one that evaluates expressions."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace.errors import DataError
from headrace.intake.expressions import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

__all__ = ["BATCH_ROWS", "literal", "open_database", "reading_of"]

BATCH_ROWS = 131_072
"""Rows of a batch, at most; DuckDB reads Parquet in groups of about as many."""


def open_database(memory: str | int | None = None, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """An instance of its own.

    Args:
        memory: The most it may hold: bytes, or a size such as "2GB"; None for DuckDB's choice.
        threads: How many threads read; None for as many as there are cores.

    Raises:
        DataError: The memory or the number of threads is none.
    """
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if memory is not None:
        config["memory_limit"] = f"{memory}B" if isinstance(memory, int) else memory
    if threads is not None:
        config["threads"] = threads
    try:
        database = duckdb.connect(":memory:", config=config)
    except duckdb.Error as error:
        raise DataError(
            f"Files cannot be read with memory {memory!r} and threads {threads!r}: {first_line(error)}.",
            asked=memory,
            remedy='Give memory as "2GB", for example.',
        ) from error
    for setting in (
        "TimeZone = 'UTC'",
        "preserve_insertion_order = true",
        "python_enable_replacements = false",
    ):
        database.execute(f"SET {setting}")
    return database


@contextmanager
def reading_of(
    path: Path | str, remedy: str = "Check that it is whole and what its suffix says."
) -> Iterator[None]:
    """What DuckDB cannot read is a DataError that names the file.

    Args:
        path: The file.
        remedy: What to do about it.
    """
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise DataError(
            f"The memory budget is too small to read {str(path)!r}: {first_line(error)}.",
            asked=path,
            remedy="Raise [offline] memory.",
        ) from error
    except duckdb.Error as error:
        raise DataError(
            f"The file {str(path)!r} cannot be read: {first_line(error)}.",
            asked=path,
            remedy=remedy,
        ) from error


def literal(text: str | Path) -> str:
    """A text in SQL."""
    return "'" + str(text).replace("'", "''") + "'"
