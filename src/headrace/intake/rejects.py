"""Rows that are not counted: as JSON text, with the rule they break and the reason in words."""

from __future__ import annotations

import json
import math
from collections import Counter
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.lazy import compute as pc
from headrace.lazy import numpy as np
from headrace.lazy import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from headrace.aggregations.states import Array

__all__ = [
    "EXPRESSION",
    "RULES",
    "Fault",
    "merged",
    "no_rejects",
    "reasons_of",
    "rejected",
    "rejects_of",
    "row_texts",
    "rows_at",
    "rules_of",
]

RULES = ("malformed", "uncastable", "infinite", "no_time", "no_key", "out_of_range", "future")
"""What can be wrong with a row whatever its source says, in the order in which reasons are told."""

EXPRESSION = "expression"
"""Why a row is reported on which an expression fails: it counts for what does not read the expression."""

_SHOWN = 80
"""How much of a value a reason shows, in characters."""


class Fault(NamedTuple):
    """Something wrong with some rows of a batch.

    Attributes:
        rule: One of `RULES`, or the name of one of the source's own.
        column: The column it is about.
        mask: Which rows, bool.
        reason: What is wrong, with `{value}` where the column's value stands.
    """

    rule: str
    column: str
    mask: Array
    reason: str


def rejects_of(
    rows: Sequence[str],
    reasons: Sequence[str],
    rules: Sequence[str],
    ordinals: Iterable[int | None],
    *,
    also: Sequence[Sequence[tuple[str, str]]] = (),
    lines: Iterable[int | None] = (),
) -> pa.Table:
    """A table of rejected rows; `origin`, the file they lie in, is "" until it is known.

    Args:
        rows: The rows as JSON text.
        reasons: Why, in words.
        rules: What each breaks first: one of `RULES`, or a rule of the source.
        ordinals: The rows' places in what was read, counted from 0; None where it has none.
        also: What else each breaks: rule and reason; nothing by default.
        lines: The lines of those that are no rows, counted from 1; none by default.
    """
    n = len(rows)
    broken = pa.list_(pa.struct([("rule", pa.string()), ("reason", pa.string())]))
    more = [[{"rule": rule, "reason": reason} for rule, reason in each] for each in also]
    columns = (
        pa.array(rows, pa.string()), pa.array(reasons, pa.string()), pa.array(rules, pa.string()),
        pa.array(ordinals, pa.int64()), pa.array(more or [[]] * n, broken),
        pa.array(list(lines) or [None] * n, pa.int64()), pa.array([""] * n, pa.string()),
    )  # fmt: skip
    return pa.table(columns, names=["row", "reason", "rule", "ordinal", "also", "line", "origin"])


def no_rejects() -> pa.Table:
    """A table of no rejected rows."""
    return rejects_of([], [], [], [])


def rejected(
    batch: pa.RecordBatch, faults: Sequence[Fault], first: int, *, described: bool = True
) -> pa.Table:
    """The rows of a batch that something is wrong with, each once, with all that is.

    Args:
        batch: The rows as they came.
        faults: What is wrong with them, what counts first in front.
        first: The place of the batch's first row.
        described: Whether to write out rows and reasons; else both are empty texts.
    """
    if not any(fault.mask.any() for fault in faults):
        return no_rejects()
    pairs = [np.flatnonzero(fault.mask) for fault in faults]
    row = np.concatenate(pairs)
    order = np.argsort(row, kind="stable")
    at, starts = np.unique(row[order], return_index=True)
    which = np.repeat(np.arange(len(faults)), [len(each) for each in pairs])[order]
    if not described:
        none = [""] * len(at)
        return rejects_of(none, none, [faults[place].rule for place in which[starts]], (at + first).tolist())
    values = _row_values(rows_at(batch, at))
    told = [
        [(faults[place].rule, _told(faults[place], value)) for place in places]
        for places, value in zip(np.split(which, starts[1:]), values, strict=True)
    ]
    return rejects_of(
        [_text(each) for each in values],
        [each[0][1] for each in told],
        [each[0][0] for each in told],
        (at + first).tolist(),
        also=[each[1:] for each in told],
    )


def _told(fault: Fault, row: Mapping[str, Any]) -> str:
    return fault.reason.replace("{value}", _shown(row.get(fault.column)))


def reasons_of(rejects: pa.Table) -> list[list[tuple[str, str]]]:
    """All rules that each row breaks, and why, in words."""
    first = zip(*(rejects.column(name).to_pylist() for name in ("rule", "reason")), strict=True)
    rest = ([(each["rule"], each["reason"]) for each in also] for also in rejects.column("also").to_pylist())
    return [[one, *others] for one, others in zip(first, rest, strict=True)]


def rules_of(rejects: pa.Table) -> dict[str, int]:
    """How many rows break each rule, by its name; one that breaks several is counted for each."""
    broken = Counter(rule for reasons in reasons_of(rejects) for rule in {rule for rule, _ in reasons})
    return dict(sorted(broken.items()))


def merged(parts: Sequence[pa.Table]) -> pa.Table:
    """Rejected rows of one batch, found by several looks at it: each once, by its place, with all reasons."""
    whole = pa.concat_tables([no_rejects(), *parts])
    ordinals = whole.column("ordinal").to_pylist()
    if len(set(ordinals)) == len(ordinals):
        return whole
    found: dict[int, tuple[str, dict[tuple[str, str], None]]] = {}
    for ordinal, row, reasons in zip(
        ordinals, whole.column("row").to_pylist(), reasons_of(whole), strict=True
    ):
        found.setdefault(ordinal, (row, {}))[1].update(dict.fromkeys(reasons))
    told = [(ordinal, row, list(reasons)) for ordinal, (row, reasons) in sorted(found.items())]
    return rejects_of(
        [row for _, row, _ in told],
        [reasons[0][1] for _, _, reasons in told],
        [reasons[0][0] for _, _, reasons in told],
        [ordinal for ordinal, _, _ in told],
        also=[reasons[1:] for _, _, reasons in told],
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
