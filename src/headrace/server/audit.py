"""The audit log: who wrote what, when, with which outcome; a JSON line each."""

from __future__ import annotations

import logging
import os
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import msgspec

from headrace.clock import format_instant

if TYPE_CHECKING:
    from pathlib import Path

    from headrace.clock import Clock
    from headrace.server.callers import Caller

__all__ = ["AuditLog", "about"]

_LOG = logging.getLogger("headrace.server")

_details: ContextVar[dict[str, Any] | None] = ContextVar("details", default=None)


def about(**details: Any) -> None:
    """Say what the request that is being answered writes: its source, how many rows; never the rows."""
    told = _details.get()
    if told is not None:
        told.update(details)


class AuditLog:
    """A file that lines are only added to, by all workers: each line is one write."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Open it when the first line comes.

        Args:
            path: The file.
            clock: Tells when.
        """
        self._path = path
        self._clock = clock
        self._file: int | None = None

    def begin(self) -> dict[str, Any]:
        """What `about` will say of the request that begins."""
        details: dict[str, Any] = {}
        _details.set(details)
        return details

    def write(self, caller: Caller, what: str, request: str, status: int, details: dict[str, Any]) -> None:
        """Write a line.

        Args:
            caller: Who.
            what: Method and address.
            request: The request's id.
            status: The status answered; 0 where there was no answer.
            details: What `about` said.
        """
        line = {
            "when": format_instant(self._clock.now()),
            "who": caller.name,
            "key": caller.id,
            "what": what,
            "outcome": "done" if 200 <= status < 300 else "refused" if 400 <= status < 500 else "failed",
            "status": status,
            "request": request,
            **details,
        }
        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(self._file, msgspec.json.encode(line) + b"\n")
        except OSError as error:
            _LOG.error("The audit log cannot be written: %s.", error.strerror)

    def close(self) -> None:
        """Close it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
