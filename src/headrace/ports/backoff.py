"""How long to wait between two tries of what others may be doing at the same moment."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["pauses"]

_LEAST = 0.002
_MOST = 0.1


def pauses(tries: int) -> Iterator[float]:
    """Seconds to wait before each further try: doubling up to a tenth of a second, each drawn anew.

    They are drawn so that those who collided once do not collide again; nothing else depends on them.

    Args:
        tries: How many further tries there are.
    """
    longest = _LEAST
    for _ in range(tries):
        yield random.uniform(longest / 2, longest)  # noqa: S311 - spreads tries, hides nothing
        longest = min(2 * longest, _MOST)
