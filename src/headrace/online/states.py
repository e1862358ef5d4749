"""A view's states as records: folding events into them, and reading features from them.

Two kinds of view, one set of verbs. Generation, stream and request differ only in which records they touch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from headrace.kernel.binding import AggregateBinding, Binding, LatestBinding
from headrace.online.aggregate_states import AggregateStates
from headrace.online.latest_states import LatestStates

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from headrace.aggregations.states import Array
    from headrace.kernel.columns import Columns
    from headrace.online.record import Stamp

__all__ = ["ReadableStates", "ViewStates", "states_of"]


class ReadableStates(Protocol):
    """The states of one view, for reading."""

    @property
    def fingerprint(self) -> str:
        """Equal for views whose records mean the same."""
        ...

    def read(self, records: Sequence[bytes], entity: Sequence[int], n: int, t: int) -> Columns:
        """The features wanted of the view at one instant.

        Args:
            records: All records of all entities.
            entity: The entity each record belongs to, 0 to n - 1, ascending.
            n: How many entities.
            t: The instant.
        """
        ...


class ViewStates(ReadableStates, Protocol):
    """The states of one view."""

    def load(self, events: pa.Table, group: Array, groups: int, known: int) -> list[bytes | None]:
        """The records of a generation.

        Args:
            events: Clean events with `known` before K, the view's expressions evaluated.
            group: The entity of each event, 0 to groups - 1.
            groups: How many entities.
            known: K, the earliest instant anybody will ask at.

        Returns:
            A record for each group; None where nothing is left that any window could reach.
        """
        ...

    def merge(self, records: Sequence[bytes], entity: Array, n: int, known: int) -> list[bytes | None]:
        """The records of several segments as one for each entity.

        Args:
            records: Records of segments; nothing waits in them.
            entity: The entity each belongs to, 0 to n - 1, ascending; int64.
            n: How many entities.
            known: K, the earliest instant anybody will ask at.

        Returns:
            A record for each entity; None where nothing is left that any window could reach.
        """
        ...

    def fold(
        self, events: pa.Table, group: Array, existing: Sequence[bytes | None], stamp: Stamp
    ) -> list[bytes | None]:
        """The records of the stream after some more events.

        Args:
            events: Clean events without duplicates, the view's expressions evaluated.
            group: The record of each event, 0 to len(existing) - 1.
            existing: What the records hold; None for none.
            stamp: Where they come from, and who writes.

        Raises:
            ConflictError: A newer writer has written one of the records.
        """
        ...


def states_of(binding: Binding, names: Sequence[str] | None = None) -> ViewStates:
    """The states of a view; with names, reads answer only those features."""
    if isinstance(binding, AggregateBinding):
        return AggregateStates(binding, names)
    assert isinstance(binding, LatestBinding)  # noqa: S101 - the two kinds there are
    return LatestStates(binding, names)
