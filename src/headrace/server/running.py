"""Running the server: one port, some worker processes, an end that loses no request."""

from __future__ import annotations

import signal
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import uvicorn
from uvicorn.supervisors import Multiprocess

from headrace.errors import StoreError
from headrace.server.app import application

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["configured", "run"]

_BACKLOG = 2_048
_KEEP_ALIVE = 75
"""Seconds an idle connection is kept: longer than load balancers keep theirs, so that they close first."""


def run(project: Path, host: str, port: int, workers: int, started: Callable[[str], None]) -> None:
    """Serve a project until the process is told to end; requests in flight are answered first.

    Args:
        project: Its directory.
        host: The address to listen on.
        port: The port; 0 for a free one.
        workers: How many processes answer.
        started: Hears the URL once connections are taken.

    Raises:
        StoreError: The port cannot be had.
    """
    listening = _listen(host, port)
    bound = listening.getsockname()[1]
    config = configured(partial(application, project), workers=workers, factory=True)
    for each in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again when it has drained: the process is then done, not killed
        signal.signal(each, lambda *_: None)
    started(f"http://{f'[{host}]' if ':' in host else host}:{bound}")
    if workers == 1:
        uvicorn.Server(config).run([listening])
    else:
        _Workers(config, [listening]).run()


def configured(
    app: Callable[..., Any], *, workers: int, factory: bool = False, lifespan: Literal["on", "off"] = "on"
) -> uvicorn.Config:
    """How an application is run.

    Args:
        app: The application, or what makes it.
        workers: How many processes answer.
        factory: Whether it is what makes it.
        lifespan: Whether it is told of the server's life.
    """
    return uvicorn.Config(
        app,
        factory=factory,
        workers=workers,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan=lifespan,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
    )


class _Workers(Multiprocess):
    """Worker processes that share one listening socket; who dies is replaced."""

    def terminate_all(self) -> None:
        """Tell all to end; connections that come from now on are refused at once, not left waiting."""
        for each in self.sockets:
            each.close()
        super().terminate_all()


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens: connections wait in it until a worker takes them."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise StoreError(
            f"Port {port} of {host} cannot be had: {error.strerror or error}.",
            asked=f"{host}:{port}",
            remedy="Choose another with --port or --host.",
        ) from None
