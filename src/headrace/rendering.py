"""Rows as people read them: one way to write a value, plain tables for terminals, HTML for notebooks."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from headrace.clock import format_instant, instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["html_table", "is_number", "plain_table", "written"]

_NOTHING = "-"
_GAP = "  "


def written(value: Any, width: int | None = None) -> str:
    """A value in one line of text.

    Args:
        value: Anything a table or answer holds. Instants are RFC 3339 UTC; nothing is `-`.
        width: The most characters; what is longer ends in an ellipsis.
    """
    text = " ".join(_text(value).split("\n"))
    return text if width is None or len(text) <= width else text[: width - 1] + "…"


def _text(value: Any) -> str:
    match value:
        case None:
            text = _NOTHING
        case bool():
            text = "true" if value else "false"
        case float():
            text = f"{value:.6g}" if abs(value) < 1e6 else repr(value)
        case dt.datetime():
            text = format_instant(instant(value))
        case bytes():
            text = "0x" + value.hex()
        case Mapping():
            text = "{" + ", ".join(f"{_text(key)}: {_text(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            text = "[" + ", ".join(map(_text, value)) + "]"
        case _:
            text = str(value)
    return text


def is_number(value: Any) -> bool:
    """Whether a value stands at the right of its column."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def plain_table(names: Sequence[str], rows: Iterable[Sequence[Any]], width: int | None = None) -> str:
    """A table in aligned columns, without lines.

    Args:
        names: The columns' names.
        rows: The rows' values, as many as there are names.
        width: The most characters of a cell; None for as many as it takes.

    Examples:
        >>> print(plain_table(["feature", "rows"], [["ctr_7d", 12], ["spend", None]]))
        feature  rows
        ctr_7d     12
        spend       -
    """
    values = [list(row) for row in rows]
    cells = [[written(value, width) for value in row] for row in values]
    heads = [written(name, width) for name in names]
    widths = [max(len(row[at]) for row in [heads, *cells]) for at in range(len(heads))]
    right = [_stands_right([row[at] for row in values]) for at in range(len(heads))]
    lines = []
    for row in [heads, *cells]:
        parts = [
            cell.rjust(size) if at_right else cell.ljust(size)
            for cell, size, at_right in zip(row, widths, right, strict=True)
        ]
        lines.append(_GAP.join(parts).rstrip())
    return "\n".join(lines)


def html_table(names: Sequence[str], rows: Iterable[Sequence[Any]], width: int | None = None) -> str:
    """The same as an HTML table, every text escaped."""
    values = [list(row) for row in rows]
    head = "".join(f"<th>{html.escape(written(name, width))}</th>" for name in names)
    body = []
    for row in values:
        cells = []
        for value in row:
            style = ' style="text-align: right"' if is_number(value) else ""
            cells.append(f"<td{style}>{html.escape(written(value, width))}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _stands_right(column: Sequence[Any]) -> bool:
    present = [value for value in column if value is not None]
    return bool(present) and all(map(is_number, present))
