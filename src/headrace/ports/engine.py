"""The engine port: what offline work and loads ask of whatever reads a source and computes over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.aggregations.states import Array
    from headrace.definitions.source import Source
    from headrace.kernel.binding import Binding
    from headrace.kernel.columns import Column
    from headrace.schema import Schema

__all__ = ["Answered", "Asked", "Engine", "Part", "Progress"]


class Part(NamedTuple):
    """Clean events of some entities: all of theirs, and of no others.

    Attributes:
        events: `__time`, `__known`, the source's columns, the view's expressions evaluated.
        rejected: Rows that were not usable: row as JSON text, rule, reason.
        share: How much of the whole is done with this part, 0 to 1.
    """

    events: pa.Table
    rejected: pa.Table
    share: float


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

    def parts(self, binding: Binding, before: int) -> Iterator[Part]:
        """The clean events of a view's source with `known < before`, entity by entity.

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
