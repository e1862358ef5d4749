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
    from collections.abc import Iterator

ANSWER_SECONDS = 60.0


@contextlib.contextmanager
def served(project: Path, *options: object) -> Iterator[httpx.Client]:
    """Serve a project while the block runs; yields a client of the server."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    words = [sys.executable, "-m", "headrace.cli", "serve", "--project", project, "--port", port, *options]
    with tempfile.TemporaryDirectory(prefix="hr-server-") as home:
        with (
            httpx.Client(base_url=url, timeout=ANSWER_SECONDS) as client,
            running(Command(words), Path(home) / "log", lambda: _ready(client)),
        ):
            yield client
        printed = (Path(home) / "log").read_text(encoding="utf-8")
    assert "Traceback" not in printed, printed


def _ready(client: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return client.get("/ready").status_code == httpx.codes.OK
    return False
