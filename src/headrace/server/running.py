"""Running the server: one port, some worker processes, an end that loses no request."""

from __future__ import annotations

import signal
import socket
import ssl
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import uvicorn
from uvicorn.supervisors import Multiprocess

from headrace.config import read_settings
from headrace.errors import StoreError
from headrace.server.app import application
from headrace.server.patience import Patient, PatientConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ["Certificate", "configured", "run"]

_BACKLOG = 2_048
_KEEP_ALIVE = 75
"""Seconds an idle connection is kept: longer than load balancers keep theirs, so that they close first."""


class Certificate(NamedTuple):
    """What TLS needs: two PEM files.

    Attributes:
        certificate: The certificate, with those between it and the root.
        key: Its private key.
    """

    certificate: Path
    key: Path


def run(
    project: Path,
    host: str,
    port: int,
    workers: int,
    started: Callable[[str], None],
    tls: Certificate | None = None,
    beside: AbstractContextManager[object] | None = None,
) -> None:
    """Serve a project until the process is told to end; requests in flight are answered first.

    Args:
        project: Its directory.
        host: The address to listen on.
        port: The port; 0 for a free one.
        workers: How many processes answer.
        started: Hears the URL once connections are taken.
        tls: Serve https with it.
        beside: What is entered before, and left after.

    Raises:
        StoreError: The port cannot be had, or the certificate cannot be used.
    """
    patience = read_settings(project).serving.request_timeout
    _check(tls)
    listening = _listen(host, port)
    bound = listening.getsockname()[1]
    counted = TemporaryDirectory(prefix="headrace-metrics-")
    made = partial(application, project, Path(counted.name), workers)
    config = configured(made, workers=workers, factory=True, tls=tls, patience=patience)
    for each in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again when it has drained: the process is then done, not killed
        signal.signal(each, lambda *_: None)
    started(f"http{'' if tls is None else 's'}://{f'[{host}]' if ':' in host else host}:{bound}")
    with counted, beside or nullcontext():
        if workers == 1:
            uvicorn.Server(config).run([listening])
        else:
            _Workers(config, [listening]).run()


def configured(
    app: Callable[..., Any],
    *,
    workers: int,
    factory: bool = False,
    lifespan: Literal["on", "off"] = "on",
    tls: Certificate | None = None,
    patience: float = 30.0,
) -> uvicorn.Config:
    """How an application is run.

    Args:
        app: The application, or what makes it.
        workers: How many processes answer.
        factory: Whether it is what makes it.
        lifespan: Whether it is told of the server's life.
        tls: Serve https with it.
        patience: Seconds in which a request must have come whole.
    """
    config = PatientConfig(
        app,
        factory=factory,
        workers=workers,
        loop="uvloop",
        http=Patient,
        ws="none",
        lifespan=lifespan,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
        ssl_certfile=None if tls is None else tls.certificate,
        ssl_keyfile=None if tls is None else tls.key,
    )
    config.patience = patience
    return config


class _Workers(Multiprocess):
    """Worker processes that share one listening socket; who dies is replaced."""

    def terminate_all(self) -> None:
        """Tell all to end; connections that come from now on are refused at once, not left waiting."""
        for each in self.sockets:
            each.close()
        super().terminate_all()


def _check(tls: Certificate | None) -> None:
    """Refuse a certificate that cannot be used, before anything starts."""
    if tls is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*tls)
    except OSError as error:
        raise StoreError(
            f"The certificate {tls.certificate} cannot be used with the key {tls.key}: "
            f"{error.strerror or 'they are no pair'}.",
            asked=tls.certificate,
            remedy="Give a certificate and its private key, both PEM.",
        ) from None


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
