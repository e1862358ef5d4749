"""A view's stream built anew from the logs of its source, beside the one that is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from headrace.kernel.clean import KNOWN
from headrace.online.erased import read_erased
from headrace.online.log import HEAD, from_ipc, logs
from headrace.online.push import merge_events
from headrace.online.record import Stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.online.erased import Erased
    from headrace.online.generations import Generation
    from headrace.online.log import Entry, Log
    from headrace.online.manifest import StreamState
    from headrace.online.push import Incoming
    from headrace.online.seen import SeenIds
    from headrace.ports.key_value import OneHost, Writer

__all__ = ["Replay"]

_FEW = 4
"""Batches of a partition that may be left to the transaction of the switch, which is short."""


class Replay:
    """Replays the logs of a source for one view."""

    def __init__(
        self,
        source: str,
        incoming: Callable[[pa.Table], Incoming],
        nothing_seen: Callable[[], SeenIds | None],
        known: int,
        stream: StreamState,
    ) -> None:
        """From the beginning of the logs.

        Args:
            source: Whose logs.
            incoming: Makes what the view takes of clean events.
            nothing_seen: Remembers ids of the events of one partition, none so far; None where events have
                none.
            known: K: what was known before is left to the generation.
            stream: The new stream, without epochs.
        """
        self._source = source
        self._incoming = incoming
        self._nothing_seen = nothing_seen
        self._known = known
        self._seen: dict[Log, SeenIds | None] = {}
        self._next: dict[Log, int] = {}
        self._stream = stream

    def catch_up(self, store: OneHost, generation: Generation, now: int) -> None:
        """Replay all but the last few batches, each in a transaction of its own.

        Args:
            store: The online store.
            generation: The load it is part of.
            now: The clock.

        Raises:
            ConflictError: Another load of the view has begun.
        """
        for log in logs(store, self._source):
            while (end := log.next_offset(store)) - self._next.get(log, 0) > _FEW:
                erased = read_erased(store)
                for entry in log.entries(store, self._next.get(log, 0)):
                    with store.transaction() as tx:
                        generation.check(tx)
                        self._take(tx, log, _as_it_is(tx, log, entry, erased), now)
                self._next[log] = max(self._next.get(log, 0), end)  # the last ones may have been trimmed

    def finish(self, tx: Writer, now: int) -> StreamState:
        """Replay what is left, in the transaction that switches to the stream; what it is then."""
        for log in logs(tx, self._source):
            for entry in log.entries(tx, self._next.get(log, 0)):
                self._take(tx, log, entry, now)
        return self._stream

    def _take(self, tx: Writer, log: Log, entry: Entry, now: int) -> None:
        self._next[log] = entry.offset + 1
        events = entry.events
        gone = read_erased(tx).gone(events)  # whoever erases may not have come to this entry yet
        if gone is not None:
            events = events.filter(pa.array(~gone))
        if log not in self._seen:
            self._seen[log] = self._nothing_seen()
        seen = self._seen[log]
        if seen is not None:
            looked = seen.look(events)
            seen.remember(looked)
            events = events.filter(pa.array(looked.fresh))
        events = events.filter(pa.array(events.column(KNOWN).to_numpy() >= self._known))
        if events.num_rows:
            stamp = Stamp(now, entry.offset, 0, log.partition)
            self._stream, _, _ = merge_events(tx, self._incoming(events), self._stream, stamp)


def _as_it_is(tx: Writer, log: Log, entry: Entry, before: Erased) -> Entry:
    """An entry that was read before, as it is if somebody was erased since."""
    if read_erased(tx) is before:
        return entry
    (data,) = tx.multi_get([log.key(entry.offset)])
    return entry._replace(events=entry.events.slice(0, 0) if data is None else from_ipc(data[HEAD:]))
