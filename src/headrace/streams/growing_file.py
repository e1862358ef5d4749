"""One file that grows by lines: read from a place on, and told from others that bear its name later."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

__all__ = ["GrowingFile", "Lines", "Position"]

_HEAD = 256
"""How many of a file's first bytes tell it from others."""
_LONGEST = (1 << 20) + 1
"""Bytes of a line that are taken: enough for everybody to see that it is too long."""
_LEAST, _MOST = 1 << 16, 1 << 22
"""Bytes that are read at once."""
_OF_A_LINE = 512
_MARK = b"\xef\xbb\xbf"


class Position(msgspec.Struct, frozen=True):
    """How far a file is read, and how to find it again.

    Attributes:
        at: Bytes.
        inode: The file's.
        head: A hash of its first bytes, of at most 256 that are read.
    """

    at: int
    inode: int
    head: str


class Lines(NamedTuple):
    """Lines without their ends, and where each begins."""

    values: list[bytes]
    at: list[int]


class GrowingFile:
    """An open file."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            OSError: It cannot be opened, or is none.
        """
        self.name = path.name
        self.at = 0
        self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        about = os.fstat(self._file)
        if not stat.S_ISREG(about.st_mode):
            os.close(self._file)
            raise OSError(errno.EINVAL, "It is no file")
        self.inode = about.st_ino

    @classmethod
    def if_there(cls, path: Path) -> Self | None:
        """The file; None if it is gone.

        Raises:
            OSError: It cannot be opened.
        """
        try:
            return cls(path)
        except FileNotFoundError:
            return None

    def close(self) -> None:
        """Let go of it."""
        os.close(self._file)

    @property
    def size(self) -> int:
        """Bytes it has now."""
        return os.fstat(self._file).st_size

    @property
    def written(self) -> int:
        """When it was last written, nanoseconds since 1970."""
        return os.fstat(self._file).st_mtime_ns

    def position(self) -> Position:
        """How far it is read."""
        return Position(self.at, self.inode, self._head(self.at))

    def is_at(self, position: Position) -> bool:
        """Whether a position is one of this file."""
        return self.size >= position.at and self._head(position.at) == position.head

    def _head(self, read: int) -> str:
        return hashlib.sha256(os.pread(self._file, min(read, _HEAD), 0)).hexdigest()[:16]

    def lines(self, limit: int, *, ended: bool = False) -> Lines:
        """The next lines that are not blank; they are read then.

        Args:
            limit: At most so many.
            ended: Whether nobody writes to it any more: its last line may lack its end.
        """
        size = min(max(limit * _OF_A_LINE, _LEAST), _MOST)
        while True:
            data = os.pread(self._file, size, self.at)
            whole, newline, _ = data.rpartition(b"\n")
            if not newline:
                return self._long(data, ended=ended)
            values = whole.split(b"\n", limit)[:limit]
            *at, end = (n + ends for n, ends in enumerate(accumulate(map(len, values), initial=self.at)))
            self.at = end
            found = _but_blank(Lines(values, at))
            if found.values:
                return found

    def _long(self, data: bytes, *, ended: bool) -> Lines:
        """The line that begins here, which is longer than what was read of it, or has no end yet."""
        begin, end = self.at, self.at + len(data)
        while more := os.pread(self._file, _MOST, end):
            head, newline, _ = more.partition(b"\n")
            data = (data + head)[:_LONGEST]
            end += len(head) + len(newline)
            if newline:
                break
        else:
            if not ended or begin == end:
                return Lines([], [])
        self.at = end
        return _but_blank(Lines([data], [begin]))


def _but_blank(lines: Lines) -> Lines:
    """The lines that are not blank, without the file's mark, and as long as anybody takes."""
    values, at = lines
    if at[0] == 0:
        values[0] = values[0].removeprefix(_MARK)
    if not all(values) or any(map(bytes.isspace, values)):
        held = [place for place, value in enumerate(values) if value and not value.isspace()]
        values, at = [values[place] for place in held], [at[place] for place in held]
    if max(map(len, values), default=0) > _LONGEST:
        values = [value[:_LONGEST] for value in values]
    return Lines(values, at)
