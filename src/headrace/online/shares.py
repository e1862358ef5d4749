"""Which partitions a worker takes, of several on a host: shares that follow from who is there.

Nobody hands them out. Each worker holds a seat, sees which seats are held, and takes the partitions that fall
to its own; it lets go of those that fall to others. A worker that dies leaves its seat and its partitions at
once, for the system lets go of its locks. That two take one partition for a moment, or none does, is no harm:
what keeps states right is that only the last who took a partition over may write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Locks", "Share"]

_SEATS = 64
"""Workers of a host, at most."""


class Locks(Protocol):
    """Locks by name among the processes of a host; they are let go of when their process ends."""

    def take(self, name: str) -> bool:
        """Hold a lock, unless somebody else does."""
        ...

    def let_go(self, name: str) -> None:
        """Let go of a lock; one that is not held is no error."""
        ...

    def is_free(self, name: str) -> bool:
        """Whether nobody holds a lock."""
        ...


class Share:
    """What of a stream falls to one worker."""

    def __init__(self, locks: Locks) -> None:
        """Without a seat.

        Args:
            locks: Those of the source.
        """
        self._locks = locks
        self._seat: int | None = None

    def of(self, partitions: Sequence[str]) -> set[str]:
        """The partitions that fall to this worker now."""
        if self._seat is None:
            self._seat = next((seat for seat in range(_SEATS) if self._locks.take(_seat(seat))), None)
        if self._seat is None:
            return set()
        seats = [seat for seat in range(_SEATS) if seat == self._seat or not self._locks.is_free(_seat(seat))]
        turn = seats.index(self._seat)
        return {name for place, name in enumerate(partitions) if place % len(seats) == turn}

    def take(self, partition: str) -> bool:
        """Take a partition, unless another worker still has it."""
        return self._locks.take(f"partition {partition}")

    def let_go(self, partition: str) -> None:
        """Leave a partition to others."""
        self._locks.let_go(f"partition {partition}")

    def leave(self) -> None:
        """Leave the seat."""
        if self._seat is not None:
            self._locks.let_go(_seat(self._seat))
            self._seat = None


def _seat(number: int) -> str:
    return f"worker {number}"
