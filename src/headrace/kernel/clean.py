"""Clean events: the columns that whoever reads them adds to those of their source."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.aggregations.states import Array

__all__ = ["COUNTS", "ENTITY", "KNOWN", "TIME", "condition_column", "instants"]

TIME, KNOWN = "__time", "__known"
"""Columns of clean events: event time and known instant, int64 microseconds."""

COUNTS = "__counts"
"""The column of whether a pushed event counts for a view; not there where all of them do."""

ENTITY = "__entity"
"""The column of an event's entity's number, int64, where somebody has numbered the entities."""


def condition_column(where: str) -> str:
    """The column that holds the value of a condition."""
    return f"__where_{hashlib.sha256(where.encode()).hexdigest()[:16]}"


def instants(events: pa.Table) -> tuple[Array, Array]:
    """The event times and known instants of clean events."""
    time, known = (
        events.column(name).combine_chunks().to_numpy(zero_copy_only=False) for name in (TIME, KNOWN)
    )
    return time, known
