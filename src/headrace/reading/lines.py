"""Text files opened line by line, gzipped or not, for what DuckDB does not tell."""

from __future__ import annotations

import gzip
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace.errors import DataError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["first_line_of", "lines_of"]

_LONGEST_HEADER = 1 << 20
_MARK = b"\xef\xbb\xbf"


def first_line_of(path: Path) -> bytes:
    """The first line of a text file, without its end and a byte order mark.

    Raises:
        DataError: The file cannot be read.
    """
    with _opened(path) as file:
        return file.readline(_LONGEST_HEADER).removeprefix(_MARK).rstrip(b"\r\n")


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a text file, without their ends.

    Raises:
        DataError: The file cannot be read.
    """
    with _opened(path) as file:
        for line in file:
            yield line.removeprefix(_MARK).rstrip(b"\r\n")


@contextmanager
def _opened(path: Path) -> Iterator[gzip.GzipFile | io.BufferedReader]:
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            yield file
    except (OSError, EOFError) as error:
        raise DataError(
            f"The file {str(path)!r} cannot be read: {error}.",
            asked=path,
            remedy="Check that it is whole and what its suffix says.",
        ) from error
