"""A file of JSON Lines that grows: followed to its end, and on to the next one when it is rotated.

Whoever rotates moves the file to another name that begins with its own (`ads.jsonl.1`), in the same
directory, and begins a new one. The old one is read to its end first; then those that were rotated after it,
oldest first. Rotated files that were packed are not read: pack them a rotation later.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from headrace.errors import DataError, UnreachableError
from headrace.ports.event_stream import Messages, Places
from headrace.streams.growing_file import GrowingFile, Lines, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


__all__ = ["JsonLinesFile"]

_STEP = 0.01
"""Seconds between two looks at a file that has nothing new."""
_PACKED = {".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip"}
_POSITION = msgspec.json.Decoder(Position)


class JsonLinesFile:
    """A stream of one partition, which is the file and what it was rotated to; see `EventStream`."""

    def __init__(self, path: Path) -> None:
        """Of a file, which need not be there yet."""
        self._path = path
        self._begun = False
        self._file: GrowingFile | None = None
        self._gap = ""

    def partitions(self) -> Sequence[str]:
        """The file's name."""
        return [self._path.name]

    def begin(self, partition: str, after: str | None, since: int) -> None:
        """See `EventStream`; a file does not know when its lines came."""
        del since
        if partition != self._path.name:
            raise DataError("There is no such partition.", asked=partition, available=self.partitions())
        self.end(partition)
        self._begun, self._gap = True, ""
        if after is not None:
            self._find(_POSITION.decode(after))

    def _find(self, position: Position) -> None:
        """Go on where a file was read to; it may bear another name now."""
        with _reading(self._path):
            self._file = self._first(lambda file: file.inode == position.inode and file.is_at(position))
            if self._file is None:  # a copy, if there is one
                self._file = self._first(lambda file: file.is_at(position))
        if self._file is not None:
            self._file.at = position.at
        else:
            self._gap = f"the file that was read to byte {position.at} is gone, with what came after"

    def end(self, partition: str) -> None:
        """See `EventStream`."""
        del partition
        self._begun = False
        if self._file is not None:
            self._file.close()
            self._file = None

    def take(self, limit: int, wait: float) -> list[Messages]:
        """See `EventStream`."""
        until = time.monotonic() + wait
        while self._begun:
            with _reading(self._path):
                lines = self._lines(limit)
                if lines.values:
                    return [self._messages(lines)]
            left = until - time.monotonic()
            if left <= 0:
                break
            time.sleep(min(_STEP, left))
        return []

    def done(self, partition: str, after: str) -> None:
        """Nobody is told."""

    def behind(self, partition: str) -> int | None:
        """Bytes of the file that is read; those after it are not looked at."""
        del partition
        if self._file is not None:
            return max(self._file.size - self._file.at, 0)
        return self._path.stat().st_size if self._path.is_file() else 0

    def close(self) -> None:
        """See `EventStream`."""
        self.end("")

    def _messages(self, lines: Lines) -> Messages:
        assert self._file is not None  # noqa: S101 - the lines are of it
        after = msgspec.json.encode(self._file.position()).decode()
        gap, self._gap = self._gap, ""
        places = Places(f"{self._path.name}:{self._file.inode}@", lines.at)
        return Messages(self._path.name, lines.values, places, after, gap)

    def _lines(self, limit: int) -> Lines:
        """The next lines; none where there is nothing new."""
        if self._file is None:
            self._file = self._first(lambda _: True)
            if self._file is None:
                return Lines([], [])
        file = self._file
        if file.size < file.at:
            self._gap = f"{self._path.name} was cut to {file.size} bytes when {file.at} were read"
            file.at = 0
        # Asked before the last look: what is written later is written to another file.
        moved = self._is_moved(file)
        lines = file.lines(limit, ended=moved)
        if lines.values or not moved:
            return lines
        following = self._after(file)
        if following is None:
            return lines
        file.close()
        self._file = following
        return self._lines(limit)

    def _is_moved(self, file: GrowingFile) -> bool:
        """Whether the file's name is another's now, or nobody's."""
        try:
            return self._path.stat().st_ino != file.inode
        except FileNotFoundError:
            return True

    def _after(self, file: GrowingFile) -> GrowingFile | None:
        """The file that was begun after one; None if there is none yet."""
        return self._first(lambda other: other.inode != file.inode and other.written >= file.written)

    def _first(self, suits: Callable[[GrowingFile], bool]) -> GrowingFile | None:
        """The first file that suits: those it was rotated to as they were last written, then the file."""
        if not self._path.parent.is_dir():
            return None
        rotated = [path for path in self._path.parent.iterdir() if self._is_rotated(path)]
        opened = [file for path in rotated if (file := GrowingFile.if_there(path)) is not None]
        opened.sort(key=lambda file: file.written)
        newest = GrowingFile.if_there(self._path)
        files = opened if newest is None else [*opened, newest]
        found = next(filter(suits, files), None)
        for file in files:
            if file is not found:
                file.close()
        return found

    def _is_rotated(self, path: Path) -> bool:
        name = path.name.removeprefix(self._path.name)
        return name != path.name and name[:1] in {".", "-"} and path.suffix not in _PACKED and path.is_file()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What the system refuses is told; it may pass."""
    try:
        yield
    except OSError as error:
        raise UnreachableError(
            f"{path} cannot be read: {error.strerror}.", asked=path, remedy="Look at its permissions."
        ) from error
