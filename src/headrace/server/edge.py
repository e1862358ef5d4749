"""The edge of the server: a request comes in as bytes, an answer goes out as bytes, and no error passes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from headrace.errors import HeadraceError
from headrace.server.encoding import LEAST, compressed, too_large, unpacked
from headrace.server.replies import RefusedError, Reply, refusal
from headrace.server.tracks import request_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.types import Receive, Scope, Send

__all__ = ["Endpoint", "Incoming"]

_LOG = logging.getLogger("headrace.server")


class _GoneError(Exception):
    """The client left before it had sent its request."""


class Incoming(NamedTuple):
    """A request, received whole.

    Attributes:
        headers: (name in lower case, value).
        body: Its bytes.
    """

    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Endpoint:
    """An ASGI application of one address: whole requests in, whole answers out."""

    def __init__(self, answer: Callable[[Incoming], Awaitable[Reply]], largest: int) -> None:
        """Answer by a function.

        Args:
            answer: Answers a request.
            largest: Bytes of the largest body taken.
        """
        self._answer = answer
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            body = await _body(scope["headers"], receive, self._largest)
            incoming = Incoming(scope["headers"], unpacked(scope["headers"], body, self._largest))
            reply = await self._answer(incoming)
        except _GoneError:
            return
        except (HeadraceError, RefusedError) as error:
            reply = refusal(error)
        except Exception as error:  # noqa: BLE001 - the answer says nothing of it, the log everything
            _LOG.exception("Request %s could not be answered.", request_id())
            reply = refusal(error)
        body, encoding = reply.body, None
        if len(body) >= LEAST:
            body, encoding = compressed(scope["headers"], body)
        headers = [(b"content-type", reply.content_type), (b"content-length", b"%d" % len(body))]
        if len(reply.body) >= LEAST:
            headers.append((b"vary", b"Accept, Accept-Encoding"))
        if encoding is not None:
            headers.append((b"content-encoding", encoding))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _body(headers: Sequence[tuple[bytes, bytes]], receive: Receive, largest: int) -> bytes:
    """The body of a request; one announced to be too large is not read at all."""
    for name, value in headers:
        if name == b"content-length" and int(value) > largest:
            raise too_large(int(value), largest)
    message = await receive()
    if not message.get("more_body") and message["type"] == "http.request":
        whole: bytes = message.get("body", b"")
        return whole
    parts, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise _GoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > largest:
            raise too_large(size, largest)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
