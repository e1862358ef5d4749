"""How a Redis is connected to: its address, and the options of all connections."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from redis.backoff import ExponentialWithJitterBackoff
from redis.connection import URL_QUERY_ARGUMENT_PARSERS, Connection, SSLConnection, parse_url
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from headrace.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Address", "Patience", "address_of", "options", "parsed"]

_GIVEN = re.compile(r"username|password|client_name|(socket|ssl)_\w+")
"""Options that may be given as texts; ours are the others."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5


class Patience(NamedTuple):
    """How long Redis is waited for.

    Attributes:
        timeout: Seconds until a connection or an answer is given up.
        attempts: How often a verb is tried again after a connection was lost or an answer given up; pauses
            between grow, and are drawn, so that many clients do not come back at once.
        connections: The most connections one process holds.
    """

    timeout: float = 2.0
    attempts: int = 3
    connections: int = 64


class Address(NamedTuple):
    """Where a Redis is.

    Attributes:
        url: The address as the driver takes it, `redis://` or `rediss://`.
        cluster: Whether it is of a node of a cluster.
        place: The address without user, password and options: what may be told.
    """

    url: str
    cluster: bool
    place: str

    def __repr__(self) -> str:
        return self.place


def address_of(url: str, remedy: str) -> Address:
    """What a URL says.

    Args:
        url: `redis://` or `rediss://` (TLS), `redis+cluster://` or `rediss+cluster://` for a cluster; options
            as the driver names them behind `?`.
        remedy: Where it is to be corrected.

    Raises:
        StoreError: It is no address, or an option behind `?` is not the driver's.
    """
    scheme, _, rest = url.partition("://")
    secure, _, kind = scheme.partition("+")
    told = f"{secure}://{rest}"
    try:
        options_of: dict[str, Any] = parse_url(told)  # type: ignore[no-untyped-call]
        options_of.pop("connection_class", Connection)(**options_of)  # it connects to nothing yet
        parts = urlsplit(told)
        place = urlunsplit((scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except (TypeError, ValueError, RedisError) as error:
        # of the host nothing is told: where a sign of the password is not escaped, it is a part of that
        option = re.search(r"(?:keyword argument|Invalid value for) '(\w+)'", str(error))
        raise StoreError(
            "The address of Redis cannot be used"
            + (f": it has a wrong option {option[1]!r}." if option else ", or its password is not escaped."),
            asked=f"{scheme}://...",
            available=[f"{scheme}://user:password@host:port/0"],
            remedy=remedy,
        ) from None
    return Address(told, kind == "cluster", place)


def parsed(texts: Mapping[str, str], address: Address, prefix: str) -> dict[str, Any]:
    """Options of connections that were given as texts; those of TLS are left out where there is none.

    Args:
        texts: The options, as the driver names them.
        address: What is connected to.
        prefix: What they are given by, for errors.

    Raises:
        StoreError: One is not the driver's, or not to be given.
    """
    secure = address.url.startswith("rediss:")
    found: dict[str, Any] = {}
    for name, text in texts.items():
        try:
            if not _GIVEN.fullmatch(name):
                raise ValueError  # noqa: TRY301 - as the driver does
            parse: Any = URL_QUERY_ARGUMENT_PARSERS.get(name, str)
            value = parse(text)
            SSLConnection(**{name: value})  # it connects to nothing yet
        except (TypeError, ValueError, RedisError):
            raise StoreError(
                f"{prefix}{name.upper()} cannot be used.",
                asked=name,
                available=["username", "password", "ssl_ca_certs", "socket_timeout"],
                remedy="Unset it, or give what redis-py calls so.",
            ) from None
        if secure or not name.startswith("ssl_"):
            found[name] = value
    return found


def options(patience: Patience, retry: type[Any], attempts: int | None = None) -> dict[str, Any]:
    """What every connection is made with.

    Args:
        patience: How long Redis is waited for.
        retry: The driver's `Retry`: it has one for threads and one for event loops.
        attempts: How often a verb is tried again, if not as patience says.
    """
    often = patience.attempts if attempts is None else attempts
    return {
        "socket_timeout": patience.timeout,
        "socket_connect_timeout": patience.timeout,
        "retry": retry(ExponentialWithJitterBackoff(base=_FIRST_PAUSE, cap=_LONGEST_PAUSE), often),
        "max_connections": patience.connections,
        "health_check_interval": 30,
        # Of Redis Enterprise; the handlers of a cluster's first connection would keep it open.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
