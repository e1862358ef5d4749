"""What is to be done about a Redis whose streams are to be read, where it cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis import exceptions

from headrace.drivers import redis_errors
from headrace.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ADDRESS", "PREFIX", "explain"]

PREFIX = "HEADRACE_REDIS__"
"""What the environment variables begin with that set options of connections."""

ADDRESS = "Correct url of the source's RedisStream."
"""What to do about an address that is none."""

_REMEDIES: redis_errors.Remedies = {
    exceptions.AuthenticationError: "Correct HEADRACE_REDIS__USERNAME and HEADRACE_REDIS__PASSWORD.",
    exceptions.NoPermissionError: "Allow that user XRANGE and XINFO on the stream, and XGROUP to be seen.",
    exceptions.ConnectionError: (
        "Start it, or correct url of the source's RedisStream; reading goes on by itself."
    ),
}


def explain(error: Exception, place: str, keys: Sequence[str]) -> StoreError:
    """A StoreError that says what happened.

    Args:
        error: What the driver raised.
        place: The server, without user and password.
        keys: What was to be read.
    """
    if "WRONGTYPE" in str(error):
        return StoreError(
            f"Redis at {place} holds something else than streams under {', '.join(keys)}.",
            asked=keys[0],
            remedy="Correct key of the source's RedisStream, or delete what is there.",
        )
    return redis_errors.explain(error, place, _REMEDIES)
