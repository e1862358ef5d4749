"""The definition that stored states were made by, where the view has changed since: features came or went.

Until the next load, reads and pushes go on with it; what only the present definition has is not loaded yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from headrace.kernel.columns import INVALID, ArrowColumn, HeldColumns
from headrace.online.states import states_of
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from headrace.kernel.binding import Binding
    from headrace.kernel.columns import Column, Columns
    from headrace.online.manifest import StreamState, ViewManifest
    from headrace.schema import Type

__all__ = ["NOT_LOADED", "Earlier", "EarlierStates", "FindEarlier", "not_loaded", "stored_states"]

NOT_LOADED = "not loaded yet: run headrace materialize"


class Earlier(NamedTuple):
    """An earlier revision of a view.

    Attributes:
        binding: The view as it was.
        names: Those of its features that mean the same today.
    """

    binding: Binding
    names: frozenset[str]


FindEarlier = Callable[["Binding", str], Earlier | None]
"""Finds the revision of a view whose states have a fingerprint; None if no revision has."""


def stored_states(loaded: ViewManifest, stream: StreamState) -> str:
    """The fingerprint of the states that a view's records hold; empty where it has none."""
    if loaded.generation >= 0:
        return loaded.states
    return stream.states if stream.epochs else ""


class EarlierStates:
    """Reads what an earlier revision knows of the features wanted; the others are not loaded yet."""

    def __init__(self, earlier: Earlier, wanted: Sequence[str], types: Mapping[str, Type]) -> None:
        """Over a revision, the features wanted of the present one, and their types."""
        self._states = states_of(earlier.binding, [name for name in wanted if name in earlier.names])
        self._wanted = wanted
        self._types = types

    @property
    def fingerprint(self) -> str:
        """That of the revision's states."""
        return self._states.fingerprint

    def read(self, records: Sequence[bytes], entity: Sequence[int], n: int, t: int) -> Columns:
        """See `ViewStates`."""
        known = self._states.read(records, entity, n, t)
        return HeldColumns(
            {
                name: known[name] if name in known else not_loaded(n, self._types[name])
                for name in self._wanted
            }
        )


def not_loaded(n: int, of: Type) -> Column:
    """The column of a feature that no stored state knows yet, for n entities."""
    status = np.full(n, INVALID, dtype=np.uint8)
    return ArrowColumn(pa.nulls(n, of.arrow()), status, np.full(n, FOREVER_AGO, dtype=np.int64), NOT_LOADED)
