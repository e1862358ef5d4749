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

__all__ = ["ingest"]


@verb
@click.argument("sources", nargs=-1)
@click.option("--once", is_flag=True, help="Take what the streams have now, and end.")
def ingest(*, project: Path, as_json: bool, sources: Sequence[str], once: bool) -> int:
    """Follow the streams of SOURCES, all that have one by default, until told to end.

    Run it again beside the first for more of a machine's cores: they share the partitions.
    """
    done = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: done.set())
    with opened(project) as store:
        found = [each.to_dict() for each in store.ingest(sources or None, once=once, done=done)]
    if as_json:
        output.document({"sources": found})
    elif found:
        output.table(list(found[0]), [list(each.values()) for each in found])
    else:
        output.note("No source has a stream to follow.")
    return FOUND if any(each["rejected"] or each["gaps"] for each in found) else DONE
