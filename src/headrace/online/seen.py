"""Which event ids the stream has seen: the first copy within the horizon counts, later ones do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.kernel.clean import instants
from headrace.kernel.copies import event_key_column
from headrace.kernel.duplicates import first_copies
from headrace.kernel.entities import group_entities
from headrace.kernel.text_hash import hash_texts

if TYPE_CHECKING:
    from headrace.aggregations.states import Array
    from headrace.schema import Schema

__all__ = ["Looked", "SeenIds"]

_KEPT = 1 << 18
"""How many of the latest ids are remembered at least, whatever the horizon: some 20 MB."""


class Looked(NamedTuple):
    """Some events that were looked for among those seen.

    Attributes:
        fresh: Which are no copy of one seen before or of another among them; bool, n rows.
        ids: What they are remembered by.
        place: Where each of those with an id is among the events, ascending by hash.
    """

    fresh: Array
    ids: _Ids
    place: Array

    def but(self, dropped: Array) -> Looked:
        """The same, without what some of the events, bool, would leave behind."""
        return self._replace(fresh=self.fresh & ~dropped)


class SeenIds:
    """The ids of one entity's events within the horizon, by (entity, event id).

    They are not stored: after a restart they are read again from the log. They lie in runs sorted by hash,
    each run at least twice as long as the next and older than it.
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
        self._runs: list[_Ids] = []
        self._newest = 0

    def __len__(self) -> int:
        """How many ids are remembered."""
        return sum(len(run.hashes) for run in self._runs)

    def look(self, events: pa.Table) -> Looked:
        """Look for copies among events; nothing is remembered yet."""
        keys = event_key_column(events, self._keys, self._event_id)
        hashes, known = hash_texts(keys), instants(events)[1]
        place = np.argsort(hashes)  # whoever looks in that order looks faster
        if keys.null_count:
            place = place[keys.is_valid().to_numpy(zero_copy_only=False)[place]]
        ids = _Ids(hashes[place], keys.take(pa.array(place)), known[place])
        fresh = self._first(events, known)
        for run in self._runs:
            fresh[place[run.near(ids, self._horizon)]] = False
        return Looked(fresh, ids, place)

    def remember(self, looked: Looked) -> None:
        """Remember the ids of the fresh events, and forget those beyond the horizon."""
        ids = looked.ids.only(looked.fresh[looked.place])
        if not len(ids.hashes):
            return
        self._runs.append(ids)
        while len(self._runs) > 1 and len(self._runs[-2].hashes) < 2 * len(self._runs[-1].hashes):
            newer = self._runs.pop()
            self._runs.append(self._runs.pop().with_newer(newer))
        newest = int(ids.known.max())
        if newest - self._newest > self._horizon:
            self._forget(newest - self._horizon)
            self._newest = newest

    def _forget(self, before: int) -> None:
        """Forget ids known before an instant, but none of the latest: whoever was not answered sends again.

        A push of a day's events spans many horizons, and the day's first come back as the last do.
        """
        kept: list[_Ids] = []
        count = 0
        for run in reversed(self._runs):
            left = run if count < _KEPT else run.only(run.known >= before)
            if len(left.hashes):
                kept.append(left)
            count += len(left.hashes)
        self._runs = kept[::-1]

    def _first(self, events: pa.Table, known: Array) -> Array:
        """Which events are no copy of another among them."""
        if events.num_rows < 2:
            return np.ones(events.num_rows, dtype=bool)
        entities = group_entities(events, self._keys)
        group = entities.group
        if entities.keyless is not None:
            group = np.full(events.num_rows, -1, dtype=np.int64)
            group[~entities.keyless] = entities.group
        counts = first_copies(group, instants(events)[0], known, events, self._schema, self._event_id)
        return np.ones(events.num_rows, dtype=bool) if counts is None else counts


class _Ids(NamedTuple):
    """Ids of events, ascending by hash.

    Attributes:
        hashes: uint64.
        keys: The entity and the id, encoded.
        known: When the event was known.
    """

    hashes: Array
    keys: pa.LargeBinaryArray
    known: Array

    def only(self, wanted: Array) -> _Ids:
        """Some of them, bool."""
        if wanted.all():
            return self
        return _Ids(self.hashes[wanted], self.keys.filter(pa.array(wanted)), self.known[wanted])

    def with_newer(self, newer: _Ids) -> _Ids:
        """These and others."""
        hashes = np.concatenate([self.hashes, newer.hashes])
        by = np.argsort(hashes, kind="stable")  # two runs: they are merged
        keys = pa.concat_arrays([self.keys, newer.keys]).take(pa.array(by))
        return _Ids(hashes[by], keys, np.concatenate([self.known, newer.known])[by])

    def near(self, asked: _Ids, horizon: int) -> Array:
        """The places of those asked for that are here, known no further away than the horizon."""
        found: list[Array] = []
        rows = np.arange(len(asked.hashes))
        at = np.searchsorted(self.hashes, asked.hashes)
        while True:  # an id may be here several times, more than a horizon apart each
            same = at < len(self.hashes)
            same[same] = self.hashes[at[same]] == asked.hashes[rows[same]]
            rows, at = rows[same], at[same]
            if not len(rows):
                return np.concatenate([np.zeros(0, dtype=np.int64), *found])
            close = np.abs(self.known[at] - asked.known[rows]) <= horizon
            equal = pc.equal(self.keys.take(pa.array(at)), asked.keys.take(pa.array(rows)))
            found.append(rows[close & equal.to_numpy(zero_copy_only=False)])
            at = at + 1
