"""Rules as SQL that tells rows which may break one: asked in the query that reads, so that few are judged.

What is told is a suspicion: every row that breaks the rule has it, others may. The verdict is the rule's own,
see `headrace.intake.value_rules`; it is asked only of rows under suspicion.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from headrace.intake.locked import quoted

if TYPE_CHECKING:
    from headrace.definitions.rules import Rule
    from headrace.schema import Type

__all__ = ["suspicion"]

_MANY = 64
"""Longer lists of values are judged where they always are."""

_SAFE = r"[A-Za-z0-9_ @:#%&=<>~`!;\"'/,-]"
_SIMPLE = re.compile(rf"\^?((?:{_SAFE}|\[(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_])+\])+)\+?")
"""Patterns of texts and classes of ASCII one after another, the last one perhaps again and again."""


def suspicion(rule: Rule, of: Type, bounds: tuple[Any, Any] | None) -> str | None:
    """SQL that is true for all rows that break a rule, and may be for others; None where there is none.

    Args:
        rule: The rule, on a column.
        of: The column's type; rows must hold it as Arrow does, before NaN is null.
        bounds: The bounds of a range as the type's values lie in memory.
    """
    column = quoted(rule.column)
    match rule.kind, of.name:
        case "not_null", "string":
            return f"{column} IS NULL OR {column} < '!' OR {column} >= chr(127)"
        case "not_null", _:
            return f"{column} IS NULL OR isnan({column})" if of.name == "double" else f"{column} IS NULL"
        case "range", ("int64" | "double"):
            low, high = bounds or (None, None)
            below = [] if low is None else [f"{column} < {_number(low, of)}"]
            above = [] if high is None else [f"{column} > {_number(high, of)}"]
            return " OR ".join([*below, *above]) or None
        case "enum", ("string" | "int64"):
            return _outside(column, rule.arguments["values"], of)
        case "regex", _:
            return _unlike(column, rule.arguments["pattern"])
        case _:
            return None


def _outside(column: str, values: tuple[Any, ...], of: Type) -> str | None:
    if len(values) > _MANY or (of.name == "string" and any("\0" in value for value in values)):
        return None
    texts = [_text(each) if of.name == "string" else _number(int(each), of) for each in values]
    return f"{column} NOT IN ({', '.join(texts)})"


def _unlike(column: str, pattern: str) -> str | None:
    """Not like a simple pattern; `u[0-9]+` matches from the start what begins with `u[0-9]`."""
    simple = _SIMPLE.fullmatch(pattern)
    return None if simple is None else f"NOT {column} GLOB {_text(simple[1] + '*')}"


def _number(value: float, of: Type) -> str:
    return f"CAST('{value!r}' AS {'DOUBLE' if of.name == 'double' else 'BIGINT'})"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
