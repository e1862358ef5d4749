"""What tables and files hold, in 64 characters: equal digests mean equal content."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from headrace.tables import without_views

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["file_digest", "table_digest"]

_HASHED_AT_ONCE = 1 << 16


def table_digest(table: pa.Table) -> str:
    """A SHA-256 over names, types and values of all columns; equal for equal rows in equal order."""
    whole = hashlib.sha256()
    table = without_views(table)
    for name in table.column_names:
        column = table[name]
        whole.update(f"{len(name)}:{name}:{column.type}\n".encode())
        for start in range(0, len(column), _HASHED_AT_ONCE):
            _hash_part(whole, column.slice(start, _HASHED_AT_ONCE))
    return whole.hexdigest()


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's bytes.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_part(whole: Any, column: pa.ChunkedArray) -> None:
    """Hash some values; what lies in memory under a null does not count."""
    part = column.combine_chunks()
    if part.null_count:
        whole.update(pa.record_batch([part.is_valid()], names=["valid"]).serialize())
        part = part.drop_null()
    whole.update(pa.record_batch([part], names=["values"]).serialize())
