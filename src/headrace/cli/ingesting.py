"""`headrace ingest`."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import click

from headrace.cli import output
from headrace.cli.store import opened
from headrace.cli.verb import DONE, FOUND, verb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from headrace.cli.store import Told

__all__ = ["ingest"]


@verb
@click.argument("sources", nargs=-1)
@click.option("--once", is_flag=True, help="Take what the streams have now, and end.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="How many processes ingest."
)
def ingest(*, project: Path, as_json: bool, sources: Sequence[str], once: bool, workers: int) -> int:
    """Follow the streams of SOURCES, all that have one by default, until told to end.

    Several workers, and whoever ingests on this host beside them, share the partitions.
    """
    if once and workers > 1:
        raise click.UsageError("--once is for one worker.")
    done = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: done.set())
    with opened(project) as store:
        if workers > 1:
            store.followed(sources or None)  # a name that is wrong is told at once
            found = _by_workers(project, sources, workers, done)
        else:
            found = store.ingest(sources or None, once=once, done=done)
    told = [each.to_dict() for each in found]
    if as_json:
        output.document({"sources": told})
    elif told:
        output.table(list(told[0]), [list(each.values()) for each in told])
    else:
        output.note("No source has a stream to follow.")
    return FOUND if any(each["rejected"] or each["gaps"] for each in told) else DONE


def _by_workers(project: Path, sources: Sequence[str], workers: int, done: threading.Event) -> Sequence[Told]:
    """Have processes ingest until told to end; what came of it."""
    from headrace.server.ingest_workers import ingesting

    with ingesting(project, workers, sources) as came:
        done.wait()
    return came()
