"""What Redis and its driver say, in words that name the cause and the way out."""

from __future__ import annotations

from redis import exceptions

from headrace.errors import StoreError, UnreachableError
from headrace.stores.redis_connecting import NotVouchedForError

__all__ = ["FAILURES", "explain"]

FAILURES = (exceptions.RedisError, exceptions.RedisClusterException)
"""What the driver raises: the one is no kind of the other."""

_CAUSES: tuple[tuple[type[Exception], str, str], ...] = (
    (
        NotVouchedForError,
        "Redis at {place} was restarted and has not been filled again: what it holds may be old.",
        "A server, load or push of the host that loads fills it; or run: headrace materialize --refill.",
    ),
    (
        exceptions.AuthenticationError,
        "Redis at {place} refuses the user or password.",
        "Correct the user and password in [online] url, or in HEADRACE_ONLINE__URL.",
    ),
    (
        exceptions.NoPermissionError,
        "Redis at {place} does not allow this user to do that: {text}.",
        "Allow the user the project's keys and the commands that docs/cli.md names.",
    ),
    (
        exceptions.OutOfMemoryError,
        "Redis at {place} is out of memory.",
        "Give it more maxmemory, or keep fewer generations; nothing is lost, Redis is a copy.",
    ),
    (
        exceptions.ReadOnlyError,
        "Redis at {place} is a replica that cannot be written to.",
        "Give the address of the primary.",
    ),
    (
        exceptions.BusyLoadingError,
        "Redis at {place} is loading its data set.",
        "Wait until it has loaded it.",
    ),
    (
        exceptions.TimeoutError,
        "Redis at {place} did not answer in time.",
        "See whether it is overloaded, or raise [online] timeout.",
    ),
    (
        exceptions.ClusterDownError,
        "The Redis cluster at {place} is down.",
        "See `redis-cli cluster info`; every slot must be covered.",
    ),
    (
        exceptions.RedisClusterException,
        "The Redis cluster at {place} cannot be used: {text}.",
        "See `redis-cli cluster info`; a server that is no cluster has the address redis://...",
    ),
    (
        exceptions.ConnectionError,
        "Redis at {place} cannot be reached.",
        "Start it, or correct [online] url; where loads run, headrace materialize --refill fills it again.",
    ),
)


_AWAY = (
    exceptions.BusyLoadingError,
    exceptions.ClusterDownError,
    exceptions.ConnectionError,
    exceptions.RedisClusterException,
    exceptions.TimeoutError,
)


def explain(error: Exception, place: str) -> StoreError:
    """A StoreError that says what happened.

    Args:
        error: What the driver raised.
        place: The server, without user and password.
    """
    text = " ".join(map(str, error.args)).strip().rstrip(".")
    if "certificate" in text.lower():
        return UnreachableError(
            f"The certificate of Redis at {place} is not trusted: {text}.",
            asked=place,
            remedy="Name who signed it: rediss://host:port/0?ssl_ca_certs=/path/of/authority.pem.",
        )
    for kind, message, remedy in _CAUSES:
        if isinstance(error, kind):
            of = UnreachableError if isinstance(error, _AWAY) else StoreError
            return of(message.format(place=place, text=text), asked=place, remedy=remedy)
    return StoreError(
        f"Redis at {place} refuses: {text}.", asked=place, remedy="See the log of the Redis server."
    )
