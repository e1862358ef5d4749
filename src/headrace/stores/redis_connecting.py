"""How a Redis is connected to: its address, the options of all connections, and which servers are admitted.

A server that was restarted may have come back empty, or with what it held some time ago. So whoever writes a
copy vouches for each server as it runs now, by a script that is loaded into it: scripts are not data, they
end with the process, and each node of a cluster has its own. Connections of readers look for it once, when
they are made; a restart breaks them all.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from redis.backoff import ExponentialWithJitterBackoff
from redis.connection import Connection, parse_url
from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from headrace.errors import StoreError

__all__ = ["Address", "NotVouchedForError", "Patience", "Voucher", "address_of", "options", "run_of"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
_RUN = re.compile(rb"run_id:(\w+)")


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


def address_of(url: str) -> Address:
    """What a URL of the settings says.

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
            remedy="Correct [online] url, or HEADRACE_ONLINE__URL; signs such as / are %2F in a password.",
        ) from None
    return Address(told, kind == "cluster", place)


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


class NotVouchedForError(NoConnectionError):
    """A server began since its copy was written: what it holds may be old, or a part."""


def run_of(about: bytes | str) -> str:
    """Which run of a server it is, of what it answers to `INFO server`; drawn anew with every start."""
    found = _RUN.search(about if isinstance(about, bytes) else about.encode())
    return "" if found is None else found[1].decode()


class Voucher:
    """Tells whether what a server holds is as its writer left it."""

    def __init__(self, prefix: bytes) -> None:
        """For the records of a project.

        Args:
            prefix: What stands before all their keys.
        """
        self._of = prefix.hex()

    def script(self, run: str) -> str:
        """What is loaded into a server, as it runs now, to vouch for it."""
        return f"return 'headrace {self._of} {run}'"

    def digest(self, run: str) -> str:
        """What a server calls the script."""
        return hashlib.sha1(self.script(run).encode(), usedforsecurity=False).hexdigest()

    def admit(self, connection: Any) -> None:
        """Look, in a new connection, whether somebody vouched for the server.

        Raises:
            NotVouchedForError: Nobody has.
        """
        connection.send_command("INFO", "server")
        run = run_of(connection.read_response())
        connection.send_command("SCRIPT", "EXISTS", self.digest(run))
        _expect(connection.read_response())

    async def admit_async(self, connection: Any) -> None:
        """The same, in an event loop."""
        await connection.send_command("INFO", "server")
        run = run_of(await connection.read_response())
        await connection.send_command("SCRIPT", "EXISTS", self.digest(run))
        _expect(await connection.read_response())


def _expect(answer: Any) -> None:
    if not all(answer):
        raise NotVouchedForError("nobody vouched for this server")
