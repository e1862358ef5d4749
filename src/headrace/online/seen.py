"""Which event ids the stream has seen: the first copy within the horizon counts, later ones do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headrace.kernel.clean import KNOWN, TIME
from headrace.kernel.copies import event_keys
from headrace.kernel.duplicates import first_copies
from headrace.kernel.entities import group_entities

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.aggregations.states import Array
    from headrace.schema import Schema

__all__ = ["SeenIds"]

_KEPT = 1 << 18
"""How many of the latest ids are remembered at least, whatever the horizon: some 50 MB."""


class SeenIds:
    """The ids of one entity's events within the horizon, by (entity, event id).

    They are not stored: after a restart they are read again from the log.
    """

    def __init__(self, keys: Schema, schema: Schema, event_id: str, horizon: int) -> None:
        """Remember nothing yet.

        Args:
            keys: The entity's join keys.
            schema: The source's schema.
            event_id: The column that identifies an event.
            horizon: How long an id is remembered at least, microseconds of known time; a copy known longer
                after is another event.
        """
        self._keys, self._schema, self._event_id = keys, schema, event_id
        self._horizon = horizon
        self._known: dict[bytes, int] = {}
        self._newest = 0

    def fresh(self, events: pa.Table) -> Array:
        """Which events are no copy of one seen before or of another among them; nothing is remembered yet."""
        counts = self._first(events)
        known = events.column(KNOWN).to_pylist()
        for row, key in enumerate(self._ids(events)):
            before = None if key is None else self._known.get(key)
            if before is not None and abs(known[row] - before) <= self._horizon:
                counts[row] = False
        return counts

    def remember(self, events: pa.Table) -> None:
        """Remember the ids of events that count, and forget those beyond the horizon."""
        known = events.column(KNOWN).to_pylist()
        for key, at in zip(self._ids(events), known, strict=True):
            if key is not None:
                # Not the first copy's: whoever comes back after the horizon is remembered from then on.
                self._known[key] = max(at, self._known.get(key, at))
        newest = max(known, default=self._newest)
        if newest - self._newest > self._horizon:
            self._forget(newest - self._horizon, max(_KEPT, len(known)))
            self._newest = newest

    def _forget(self, before: int, kept: int) -> None:
        """Forget ids known before an instant, but none of the latest: whoever was not answered sends again.

        A push of a day's events spans many horizons, and the day's first come back as the last do.
        """
        late = len(self._known) - kept
        self._known = {
            key: at for place, (key, at) in enumerate(self._known.items()) if place >= late or at >= before
        }

    def _first(self, events: pa.Table) -> Array:
        entities = group_entities(events, self._keys)
        whole = np.ones(events.num_rows, dtype=bool) if entities.keyless is None else ~entities.keyless
        group = np.full(events.num_rows, -1, dtype=np.int64)
        group[whole] = entities.group
        time, known = (events.column(name).to_numpy() for name in (TIME, KNOWN))
        counts = first_copies(group, time, known, events, self._schema, self._event_id)
        return np.ones(events.num_rows, dtype=bool) if counts is None else counts

    def _ids(self, events: pa.Table) -> list[bytes | None]:
        return event_keys(events, self._keys, self._event_id)
