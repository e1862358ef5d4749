"""The event-stream port: what ingestion asks of a broker, a file that grows, a log of events.

A stream has partitions, known by names, and each keeps its messages in one order. Whoever reads a partition
says where to begin, and takes messages with the position after them; a position is a text that only the
stream understands. Messages taken again after a position are the same ones, as long as the broker keeps
them. What a stream knows of readers is for people to look at: nothing is lost if it is wrong.

Verbs raise UnreachableError when the broker does not answer; the stream may be asked again later and goes on
where it was. They raise StoreError for what waiting does not mend: no such topic, no permission.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["EventStream", "Messages", "Places"]


class Places:
    """Where messages are, in words that are put together when somebody asks: few are ever told."""

    def __init__(self, before: str, offsets: Sequence[int] | Sequence[str]) -> None:
        """What all begin with, and the offset of each."""
        self._before = before
        self._offsets = offsets

    def __len__(self) -> int:
        """How many there are."""
        return len(self._offsets)

    def __iter__(self) -> Iterator[str]:
        """Where each is."""
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, message: int) -> str:
        """Where a message is."""
        return f"{self._before}{self._offsets[message]}"


class Messages(NamedTuple):
    """Some messages of one partition, in its order.

    Attributes:
        partition: The partition's name.
        values: The messages; one of None is a message without content.
        places: Where each is, in the stream's own words: `ads/3@1041` for Kafka.
        after: The position after the last of them.
        gap: What should have come before them and is not there any more, in words; empty if nothing.
    """

    partition: str
    values: Sequence[bytes | None]
    places: Places
    after: str
    gap: str = ""


class EventStream(Protocol):
    """A stream of events; used by one thread."""

    def partitions(self) -> Sequence[str]:
        """The names of all partitions there are now, in an order that stays as more are added."""
        ...

    def begin(self, partition: str, after: str | None, since: int) -> None:
        """Read a partition.

        Args:
            partition: Its name.
            after: The position to go on from; None where nothing of it was ever taken.
            since: Where there is no position: no message that came before this instant is wanted,
                microseconds UTC. A stream that does not know when its messages came begins with the first.
        """
        ...

    def end(self, partition: str) -> None:
        """Read a partition no more; one that is not read is no error."""
        ...

    def take(self, limit: int, wait: float) -> list[Messages]:
        """The next messages of the partitions that are read.

        Args:
            limit: At most so many.
            wait: How long to wait for the first of them, seconds.
        """
        ...

    def done(self, partition: str, after: str) -> None:
        """Tell the broker that everything up to a position is taken, for people to see."""
        ...

    def behind(self, partition: str) -> int | None:
        """How many messages, or bytes of a file, are still to be taken; None where nobody can tell."""
        ...

    def close(self) -> None:
        """Let go of the broker. Closing twice is no error."""
        ...
