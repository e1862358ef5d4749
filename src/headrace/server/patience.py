"""How long and how much the server listens before a request is whole: who trickles it is cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

__all__ = ["Patient", "PatientConfig"]

_LARGEST_HEAD = 65_536
"""Bytes of a request line and its headers, where they come in more than one piece."""


class PatientConfig(uvicorn.Config):
    """uvicorn's, and how long a server waits for a whole request; it travels to worker processes.

    Attributes:
        patience: Seconds.
    """

    patience: float = 30.0


class Patient(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, with an end to waiting: as long as a `PatientConfig` says."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """As uvicorn makes it."""
        super().__init__(*arguments, **named)
        self.patience: float = getattr(self.config, "patience", PatientConfig.patience)
        self._began: float | None = None
        self._head: int | None = 0
        self._look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._began = self.loop.time()
        self._look = self.loop.call_later(self.patience, self._lose)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that does not end is refused."""
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > _LARGEST_HEAD and not self.transport.is_closing():
                self.send_400_response("The headers are too large.")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._began = self.loop.time()
        self._head = 0

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._head = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """It is whole."""
        self._began = None
        super().on_message_complete()

    def _lose(self) -> None:
        """Cut the connection off if its request should be whole by now; else look again."""
        now = self.loop.time()
        if self._began is not None and self.flow is not None and self.flow.read_paused:
            self._began = now  # the server itself does not listen
        left = self.patience if self._began is None else self._began + self.patience - now
        if left <= 0:
            self.transport.close()
        else:
            self._look = self.loop.call_later(left, self._lose)
