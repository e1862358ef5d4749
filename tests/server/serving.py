"""A real server process over a project."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.services.server import Command, free_port, running

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

ANSWER_SECONDS = 60.0


@contextlib.contextmanager
def served(
    project: Path, *options: object, tls: ssl.SSLContext | None = None, log: Path | None = None
) -> Iterator[httpx.Client]:
    """Serve a project while the block runs; yields a client of the server.

    `tls` is what the client trusts, where the server has a certificate; `log` is where the server prints.
    """
    url = f"http{'s' if tls else ''}://127.0.0.1:{(port := free_port())}"
    words = [sys.executable, "-m", "headrace.cli", "serve", "--project", project, "--port", port, *options]
    with tempfile.TemporaryDirectory(prefix="hr-server-") as home:
        written = log or Path(home) / "log"
        with (
            httpx.Client(base_url=url, timeout=ANSWER_SECONDS, verify=tls or True) as client,
            running(Command(words), written, lambda: _ready(client)),
        ):
            yield client
        printed = written.read_text(encoding="utf-8")
    assert "Traceback" not in printed, printed


def _ready(client: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return client.get("/ready").status_code == httpx.codes.OK
    return False
