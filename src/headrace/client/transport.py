"""How requests reach a server: kept connections, a deadline, bounded tries, errors as they were raised."""

from __future__ import annotations

import json
import time
import zlib
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NewConnectionError,
    ReadTimeoutError,
)
from urllib3.util import Timeout, parse_url

from headrace.errors import AuthError, DataError, HeadraceError, UnreachableError
from headrace.ports.backoff import pauses

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

__all__ = ["Sent", "Transport"]

_AWAY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
_LARGE = 65_536
"""Bytes from which on a request is worth compressing."""
_MOST_WAITED = 5.0
"""Seconds that a server may ask to be left alone for; beyond, the caller is told."""


class Sent(NamedTuple):
    """A request.

    Attributes:
        path: The address.
        body: Its bytes, by whether they were sent before and may have been read.
        accept: The type of the answer.
        seconds: How long it may take in all.
        headers: What else is said of it.
        lost: What to do where it may have been read, and no answer came.
    """

    path: str
    body: Callable[[bool], bytes]
    accept: str
    seconds: float
    headers: Mapping[str, str] = MappingProxyType({})
    lost: str = "Ask for less at once, or give it longer: timeout=."


class Transport:
    """Connections to one server; threads may share them."""

    def __init__(
        self,
        url: str,
        *,
        credentials: Callable[[], Mapping[str, str]],
        tries: int,
        connections: int,
        compress: bool,
        tls: ssl.SSLContext | None,
    ) -> None:
        """Connections are opened when they are needed.

        Args:
            url: The server's.
            credentials: Makes the headers that say who asks.
            tries: How many further tries there are.
            connections: How many are kept.
            compress: Whether large requests are compressed.
            tls: Whom to trust; what the system trusts by default.

        Raises:
            DataError: That is no URL of a server.
        """
        try:
            parts = parse_url(url)
        except LocationParseError:
            parts = parse_url("")
        if parts.scheme not in {"http", "https"} or not parts.host or parts.auth or parts.query:
            raise DataError(
                "This is no URL of a server.",
                asked=None if "@" in str(url) else url,
                remedy='Give one such as "http://localhost:6566"; keys have arguments of their own.',
            )
        self.url = f"{parts.scheme}://{parts.netloc}{(parts.path or '').rstrip('/')}"
        self._credentials, self._tries, self._compress = credentials, tries, compress
        self._pool = urllib3.PoolManager(
            num_pools=2, maxsize=connections, retries=False, ssl_context=tls, block=False
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.clear()

    def send(self, sent: Sent) -> bytes:
        """The answer's bytes.

        What failed before the server could have read it, and what it says it did not do, is tried again; so
        is what may have been read, which `Sent.body` hears.

        Raises:
            HeadraceError: What the server refused with; `UnreachableError` where it cannot be reached, or
                does not answer in time.
        """
        end = time.monotonic() + sent.seconds
        again = False
        pause = pauses(self._tries)
        while True:
            try:
                return self._sent_once(sent, end, again=again)
            except _PassingError as passing:
                drawn = next(pause, None)
                wait = max(drawn or 0.0, passing.wait)
                if drawn is None or time.monotonic() + wait >= end:
                    raise passing.error from None
                again = again or passing.read
            time.sleep(wait)

    def _sent_once(self, sent: Sent, end: float, *, again: bool) -> bytes:
        body = sent.body(again)
        headers = {
            "content-type": "application/json",
            "accept": sent.accept,
            "accept-encoding": "gzip" if self._compress else "identity",
            **sent.headers,
            **self._credentials(),
        }
        if self._compress and len(body) >= _LARGE:
            packer = zlib.compressobj(1, zlib.DEFLATED, 31)
            body, headers["content-encoding"] = packer.compress(body) + packer.flush(), "gzip"
        left = max(end - time.monotonic(), 0.001)
        try:
            answer = self._pool.request(
                "POST",
                self.url + sent.path,
                body=body,
                headers=headers,
                timeout=Timeout(total=left),
                redirect=False,
            )
        except (NewConnectionError, ConnectTimeoutError) as error:
            unreachable = self._unreachable(error, "Is it running there? Start it with: headrace serve.")
            raise _PassingError(unreachable, read=False) from None
        except ReadTimeoutError:
            raise UnreachableError(
                f"The server did not answer within {sent.seconds:g} s.",
                asked=self.url,
                remedy=sent.lost,
            ) from None
        except HTTPError as error:
            raise _PassingError(self._unreachable(error, sent.lost), read=True) from None
        if answer.status == HTTPStatus.OK:
            return answer.data
        refused = self._refusal(answer.status, answer.data)
        if answer.status in _AWAY or isinstance(refused, UnreachableError):
            read = answer.status != HTTPStatus.TOO_MANY_REQUESTS
            raise _PassingError(refused, read=read, wait=_asked_to_wait(answer.headers.get("retry-after")))
        raise refused

    def _unreachable(self, error: HTTPError, remedy: str) -> UnreachableError:
        return UnreachableError(
            f"The server cannot be reached: {type(error).__name__}.",
            asked=self.url,
            remedy=remedy,
        )

    def _refusal(self, status: int, body: bytes) -> HeadraceError:
        """What the server says, as it was raised there; else what its status says."""
        try:
            return HeadraceError.from_document(json.loads(body))
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        kind = (
            AuthError
            if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
            else UnreachableError
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR
            else HeadraceError
        )
        return kind(
            f"{self.url} answered with status {status}, and not as a Headrace server does.",
            asked=self.url,
            remedy="Look at what stands between, and at the server's log.",
        )


class _PassingError(Exception):
    """A failure that may pass: `read` tells whether the request may have been read."""

    def __init__(self, error: HeadraceError, *, read: bool, wait: float = 0.0) -> None:
        super().__init__(str(error))
        self.error, self.read, self.wait = error, read, wait


def _asked_to_wait(header: str | None) -> float:
    """The seconds a server asks to be left alone."""
    return min(float(header), _MOST_WAITED) if header and header.isdigit() else 0.0
