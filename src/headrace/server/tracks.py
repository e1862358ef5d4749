"""The request's id: taken over from the client if it is sane, else made; every log line has it."""

from __future__ import annotations

import logging
import re
import secrets
from contextvars import ContextVar
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from headrace.server.metrics import Metrics
    from headrace.server.traces import RequestSpans

__all__ = ["ABOUT", "REQUESTS", "Tracked", "id_from", "request_id"]

REQUESTS = logging.getLogger("headrace.requests")
"""Hears a line for each request, where the settings say `tell_requests`: nothing of what was asked."""
ABOUT = "about"
"""What a record of it has besides its message."""

_SANE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_PROCESS = secrets.token_hex(6)
_NUMBERS = count()

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
    return f"{_PROCESS}-{next(_NUMBERS):x}"


class Tracked:
    """ASGI middleware: every request has an id, its answer says it, and it is counted."""

    def __init__(
        self, app: ASGIApp, metrics: Metrics, endpoints: Collection[str], spans: RequestSpans | None = None
    ) -> None:
        """Around an application.

        Args:
            app: The application.
            metrics: Counts requests.
            endpoints: The addresses counted by name; whatever else is asked for counts as `other`.
            spans: Makes the span of a request; None where nobody traces.
        """
        self._app = app
        self._metrics = metrics
        self._endpoints = frozenset(endpoints)
        self._spans = spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on under its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        this = id_from(scope["headers"])
        token = _tracked.set(this)
        endpoint = scope["path"] if scope["path"] in self._endpoints else "other"
        began, status = perf_counter(), 0
        self._metrics.began()

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", this.encode())]
            await send(message)

        try:
            if self._spans is None:
                await self._app(scope, receive, answered)
            else:
                with self._spans(scope["method"], endpoint, scope["headers"]) as span:
                    await self._app(scope, receive, answered)
                    span.set_attributes({"http.response.status_code": status, "headrace.request_id": this})
        finally:
            took = perf_counter() - began
            self._metrics.answered(endpoint, status, took)
            if REQUESTS.isEnabledFor(logging.INFO):
                _tell(scope["method"], endpoint, status, took)
            _tracked.reset(token)


def _tell(method: str, endpoint: str, status: int, seconds: float) -> None:
    about = {"method": method, "endpoint": endpoint, "status": status, "ms": round(seconds * 1_000, 3)}
    REQUESTS.info("%s %s %s", method, endpoint, status, extra={ABOUT: about})
