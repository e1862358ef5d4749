"""What is to be done about a Redis that should serve, where it cannot be used."""

from __future__ import annotations

from redis import exceptions

from headrace.drivers import redis_errors
from headrace.errors import StoreError, UnreachableError
from headrace.stores.redis_vouching import NotVouchedForError

__all__ = ["ADDRESS", "explain"]

ADDRESS = "Correct [online] url, or HEADRACE_ONLINE__URL; signs such as / are %2F in a password."
"""What to do about an address that is none."""

_REMEDIES: redis_errors.Remedies = {
    exceptions.AuthenticationError: (
        "Correct the user and password in [online] url, or in HEADRACE_ONLINE__URL."
    ),
    exceptions.NoPermissionError: (
        "Allow the user the project's keys and the commands that docs/cli.md names."
    ),
    exceptions.OutOfMemoryError: (
        "Give it more maxmemory, or keep fewer generations; nothing is lost, Redis is a copy."
    ),
    exceptions.TimeoutError: "See whether it is overloaded, or raise [online] timeout.",
    exceptions.ConnectionError: (
        "Start it, or correct [online] url; where loads run, headrace materialize --refill fills it again."
    ),
}


def explain(error: Exception, place: str) -> StoreError:
    """A StoreError that says what happened.

    Args:
        error: What the driver raised.
        place: The server, without user and password.
    """
    if isinstance(error, NotVouchedForError):
        return UnreachableError(
            f"Redis at {place} was restarted and has not been filled again: what it holds may be old.",
            asked=place,
            remedy="A server, load or push of the host that loads fills it; "
            "or run: headrace materialize --refill.",
        )
    return redis_errors.explain(error, place, _REMEDIES)
