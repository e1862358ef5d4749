"""The engine port: what offline work and loads ask of whatever reads a source and computes over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from headrace.kernel.parts import BUCKETS

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.aggregations.states import Array
    from headrace.definitions.source import Source
    from headrace.kernel.binding import Binding
    from headrace.kernel.columns import Column
    from headrace.kernel.label_binding import LabelBinding
    from headrace.schema import Schema

__all__ = [
    "Answered",
    "AnsweredLabel",
    "Asked",
    "AskedLabel",
    "Engine",
    "Extent",
    "Extracted",
    "File",
    "Held",
    "Part",
    "Progress",
]


class File(NamedTuple):
    """A file of a batch, as it lies there now.

    Attributes:
        name: What it is called: its path, from the project's directory if it lies in there.
        size: Bytes.
        changed: When it was last written, nanoseconds since 1970.
    """

    name: str
    size: int
    changed: int


class Extent(NamedTuple):
    """How far the clean rows of a file reach.

    Attributes:
        time: The newest event time, microseconds UTC.
        known: The newest known instant, microseconds UTC.
    """

    time: int
    known: int


class Held(NamedTuple):
    """What an earlier load holds of a batch.

    Attributes:
        before: It holds the events of these files with `known < before`.
        files: The files by name, and how far each reaches; None for one without a clean row.
    """

    before: int
    files: Mapping[str, Extent | None]


class Part(NamedTuple):
    """Clean events of some entities: all of theirs, and of no others.

    Attributes:
        events: `__time`, `__known`, the source's columns, the view's expressions evaluated.
        rejected: Rows that were not usable, see `headrace.intake.rejects`; their files by name.
        done: How many of the `BUCKETS` of entities are done with this part; all are with the last.
        extents: How far each file that was read reaches; None for one without a clean row.
        beyond: How many more rows were not usable, too many to be told one by one, by rule.
        warned: How many rows were usable though they break a rule that only warns, by rule; "" is for any.
            Like `rejected` they are told once, by the first part that is asked for.
    """

    events: pa.Table
    rejected: pa.Table
    done: int
    extents: Mapping[str, Extent | None] = MappingProxyType({})
    beyond: Mapping[str, int] = MappingProxyType({})
    warned: Mapping[str, int] = MappingProxyType({})

    @property
    def share(self) -> float:
        """How much of the whole is done with this part, 0 to 1."""
        return self.done / BUCKETS


class Asked(NamedTuple):
    """A question about one view.

    Attributes:
        binding: The view.
        names: The features wanted.
        keys: The spine's key columns, n rows.
        t: The spine's instants, int64 microseconds, n rows.
    """

    binding: Binding
    names: Sequence[str]
    keys: pa.Table
    t: Array


class Answered(NamedTuple):
    """Point-in-time correct features of a view.

    Attributes:
        columns: Feature -> values, in the spine's order.
        left_out: How many rows of the source were left out, by reason.
        newest: The newest event time among the rows that were not, microseconds UTC; None without any.
    """

    columns: Mapping[str, Column]
    left_out: Mapping[str, int]
    newest: int | None


class AskedLabel(NamedTuple):
    """A question about one label.

    Attributes:
        binding: The label.
        keys: The spine's columns of the label's keys, n rows.
        t: The spine's instants, int64 microseconds, n rows.
        named: The event id of each row's touch, n values; None where the spine does not have it.
        as_of: What was not known before this instant does not count, microseconds UTC.
    """

    binding: LabelBinding
    keys: pa.Table
    t: Array
    named: pa.Array | None
    as_of: int


class Extracted(NamedTuple):
    """What was read of a source.

    Attributes:
        left_out: How many rows were left out, by reason.
        newest: The newest event time among the others, microseconds UTC; None without any.
    """

    left_out: Mapping[str, int]
    newest: int | None


class AnsweredLabel(NamedTuple):
    """A label at every row of a spine.

    Attributes:
        columns: `value` and `delay` (seconds), in the spine's order, NOT_FOUND where there is no touch.
        sources: What was read of each source, by its name.
    """

    columns: Mapping[str, Column]
    sources: Mapping[str, Extracted]


Progress: TypeAlias = Callable[[str, float], None]
"""Hears how far a piece of work is: what it is, and the share done, 0 to 1."""


class Engine(Protocol):
    """Reads sources and computes features over them."""

    def infer_schema(self, source: Source) -> Schema:
        """The schema of a source's data.

        Raises:
            DataError: There is no data, or it cannot be read.
        """
        ...

    def files(self, source: Source) -> Sequence[File] | None:
        """The files of a source's batch; None where it has no files that could be told from each other.

        Raises:
            DataError: There are none, or they cannot be read.
        """
        ...

    def parts(self, binding: Binding, before: int, held: Held | None = None, done: int = 0) -> Iterator[Part]:
        """The clean events of a view's source with `known < before`, entity by entity.

        Which bucket an entity is in never changes, so that whoever was stopped may go on where it was.

        Args:
            binding: The view.
            before: K.
            held: What is loaded already and left out: all events of these files known before, and copies of
                them. None to leave out nothing.
            done: How many buckets of entities to leave out, the first ones.

        Returns:
            At least one part.

        Raises:
            DataError: The data cannot be read.
        """
        ...

    def features(self, asked: Asked, progress: Progress) -> Answered:
        """Point-in-time correct features of a view.

        Raises:
            DataError: The data cannot be read.
        """
        ...

    def labels(self, asked: AskedLabel, progress: Progress) -> AnsweredLabel:
        """A label at every row of a spine; see `headrace.kernel.attribution`.

        Raises:
            DataError: The data cannot be read.
        """
        ...
