"""What Redis and its driver say, in words that name the cause and the way out."""

from __future__ import annotations

from collections.abc import Mapping

from redis import exceptions

from headrace.errors import StoreError, UnreachableError

__all__ = ["FAILURES", "Remedies", "explain"]

FAILURES = (exceptions.RedisError, exceptions.RedisClusterException)
"""What the driver raises: the one is no kind of the other."""

Remedies = Mapping[type[Exception], str]
"""What to do about a kind of error, where it depends on what Redis is used for."""

_REPLICA = "Give the address of the primary."
_CLUSTER = "See `redis-cli cluster info`; every slot must be covered."
_NO_CLUSTER = "See `redis-cli cluster info`; a server that is no cluster has the address redis://..."
_CAUSES: tuple[tuple[type[Exception], str, str], ...] = (
    (exceptions.AuthenticationError, "Redis at {place} refuses the user or password.", ""),
    (exceptions.NoPermissionError, "Redis at {place} does not allow this user to do that: {text}.", ""),
    (exceptions.OutOfMemoryError, "Redis at {place} is out of memory.", "Give it more maxmemory."),
    (exceptions.ReadOnlyError, "Redis at {place} is a replica that cannot be written to.", _REPLICA),
    (
        exceptions.BusyLoadingError,
        "Redis at {place} is loading its data set.",
        "Wait until it has loaded it.",
    ),
    (exceptions.TimeoutError, "Redis at {place} did not answer in time.", "See whether it is overloaded."),
    (exceptions.ClusterDownError, "The Redis cluster at {place} is down.", _CLUSTER),
    (exceptions.RedisClusterException, "The Redis cluster at {place} cannot be used: {text}.", _NO_CLUSTER),
    (exceptions.ConnectionError, "Redis at {place} cannot be reached.", "Start it."),
)
"""The first that fits tells; its remedy holds where whoever asks has none of its own."""

_AWAY = (
    exceptions.BusyLoadingError,
    exceptions.ClusterDownError,
    exceptions.ConnectionError,
    exceptions.RedisClusterException,
    exceptions.TimeoutError,
)


def explain(error: Exception, place: str, remedies: Remedies) -> StoreError:
    """A StoreError that says what happened.

    Args:
        error: What the driver raised.
        place: The server, without user and password.
        remedies: What to do about some kinds of errors.
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
            told = message.format(place=place, text=text)
            return of(told, asked=place, remedy=remedies.get(kind, remedy))
    return StoreError(
        f"Redis at {place} refuses: {text}.", asked=place, remedy="See the log of the Redis server."
    )
