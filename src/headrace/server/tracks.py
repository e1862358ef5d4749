"""The request's id: taken over from the client if it is sane, else made; every log line has it."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from headrace.server.metrics import Metrics

__all__ = ["Tracked", "id_from", "request_id"]

_SANE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_tracked: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered."""


def request_id() -> str:
    """The id of the request that is being answered; empty outside of one."""
    return _tracked.get()


def id_from(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The id of a request: what the client calls it, if that can stand in a log, else a new one."""
    for name, value in headers:
        if name == b"x-request-id" and _SANE.fullmatch(value) and not value.startswith(b"hr_"):
            return value.decode()
    return secrets.token_hex(8)


class Tracked:
    """ASGI middleware: every request has an id, its answer says it, and it is counted."""

    def __init__(self, app: ASGIApp, metrics: Metrics, endpoints: Collection[str]) -> None:
        """Around an application.

        Args:
            app: The application.
            metrics: Counts requests.
            endpoints: The addresses counted by name; whatever else is asked for counts as `other`.
        """
        self._app = app
        self._metrics = metrics
        self._endpoints = frozenset(endpoints)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on under its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        this = id_from(scope["headers"])
        token = _tracked.set(this)
        began, status = perf_counter(), 0

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", this.encode())]
            await send(message)

        try:
            await self._app(scope, receive, answered)
        finally:
            _tracked.reset(token)
            path = scope["path"]
            endpoint = path if path in self._endpoints else "other"
            self._metrics.answered(endpoint, status, perf_counter() - began)
