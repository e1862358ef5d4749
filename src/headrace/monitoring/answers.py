"""What was answered, and what is known of how it came about: the material of a replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from headrace.aggregations.states import Array
    from headrace.kernel.binding import Binding
    from headrace.kernel.entities import Numbers

__all__ = ["NOT_ASKED", "Answers", "Record", "Streamed"]

NOT_ASKED = 255
"""The status of a feature that a row was not asked for."""


class Answers(NamedTuple):
    """What n rows of the served log say of one view.

    Attributes:
        keys: The join keys, n rows.
        t: The instants they were answered for, int64 microseconds; like the next five.
        served_at: The clock when each was asked for.
        known: K of the generation served; FOREVER_AGO where nothing was loaded.
        loaded_at: When that generation was loaded, the clock at the beginning of the load.
        frontier: The newest known instant merged from the stream; FOREVER_AGO for none.
        segments: How many records of the generation the entity had; -1 where that was not noted.
        positions: Of each partition of the stream, the last offset the entity's records had applied.
        values: Feature -> what was answered, n values.
        statuses: Feature -> uint8, places in `STATUS_NAMES`, or `NOT_ASKED`.
        reasons: Why values were INVALID, by feature.
        ages: Feature -> how old the newest event was, microseconds; -1 for none.
    """

    keys: pa.Table
    t: Array
    served_at: Array
    known: Array
    loaded_at: Array
    frontier: Array
    segments: Array
    positions: Sequence[Mapping[int, int]]
    values: Mapping[str, pa.Array]
    statuses: Mapping[str, Array]
    reasons: Sequence[Mapping[str, str]]
    ages: Mapping[str, Array]


class Streamed(NamedTuple):
    """What the stream of a source brought of some entities, in the order of its logs.

    Attributes:
        events: Clean events, the view's expressions evaluated; those that a copy had come before included.
        entity: The number of each one's entity.
        partition: The partition each came through.
        offset: Its batch's place in that partition's log.
        applied: When it became visible, microseconds UTC; FOREVER_AGO where nobody noted.
        fresh: Which are no copies of one before.
        complete_from: No event known at or after this instant was forgotten.
    """

    events: pa.Table
    entity: Array
    partition: Array
    offset: Array
    applied: Array
    fresh: Array
    complete_from: int


class Record(Protocol):
    """What is known of a view's events: the batch, which is the record, and what the stream brought."""

    def batch(self, binding: Binding, entities: Numbers, before: int) -> tuple[pa.Table, Array]:
        """The events of some entities known before an instant, copies included, and their entities' numbers.

        Raises:
            DataError: The source cannot be read.
        """
        ...

    def late(
        self, binding: Binding, entities: Numbers, known: int, loaded_at: int
    ) -> tuple[pa.Table, Array] | None:
        """The events of some entities with `known` before K that reached the batch after a load to K.

        Args:
            binding: The view.
            entities: The entities.
            known: K.
            loaded_at: The clock when the load began.

        Returns:
            The events and their entities' numbers; None where that cannot be told.
        """
        ...

    def stream(self, binding: Binding, entities: Numbers) -> Streamed | None:
        """What the stream brought of some entities; None where the source has none."""
        ...
