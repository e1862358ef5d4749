"""What ingestion has counted on this host: in files that outlive who counts, for servers to tell.

Each process that ingests sits on a seat, a file of its own, and counts on from what it finds there; so no sum
ever falls, however often processes end, and there are no more files than processes at once.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from headrace.errors import StoreError
from headrace.online.ingestion import FRESHNESS
from headrace.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from headrace.online.ingestion import Counts
    from headrace.online.shares import Locks

__all__ = ["Seats", "Tally", "TallyFile", "read", "together"]

_LOG = logging.getLogger("headrace.ingest")
_SEATS = 64
"""Processes of a host that count at once, at most."""


class Tally(msgspec.Struct):
    """What was counted of one source.

    Attributes:
        messages: How many came to what: `accepted`, `duplicates`, `late`, `rejected`.
        batches: How many batches were taken.
        gaps: How often the broker no longer had what should have come.
        failures: How often a batch, or the broker, failed and was tried again.
        visible: How old events were when they became visible: the buckets of a histogram.
        behind: How far each partition is behind, by those who read it now.
        waits: How many of those who read now are kept from it by something.
    """

    messages: dict[str, int] = {}
    batches: int = 0
    gaps: int = 0
    failures: int = 0
    visible: list[float] = msgspec.field(default_factory=lambda: [0.0] * (len(FRESHNESS) + 2))
    behind: dict[str, int] = {}
    waits: int = 0

    @classmethod
    def of(cls, counts: Counts) -> Tally:
        """What a worker has counted so far."""
        return cls(
            dict(counts.messages),
            counts.batches,
            counts.gaps,
            counts.failures,
            list(counts.visible.buckets),
            {name: far for name, far in counts.behind.items() if far is not None},
            int(bool(counts.trouble.text)),
        )

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return self._joined(other, 1)

    def minus(self, before: Tally) -> Tally:
        """What was counted after."""
        return self._joined(before, -1)

    def at_rest(self) -> Tally:
        """The sums alone: who counted them reads no longer."""
        return msgspec.structs.replace(self, behind={}, waits=0)

    def _joined(self, other: Tally, sign: int) -> Tally:
        messages = Counter(self.messages)
        for outcome, many in other.messages.items():
            messages[outcome] += sign * many
        return Tally(
            dict(messages),
            self.batches + sign * other.batches,
            self.gaps + sign * other.gaps,
            self.failures + sign * other.failures,
            [mine + sign * its for mine, its in zip(self.visible, other.visible, strict=True)],
            self.behind | other.behind,
            self.waits + sign * other.waits,
        )


class TallyFile:
    """The file of one process that ingests."""

    def __init__(self, path: Path) -> None:
        """Count on from what it says."""
        self._path = path
        self._before = {name: each.at_rest() for name, each in read(path).items()}
        self._trouble = Trouble(_LOG, "What is ingested is not told", "What is ingested is told again.")

    def write(self, counts: Mapping[str, Counts]) -> None:
        """Say what has been counted; a full disk costs figures, not events."""
        now = {name: Tally.of(each) for name, each in counts.items()}
        new = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(msgspec.json.encode(together([self._before, now])))
            new.replace(self._path)
        except OSError as error:
            self._trouble.tell(f"{self._path}: {error.strerror}.")
        else:
            self._trouble.tell("")


class Seats:
    """The seats of a host."""

    def __init__(self, directory: Path, locks: Locks) -> None:
        """In a directory that need not be there.

        Args:
            directory: Where the files are.
            locks: Tell which are taken.
        """
        self._directory = directory
        self._locks = locks

    def take(self) -> Path:
        """The file of a seat that is taken from now on, until it is left or this process ends.

        Raises:
            StoreError: None is free.
        """
        for path in self._files():
            if self._locks.is_free(path.stem) and self._locks.take(path.stem):
                return path
        raise StoreError(f"{_SEATS} processes ingest on this host.", remedy="End some of them.")

    def leave(self, path: Path) -> None:
        """Leave a seat to others; what it says stays."""
        self._locks.let_go(path.stem)

    def told(self) -> dict[str, Tally]:
        """What all have counted, by source."""
        all_: dict[str, Tally] = {}
        for path in self._files():
            if path.exists():
                there = read(path)
                if self._locks.is_free(path.stem):
                    there = {name: each.at_rest() for name, each in there.items()}
                all_ = together([all_, there])
        return all_

    def _files(self) -> Iterator[Path]:
        return (self._directory / f"{number}.json" for number in range(_SEATS))


def read(path: Path) -> dict[str, Tally]:
    """What a file says, by source; nothing where there is none, or none that can be read."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, Tally])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        _LOG.warning("%s cannot be read: %s.", path, error)
        return {}
    many = len(FRESHNESS) + 2
    return {name: each for name, each in found.items() if len(each.visible) == many}


def together(all_: Iterable[Mapping[str, Tally]]) -> dict[str, Tally]:
    """What several have counted, by source."""
    found: dict[str, Tally] = {}
    for each in all_:
        for name, tally in each.items():
            found[name] = found[name].plus(tally) if name in found else tally
    return found
