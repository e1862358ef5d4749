"""Rows that are not counted: as JSON text, with the rule they break and the reason in words."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.lazy import compute as pc
from headrace.lazy import numpy as np
from headrace.lazy import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headrace.aggregations.states import Array

__all__ = ["RULES", "Fault", "no_rejects", "rejected", "rejects_of", "row_texts", "rows_at"]

RULES = ("malformed", "uncastable", "infinite", "no_time", "no_key", "out_of_range", "future")
"""What a row can break, in the order in which it is looked for; a row is rejected for the first."""

_SHOWN = 80
"""How much of a value a reason shows, in characters."""


class Fault(NamedTuple):
    """Something wrong with some rows of a batch.

    Attributes:
        rule: One of `RULES`.
        column: The column it is about.
        mask: Which rows, bool.
        reason: What is wrong, with `{value}` where the column's value stands.
    """

    rule: str
    column: str
    mask: Array
    reason: str


def rejects_of(
    rows: Sequence[str], reasons: Sequence[str], rules: Sequence[str], ordinals: Iterable[int | None]
) -> pa.Table:
    """A table of rejected rows.

    Args:
        rows: The rows as JSON text.
        reasons: Why, in words.
        rules: Which of `RULES` each breaks.
        ordinals: The rows' places in what was read, counted from 0; None where it has none.
    """
    columns = (
        pa.array(rows, pa.string()), pa.array(reasons, pa.string()), pa.array(rules, pa.string()),
        pa.array(ordinals, pa.int64()),
    )  # fmt: skip
    return pa.table(columns, names=["row", "reason", "rule", "ordinal"])


def no_rejects() -> pa.Table:
    """A table of no rejected rows."""
    return rejects_of([], [], [], [])


def rejected(batch: pa.RecordBatch, faults: Sequence[Fault], first: int) -> pa.Table:
    """The rows of a batch that break a rule, each with the first it breaks.

    Args:
        batch: The rows as they came.
        faults: What is wrong with them, in the order of `RULES`.
        first: The place of the batch's first row.
    """
    cause = np.full(batch.num_rows, -1, dtype=np.int64)
    for place, fault in enumerate(faults):
        cause[fault.mask & (cause < 0)] = place
    at = np.flatnonzero(cause >= 0)
    values = _row_values(rows_at(batch, at))
    causes = [faults[place] for place in cause[at]]
    reasons = [
        fault.reason.replace("{value}", _shown(row.get(fault.column)))
        for fault, row in zip(causes, values, strict=True)
    ]
    return rejects_of(
        [_text(row) for row in values], reasons, [fault.rule for fault in causes], (at + first).tolist()
    )


def rows_at(batch: pa.RecordBatch, at: Array) -> pa.RecordBatch:
    """Some rows of a batch of any types.

    Args:
        batch: The rows.
        at: Which, int64.
    """
    columns = [_taken(column, at) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _taken(column: pa.Array, at: Array) -> pa.Array:
    try:
        return column.take(pa.array(at))
    except pa.ArrowNotImplementedError:  # Arrow does not take from views of texts
        return pa.array([column[row].as_py() for row in at.tolist()])


def row_texts(batch: pa.RecordBatch | pa.Table) -> list[str]:
    """Each row as JSON text."""
    return [_text(row) for row in _row_values(batch)]


def _row_values(batch: pa.RecordBatch | pa.Table) -> list[dict[str, Any]]:
    """Each row as values that JSON has."""
    names = batch.schema.names
    columns = [_values(batch.column(place)) for place in range(len(names))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)] if columns else []


def _values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Values that JSON has; Arrow's own text for times, since Python's dates end before Arrow's."""
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        items = iter(
            _values(column.flatten() if isinstance(column, pa.Array) else column.combine_chunks().flatten())
        )
        lengths = pc.list_value_length(column).to_pylist()
        return [None if length is None else list(islice(items, length)) for length in lengths]
    try:
        plain = column.cast(pa.string()) if pa.types.is_temporal(kind) else column
        return [_jsonable(value) for value in plain.to_pylist()]
    except (
        pa.ArrowNotImplementedError,
        ValueError,
        OverflowError,
    ):  # an interval; such a time deep in a struct
        return [f"<{kind}>" if value.is_valid else None for value in column]


def _jsonable(value: Any) -> Any:  # noqa: PLR0911 - one for each kind of value
    match value:
        case float():
            return value if math.isfinite(value) else str(value)
        case bytes():
            return value.decode(errors="backslashreplace")
        case Decimal():
            return format(value, "f")
        case list() | tuple():
            return [_jsonable(item) for item in value]
        case dict():
            return {str(name): _jsonable(item) for name, item in value.items()}
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)


def _text(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
