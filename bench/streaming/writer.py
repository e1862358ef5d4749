"""Writes events to a file as fast as it is told, each with the instant it is written at."""

from __future__ import annotations

import sys
import time

import numpy as np

from bench.streaming.events import ADS, message

_STEP = 0.01
"""Seconds between two writes."""


def main(path: str, rate: int, users: int, seconds: int) -> None:
    """Write `rate` events a second of `users` users."""
    rng = np.random.default_rng(7)
    begun, count = time.time(), 0
    with open(path, "ab", buffering=0) as file:  # noqa: PTH123 - without a buffer
        while (passed := time.time() - begun) < seconds:
            due = int(passed * rate) - count
            drawn = zip(
                rng.integers(0, users, due).tolist(),
                rng.integers(0, ADS, due).tolist(),
                range(count, count + due),
                strict=True,
            )
            now = int(time.time() * 1e6)
            file.write(
                b"".join(message(f"u{u}", now, f"w{n}", n % 10 == 0, 1_000, ad) + b"\n" for u, ad, n in drawn)
            )
            count += due
            time.sleep(_STEP)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
