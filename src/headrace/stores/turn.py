"""Taking turns: one process of a host at a time, whoever dies gives up its turn."""

from __future__ import annotations

import fcntl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Turn"]


class Turn:
    """A lock on a file, among threads and processes; the system lets go of it when a process ends."""

    def __init__(self, path: Path) -> None:
        """On a file, which is made when it is not there."""
        self._path = path
        self._threads = threading.Lock()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Wait for the turn, and keep it for the block."""
        with self._threads, self._path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def if_free(self) -> Iterator[bool]:
        """Whether nobody has the turn; then it is kept for the block."""
        if not self._path.parent.is_dir():
            yield False
            return
        with self._path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
