"""How hard drawn cases try: their usual number in `make test`, a hundred times that in `make soak`."""

from __future__ import annotations

import os

SOAKING = os.environ.get("HEADRACE_SOAK") == "1"
FACTOR = 100


def cases(usual: int) -> int:
    """The number of cases to draw.

    Args:
        usual: The number in `make test`.

    Returns:
        `usual`, or a hundred times that in `make soak`; as in `@settings(max_examples=cases(500))`.
    """
    return usual * FACTOR if SOAKING else usual
