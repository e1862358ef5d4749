"""Finding places among rows sorted by entity and time: two keys packed into one sorted column of int64."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headrace.kernel.sorting import begins
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from headrace.aggregations.states import Array

__all__ = ["Places", "entity_chunks"]

_ROOM = 1 << 62


class Places:
    """Rows keyed by (entity rank, instant), answering lower bounds.

    Attributes:
        entities: The entities there are, ascending.
    """

    def __init__(self, entity: Array, instants: Array, *, running: bool = False) -> None:
        """Key the rows.

        Args:
            entity: Ascending codes.
            instants: One for each row. Ascending within an entity, unless `running`: then each row's key is
                the greatest instant of its entity up to it.
            running: See `instants`.
        """
        self._alone = len(entity) > 0 and entity[0] == entity[-1]
        if self._alone:  # as in a request: the instants are key enough
            self._starts = np.array([0, len(entity)])
            self.entities = entity[:1]
            self._keys = np.maximum.accumulate(instants) if running else instants
            return
        fresh = begins(entity)
        self._starts = np.append(np.flatnonzero(fresh), len(entity))
        self.entities = entity[self._starts[:-1]]
        self._low, self._stride = _reach(instants)
        if len(self.entities) * self._stride >= _ROOM:
            raise AssertionError(
                "more entities than one key can tell apart: cut the rows by entity_chunks first"
            )
        keys = (np.cumsum(fresh) - 1) * self._stride + np.maximum(instants - self._low, 0)
        self._keys = np.maximum.accumulate(keys) if running else keys

    def rank(self, entity: Array) -> tuple[Array, Array]:
        """For query entities: their rank, and whether they are here at all."""
        rank = np.searchsorted(self.entities, entity)
        here = np.zeros(len(entity), dtype=bool)
        if len(self.entities):
            here = self.entities[np.minimum(rank, len(self.entities) - 1)] == entity
        return rank, here

    def start(self, rank: Array) -> Array:
        """The first row of the entity of this rank."""
        return self._starts[rank]

    def first(self, rank: Array, at: Array) -> Array:
        """The first row of the entity of this rank that is at or after `at`; the entity's end if none is."""
        if self._alone:
            return np.where(rank == 0, self._keys.searchsorted(at), self._starts[1])
        place = np.where(at == FOREVER_AGO, 0, np.clip(at - self._low, 1, self._stride - 1))
        return np.searchsorted(self._keys, rank * self._stride + place)


def _reach(instants: Array) -> tuple[int, int]:
    """An instant before all others, and how many there are from it on; `FOREVER_AGO` does not count."""
    real = instants[instants > FOREVER_AGO]
    if not len(real):
        return 0, 2
    return int(real.min()) - 1, int(real.max()) - int(real.min()) + 3


def entity_chunks(entity: Array, instants: Array) -> list[tuple[int, int]]:
    """Spans of rows, cut between entities, small enough for `Places`."""
    if not len(entity) or entity[0] == entity[-1]:
        return [(0, len(entity))]
    _, stride = _reach(instants)
    most = max(_ROOM // stride - 1, 1)
    starts = np.flatnonzero(begins(entity))[::most]
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(entity)], strict=True))
