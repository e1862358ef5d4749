"""`headrace serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headrace.cli import output
from headrace.cli.verb import DONE, verb
from headrace.config import read_settings

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["serve"]


@verb
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=6566,
    show_default=True,
    help="The port; 0 for a free one.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="How many processes answer."
)
def serve(*, project: Path, as_json: bool, host: str, port: int, workers: int) -> int:
    """Serve features over HTTP until the process is told to end."""
    read_settings(project)  # a project that cannot be opened is told at once, and once

    def started(url: str) -> None:
        if as_json:
            output.document({"url": url, "workers": workers})
        else:
            output.note(f"Serving on {url}.")

    from headrace.server.running import run

    run(project, host, port, workers, started)
    return DONE
