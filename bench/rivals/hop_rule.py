"""The window rule in SQL, for four windows: what counts has `floor((t - W) / h) * h <= ts` and `ts < t`."""

from __future__ import annotations

from typing import Final

from bench.inputs import US_PER_SECOND

WINDOWS: Final[dict[str, tuple[int, int]]] = {
    name: (length * US_PER_SECOND, hop * US_PER_SECOND)
    for name, length, hop in (
        ("1h", 3_600, 300),
        ("1d", 86_400, 3_600),
        ("7d", 7 * 86_400, 3_600),
        ("30d", 30 * 86_400, 86_400),
    )
}
"""Window -> (length, default hop), microseconds: the largest of 1s .. 1d that is at most a twelfth."""

SHORTEST: Final = "1h"
LONGEST: Final = "30d"


def edge(window: str, t: str) -> str:
    """The first instant that counts at `t`, SQL in microseconds (after 1970: `//` truncates)."""
    length, hop = WINDOWS[window]
    return f"(({t} - {length}) // {hop} * {hop})"
