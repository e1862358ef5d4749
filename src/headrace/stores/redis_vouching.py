"""Which servers readers of a copy are let into.

A server that was restarted may have come back empty, or with what it held some time ago. So whoever writes a
copy vouches for each server as it runs now, by a script that is loaded into it: scripts are not data, they
end with the process, and each node of a cluster has its own. Connections of readers look for it once, when
they are made; a restart breaks them all.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from redis.exceptions import ConnectionError as NoConnectionError

__all__ = ["NotVouchedForError", "Voucher", "run_of"]

_RUN = re.compile(rb"run_id:(\w+)")


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
