"""The floor under every Python server: an application that answers `{}`, with the settings Headrace has."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import uvicorn

from headrace.server.running import configured

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"2")]


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer `{}` to whoever asks."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS, "trailers": False})
    await send({"type": "http.response.body", "body": b"{}", "more_body": False})


if __name__ == "__main__":
    config = configured(application, workers=1, lifespan="off")
    config.port = int(sys.argv[1])
    uvicorn.Server(config).run()
