"""Partitions of streams: their numbers, how far each is ingested, and who may write it.

A partition is known by its name at the broker, and by a number in the keys of what is made of it. Whoever
takes it over becomes its writer, under a number greater than that of any writer before; a writer that was
replaced is refused, whatever it still has in hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from headrace.errors import ConflictError
from headrace.online.layout import partitions_key, progress_key
from headrace.online.manifest import decoded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.ports.key_value import Reader, Transactional, Writer

__all__ = ["Part", "Progress", "partition_numbers", "progress_of", "put_progress", "take_over"]


class Progress(msgspec.Struct, frozen=True):
    """How far a partition is ingested.

    Attributes:
        after: The broker's position after the last batch that was taken; None before the first.
        writer: Who may write; 0 before anybody.
    """

    after: str | None = None
    writer: int = 0


class Part(NamedTuple):
    """A partition and who writes it.

    Attributes:
        number: The partition's number.
        writer: The writer's number.
        after: The broker's position to go on from; None where nothing was ever taken.
    """

    number: int
    writer: int
    after: str | None


_NAMES = msgspec.json.Decoder(list[str])
_PROGRESS = msgspec.json.Decoder(Progress)
_NOTHING = Progress()


def partition_numbers(store: Reader, source: str) -> Mapping[str, int]:
    """The partitions of a source's stream by their names, numbered from 1 on as they were first seen."""
    (data,) = store.multi_get([partitions_key(source)])
    names = [] if data is None else decoded(_NAMES, data, f"partitions of {source!r}")
    return {name: number for number, name in enumerate(names, start=1)}


def progress_of(store: Reader, source: str, partition: int) -> Progress:
    """How far a partition is ingested, and by whom."""
    (data,) = store.multi_get([progress_key(source, partition)])
    return _NOTHING if data is None else decoded(_PROGRESS, data, f"progress of {source!r}")


def take_over(store: Transactional, source: str, name: str) -> Part:
    """Become the writer of a partition; whoever was it before is refused from now on.

    Args:
        store: The online store.
        source: The source.
        name: What the broker calls the partition.

    Returns:
        The partition as its new writer has it.
    """
    with store.transaction() as tx:
        numbers = partition_numbers(tx, source)
        number = numbers.get(name, len(numbers) + 1)
        if name not in numbers:
            tx.multi_put([(partitions_key(source), msgspec.json.encode([*numbers, name]))])
        before = progress_of(tx, source, number)
        now = msgspec.structs.replace(before, writer=before.writer + 1)
        tx.multi_put([(progress_key(source, number), msgspec.json.encode(now))])
    return Part(number, now.writer, now.after)


def put_progress(tx: Writer, source: str, partition: int, progress: Progress) -> None:
    """Note in the transaction of a batch how far its partition is now.

    Raises:
        ConflictError: Somebody else has taken the partition over.
    """
    newest = progress_of(tx, source, partition).writer
    if newest != progress.writer:
        raise ConflictError(
            f"Writer {newest} has taken partition {partition} of {source!r} over from writer "
            f"{progress.writer}; nothing was written.",
            asked=progress.writer,
            remedy="Leave the partition to it: it goes on from what was written before.",
        )
    tx.multi_put([(progress_key(source, partition), msgspec.json.encode(progress))])
