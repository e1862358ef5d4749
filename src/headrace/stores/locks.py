"""Locks by name among the processes of a host: files that the system lets go of when their process ends."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from io import BufferedWriter
    from pathlib import Path

__all__ = ["FileLocks"]


class FileLocks:
    """Locks in a directory; see `Locks`."""

    def __init__(self, directory: Path) -> None:
        """In a directory, which is made when it is not there."""
        self._directory = directory
        self._held: dict[str, BufferedWriter] = {}

    def take(self, name: str) -> bool:
        """Hold a lock, unless somebody else does."""
        if name in self._held:
            return True
        self._directory.mkdir(parents=True, exist_ok=True)
        file = self._path(name).open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._held[name] = file
        return True

    def let_go(self, name: str) -> None:
        """Let go of a lock; one that is not held is no error."""
        file = self._held.pop(name, None)
        if file is not None:
            file.close()

    def is_free(self, name: str) -> bool:
        """Whether nobody holds a lock."""
        if not self._path(name).exists():  # nobody has ever held it
            return True
        if name in self._held or not self.take(name):
            return False
        self.let_go(name)
        return True

    def _path(self, name: str) -> Path:
        return self._directory / f"{quote(name, safe='')}.lock"
