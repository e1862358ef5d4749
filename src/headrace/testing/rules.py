"""The oracle of rules: what rows and values break, one value at a time, in slow and obvious Python.

Nothing here is shared with what it judges. Rows are dicts of clean values, as for `headrace.testing.oracle`:
None for null, int microseconds UTC for timestamps, `datetime.date` for dates, `Decimal` for decimals.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from headrace.testing.formulas import ordered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from headrace.definitions.rules import Rule
    from headrace.schema import Type

__all__ = ["breaks", "broken_by_rows"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def broken_by_rows(
    rules: Sequence[Rule],
    rows: Sequence[Mapping[str, Any]],
    schema: Mapping[str, Type],
    *,
    timestamp: str,
    available_at: str | None = None,
    conditions: Mapping[str, Callable[[Mapping[str, Any]], bool | None]] | None = None,
) -> list[list[str]]:
    """What each row breaks: rules in their order, `unique` after all others.

    Args:
        rules: The rules of a source.
        rows: Rows of which every value could be read, and which have a time.
        schema: The source's frozen schema.
        timestamp: The column of event times.
        available_at: The column that says when a row could be known.
        conditions: What a custom rule's condition says of a row, by the rule's name.
    """
    found: list[list[str]] = [[] for _ in rows]
    for rule in rules:
        if rule.kind == "unique":
            continue
        name = rule.arguments["name"] if rule.kind == "custom" else rule.column
        for row, told in zip(rows, found, strict=True):
            if rule.kind == "custom":
                judged = not rule.column or row[rule.column] is not None
                fails = judged and (conditions or {})[name](row) is not True
            else:
                fails = breaks(rule, row[rule.column], schema[rule.column])
            if fails:
                told.append(f"{rule.kind}({name})")
    good = [place for place, told in enumerate(found) if not told]
    for rule in rules:
        if rule.kind == "unique":
            for place in _repeating(rule.column, rows, good, schema, timestamp, available_at):
                found[place].append(f"unique({rule.column})")
    return found


def _repeating(
    column: str,
    rows: Sequence[Mapping[str, Any]],
    good: Sequence[int],
    schema: Mapping[str, Type],
    timestamp: str,
    available_at: str | None,
) -> list[int]:
    """The rows whose value one has that is known first, by (known, event time, bytes), then by its place."""

    def rank(place: int) -> tuple[Any, ...]:
        row = rows[place]
        time = row[timestamp]
        available = None if available_at is None else row[available_at]
        known = time if available is None else max(time, available)
        return known, time, [ordered(row[name]) for name in sorted(schema)], place

    first: dict[Any, int] = {}
    for place in good:
        value = rows[place][column]
        if value is not None and (value not in first or rank(place) < rank(first[value])):
            first[value] = place
    return [place for place in good if (v := rows[place][column]) is not None and first[v] != place]


def breaks(rule: Rule, value: Any, of: Type) -> bool:
    """Whether one value breaks a rule that looks at one value at a time: neither unique nor custom.

    Args:
        rule: The rule.
        value: The value, None for null; NaN only where it is a feature's.
        of: Its type.
    """
    if rule.kind == "not_null":
        return value is None or (isinstance(value, str) and not value.strip())
    if value is None:
        return False
    match rule.kind:
        case "range":
            return not _inside(value, rule.arguments.get("min"), rule.arguments.get("max"), of)
        case "enum":
            return not any(_number(value) == _number(each) for each in rule.arguments["values"])
        case "regex":
            # In RE2 `$` is the very end, and \d, \w, \s are of ASCII.
            pattern = re.sub(r"(?<!\\)\$", r"\\Z", rule.arguments["pattern"])
            return re.match(pattern, value, re.ASCII) is None
        case _:
            raise AssertionError(rule.kind)


def _inside(value: Any, low: Any, high: Any, of: Type) -> bool:
    """Whether a value lies between two bounds, both included; NaN lies nowhere."""
    if isinstance(value, float) and math.isnan(value):
        return False
    exact = _instant(value) if of.name in {"timestamp", "date"} else Decimal(value)
    if of.name in {"timestamp", "date"}:
        bounds = [None if each is None else _instant(each) for each in (low, high)]
    elif of.name == "double":  # a bound of doubles is a double, so that min=0.1 includes 0.1
        bounds = [None if each is None else Decimal(float(each)) for each in (low, high)]
    else:
        bounds = [None if each is None else Decimal(str(each)) for each in (low, high)]
    return (bounds[0] is None or exact >= bounds[0]) and (bounds[1] is None or exact <= bounds[1])


def _instant(value: Any) -> Decimal:
    """The microseconds of an instant: of a text, a day's begin, or as they are."""
    if isinstance(value, int):
        return Decimal(value)
    text = value if isinstance(value, str) else value.isoformat()
    at = dt.datetime.fromisoformat(text)
    return Decimal(((at if at.tzinfo else at.replace(tzinfo=dt.UTC)) - _EPOCH) // _MICROSECOND)


def _number(value: Any) -> Any:
    """Numbers by their value, truths apart from them."""
    if isinstance(value, bool):
        return ("truth", value)
    return Decimal(str(value)) if isinstance(value, int | float | Decimal) else value
