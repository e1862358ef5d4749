"""Hashes of the event ids in each file that was loaded, so that copies are found without reading it again.

They are kept sorted: what two files share is found by merging, which costs two nanoseconds or so a hash. A
cache: it may be deleted at any time, and what it says of a file is looked up in the file before it counts.
Which rows of a file are events depends on who reads it: a row without a user is none for views of users, and
one that breaks a rule none for the version of the source that has it. So each way of reading has its own.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from headrace.aggregations.dictionary import distinct
from headrace.definitions.canonical import semantic_hash
from headrace.kernel.duplicates import id_hashes
from headrace.kernel.sorting import shared

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pyarrow as pa

    from headrace.aggregations.states import Array
    from headrace.kernel.binding import Binding

__all__ = ["FileIds"]

_VERSION = 2
"""Of the hashes and their files."""


class FileIds:
    """The hashes of ids by file."""

    def __init__(self, directory: Path, binding: Binding, event_id: str) -> None:
        """In a directory, which is made when it is needed.

        Args:
            directory: Where all hashes are.
            binding: The view whose events have the ids.
            event_id: The column that identifies an event.
        """
        keys = [(name, str(of)) for name, of in binding.keys.items()]
        reading = (semantic_hash(binding.source), binding.zone, keys)
        self._directory = directory / binding.source.name / _short(reading)
        self._schema, self._event_id = binding.schema, event_id

    def hashes(self, events: pa.Table) -> Array:
        """The hash of each event's id, uint64; anything for null."""
        ids = events.column(self._event_id).combine_chunks()
        return id_hashes(ids, self._schema, self._event_id)

    def of(self, path: Path) -> Array | None:
        """The hashes of the ids in a file as it is now, ascending; None where they are not known."""
        try:
            found: Array = np.load(self._place(path), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            return None
        return found if found.dtype == np.uint64 and found.ndim == 1 else None

    def met(self, paths: Iterable[Path], hashes: Array) -> tuple[list[Path], Array | None]:
        """Which files may have some ids, and which of the ids files may have.

        Args:
            paths: The files.
            hashes: The hashes of the ids.

        Returns:
            Files; hashes, ascending, or None where nobody knows the ids of one of the files.
        """
        wanted, met = distinct(hashes), []
        perhaps: list[Path] = []
        unknown = False
        for path in paths:
            found = self.of(path)
            unknown |= found is None
            both = wanted if found is None else shared(wanted, found)
            if len(both):
                perhaps.append(path)
                met.append(both)
        return perhaps, None if unknown else distinct(np.concatenate([wanted[:0], *met]))

    def keep(self, path: Path, hashes: Sequence[Array]) -> None:
        """Keep the hashes of all ids in a file; where nothing can be written nothing is kept."""
        place = self._place(path)
        new = place.with_suffix(f".{os.getpid()}")
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            with new.open("wb") as file:
                np.save(file, distinct(np.concatenate([np.zeros(0, np.uint64), *hashes])), allow_pickle=False)
            new.replace(place)
        except OSError:
            with suppress(OSError):
                new.unlink(missing_ok=True)

    def keep_only(self, paths: Iterable[Path]) -> None:
        """Forget the files that are no longer there, or not as they were."""
        with suppress(OSError):  # what is left costs disk, nothing else
            kept = {self._place(path) for path in paths}
            for place in self._directory.iterdir():
                if place not in kept:
                    place.unlink(missing_ok=True)

    def _place(self, path: Path) -> Path:
        stat = path.stat()
        what = (_VERSION, str(path), stat.st_size, stat.st_mtime_ns, self._event_id, str(self._schema))
        return self._directory / f"{_short(what)}.npy"


def _short(what: object) -> str:
    return hashlib.sha256(repr(what).encode("utf-8", "surrogatepass")).hexdigest()[:32]
