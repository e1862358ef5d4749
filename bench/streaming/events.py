"""The events: impressions and clicks of users, as JSON, drawn anew from a seed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import numpy as np

from bench.inputs import START_US, US_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

SPAN_US: Final = 3_600 * US_PER_SECOND
ADS: Final = 5_000
EXPONENT: Final = 1.1
_SEED: Final = 11


def messages(events: int, users: int, *, zipf: bool) -> Iterator[tuple[str, bytes]]:
    """Each event's user and its message, in the order of time, over one hour.

    Args:
        events: How many.
        users: Of how many users.
        zipf: Whether the n-th user has a share of n ** -1.1; else all have the same.
    """
    rng = np.random.default_rng(_SEED)
    who = _by_popularity(rng, events, users) if zipf else rng.integers(0, users, events)
    times = START_US + np.sort(rng.integers(0, SPAN_US, events))
    click = rng.integers(0, 10, events) == 0
    price, ad = rng.integers(1, 10_000, events), rng.integers(0, ADS, events)
    columns = (who.tolist(), times.tolist(), click.tolist(), price.tolist(), ad.tolist())
    for place, (user, at, clicked, cost, shown) in enumerate(zip(*columns, strict=True)):
        yield f"u{user}", message(f"u{user}", at, f"e{place:012d}", clicked, cost, shown)


def message(user: str, at: int, event_id: str, clicked: bool, cost: int, ad: int) -> bytes:  # noqa: FBT001
    """One event as JSON; times in microseconds, prices in ten-thousandths."""
    whole = {
        "user_id": user,
        "ts": str(np.datetime64(at, "us")) + "Z",
        "id": event_id,
        "event": "click" if clicked else "impression",
        "price": f"{cost / 10_000:.4f}",
        "ad_id": ad,
    }
    return json.dumps(whole).encode()


def _by_popularity(
    rng: np.random.Generator, events: int, users: int
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    shares = 1 / np.arange(1, users + 1) ** EXPONENT
    return rng.choice(users, events, p=shares / shares.sum())
