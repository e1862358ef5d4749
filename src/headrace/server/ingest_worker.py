"""A process that ingests, beside those that answer: `python -m headrace.server.ingest_worker`.

It ends with its parent, whose end closes its standard input, and finishes the batch in hand first.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from pathlib import Path

from headrace.errors import HeadraceError
from headrace.project import FeatureStore
from headrace.server.messages import speak

__all__ = ["main"]

_LOG = logging.getLogger("headrace.ingest")


def main(project: str, file: str, *sources: str) -> int:
    """Follow streams until told to end.

    Args:
        project: The project's directory.
        file: Where to count what was done.
        sources: Names of sources; none for all that have a stream.

    Returns:
        The exit code: 1 where it could not begin.
    """
    done = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: done.set())
    threading.Thread(target=_end_with_parent, args=(done,), daemon=True).start()
    try:
        with FeatureStore(Path(project)) as store:
            speak(store.settings.serving.messages, tell_requests=False)
            store.ingest(sources or None, done=done, counted=Path(file))
    except HeadraceError as error:
        _LOG.error("Ingestion cannot begin: %s", error)
        return 1
    return 0


def _end_with_parent(done: threading.Event) -> None:
    sys.stdin.buffer.read()
    done.set()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
