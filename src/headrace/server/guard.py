"""The guard: no request passes whose caller is not known, may not do it, or comes too often."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from headrace.errors import AuthError
from headrace.server.audit import AuditLog
from headrace.server.callers import ANYONE, OPEN, Caller, check_role, now_asking, unknown_caller
from headrace.server.keys import KeyFile
from headrace.server.rates import Rates
from headrace.server.replies import RefusedError, refusal
from headrace.server.tokens import Tokens
from headrace.server.tracks import request_id

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from headrace.clock import Clock
    from headrace.config import Settings

__all__ = ["Guard", "check_open", "guarded", "keys_of"]

_READS = frozenset({"/get-online-features"})
"""Addresses that are asked by POST and write nothing."""


def guarded(app: ASGIApp, settings: Settings, clock: Clock, workers: int = 1) -> ASGIApp:
    """An application behind the guard and the CORS rules of a project's settings.

    Args:
        app: The application.
        settings: The project's.
        clock: Tells the time.
        workers: How many processes share the callers' rates.

    Raises:
        StoreError: Keys are configured and cannot be read.
        DataError: Their file holds something else.
        DefinitionError: Tokens are configured by halves.
    """
    app = Guard(app, settings, clock, workers)
    if not settings.serving.cors:
        return app
    from starlette.middleware.cors import CORSMiddleware

    return CORSMiddleware(
        app,
        allow_origins=settings.serving.cors,
        allow_methods=["GET", "POST"],
        allow_headers=["accept", "authorization", "content-type", "x-api-key", "x-request-id"],
        expose_headers=["x-request-id"],
    )


def keys_of(settings: Settings) -> Path | None:
    """The file of keys; None where none is configured."""
    keys = settings.serving.keys
    return None if keys is None else settings.directory / keys


def check_open(settings: Settings, host: str, *, insecure: bool) -> None:
    """Refuse to serve everybody by accident.

    Args:
        settings: The project's.
        host: The address to listen on.
        insecure: The operator said that they mean it.

    Raises:
        AuthError: No keys are configured, and others than this machine can reach the address.
    """
    if insecure or settings.serving.keys or settings.serving.jwt_keys or _is_loopback(host):
        return
    raise AuthError(
        f"Whoever reaches {host} could read and write everything: no keys are configured.",
        asked=host,
        remedy="Set [serving] keys, and make one with `headrace serve --new-key NAME`; or say --insecure.",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """ASGI middleware: who asks, may they, how often; writes are put on record."""

    def __init__(self, app: ASGIApp, settings: Settings, clock: Clock, workers: int) -> None:
        """See `guarded`."""
        serving, path = settings.serving, keys_of(settings)
        self._app = app
        self._keys = None if path is None else KeyFile(path, clock)
        self._tokens = Tokens(settings, clock) if serving.jwt_keys else None
        self._open = self._keys is None and self._tokens is None
        self._rate = serving.rate
        self._free = self._open and self._rate is None  # nothing to ask of who only reads
        self._rates = Rates(clock, 1 / workers)
        self._audit = AuditLog(settings.directory / serving.audit, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or (self._free and not _writes(scope)):
            await self._app(scope, receive, send)
            return
        path, caller = scope["path"], ANYONE
        try:
            if not self._open and path not in OPEN:
                caller = await self._known(scope)
                check_role(caller, path)
            self._pace(caller, path)
        except (RefusedError, _TooOftenError) as error:
            await _refuse(error, send)
            if isinstance(error, RefusedError) and error.status == 403 and _writes(scope):
                self._audit.write(caller, _what(scope), request_id(), error.status, {})
            return
        token = now_asking.set(caller)
        try:
            if _writes(scope):
                await self._recorded(caller, scope, receive, send)
            else:
                await self._app(scope, receive, send)
        finally:
            now_asking.reset(token)

    async def _known(self, scope: Scope) -> Caller:
        """The caller.

        Raises:
            RefusedError: There is no key or token, or it is nobody's (401).
        """
        given = _credential(scope)
        caller: Caller | None = None
        if given is not None and given.startswith("hr_") and self._keys is not None:
            caller = self._keys.caller(given)
        elif given is not None and self._tokens is not None:
            caller = await self._tokens.caller(given)
        if caller is None:
            raise unknown_caller()
        return caller

    def _pace(self, caller: Caller, path: str) -> None:
        rate = caller.rate if caller.rate is not None else self._rate
        if rate is None or path in OPEN:
            return
        wait = self._rates.take(f"{caller.id} {caller.name}", rate)
        if wait:
            raise _TooOftenError(wait)

    async def _recorded(self, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a write on and put it on record, whatever comes of it."""
        details, status = self._audit.begin(), 0

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, answered)
        finally:
            self._audit.write(caller, _what(scope), request_id(), status, details)


class _TooOftenError(Exception):
    """A caller who has used up their rate; its value is the seconds to wait."""


async def _refuse(error: RefusedError | _TooOftenError, send: Send) -> None:
    extra = []
    if isinstance(error, _TooOftenError):
        wait = str(error.args[0])
        told = AuthError("Too many requests.", remedy=f"Wait {wait} s, as Retry-After says.")
        reply = refusal(RefusedError(told, 429))
        extra.append((b"retry-after", wait.encode()))
    else:
        reply = refusal(error)
        if reply.status == 401:
            extra.append((b"www-authenticate", b"Bearer"))
    headers = [(b"content-type", reply.content_type), (b"content-length", str(len(reply.body)).encode())]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers + extra})
    await send({"type": "http.response.body", "body": reply.body})


def _credential(scope: Scope) -> str | None:
    """The one key or token that the request brings; None without one, or with several."""
    found = []
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            found.append(value)
        elif name == b"authorization":
            kind, _, rest = value.partition(b" ")
            found.append(rest.strip() if kind.lower() == b"bearer" else b"")
    return found[0].decode("latin-1") if len(found) == 1 and found[0] else None


def _writes(scope: Scope) -> bool:
    return scope["method"] not in {"GET", "HEAD", "OPTIONS"} and scope["path"] not in _READS


def _what(scope: Scope) -> str:
    return f"{scope['method']} {scope['path']}"
