"""Agreement: how near two answers must be. The oracle says how far off one may be; mostly not at all."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from headrace.aggregations.agreement import close

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.testing.formulas import Answer

__all__ = ["agree", "differences", "plain"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def plain(value: Any) -> Any:
    """A value as the oracle writes it, from what Arrow, NumPy or pandas make of it.

    Timestamps become int microseconds UTC; Arrow's maps, lists of pairs, become dicts; arrays become lists.
    """
    if isinstance(value, dt.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return (aware - _EPOCH) // _MICROSECOND
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(item, tuple) and len(item) == 2 for item in value):
            return {plain(key): plain(item) for key, item in value}
        return [plain(item) for item in value]
    if type(value).__module__ == "numpy":
        return plain(value.tolist())
    return value


def agree(expected: Answer, value: Any, status: str | None = None, event_time: int | None = None) -> bool:
    """Whether an answer is as near to the oracle's as section 4 of the design asks.

    Args:
        expected: The oracle's answer.
        value: The other's value, in any form `plain` takes.
        status: Its status; None if the caller has none to compare.
        event_time: Its event timestamp, microseconds UTC; compared when there is a status.
    """
    if status is not None and (status != expected.status or event_time != expected.event_time):
        return False
    return close(expected.value, plain(value), expected.slack)


def differences(
    expected: Sequence[Mapping[str, Answer]], columns: Mapping[str, Sequence[tuple[Any, str, int | None]]]
) -> list[str]:
    """Where two sets of answers disagree, one line each; empty if they agree.

    Args:
        expected: The oracle's answers, a mapping for each row of the spine.
        columns: Output column -> (value, status, event timestamp in microseconds UTC or None) for each row.
    """
    names = sorted({name for row in expected for name in row} | set(columns))
    found = []
    for name in names:
        if name not in columns or any(name not in row for row in expected):
            found.append(f"{name}: only one side has it")
            continue
        if len(columns[name]) != len(expected):
            found.append(f"{name}: {len(columns[name])} rows instead of {len(expected)}")
            continue
        for place, (row, (value, status, event_time)) in enumerate(zip(expected, columns[name], strict=True)):
            if not agree(row[name], value, status, event_time):
                found.append(
                    f"{name}, row {place}: {row[name]} expected, got {(plain(value), status, event_time)}"
                )
    return found
