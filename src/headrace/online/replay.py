"""A view's stream built anew from the log, beside the one that is read, while pushes go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from headrace.kernel.clean import KNOWN
from headrace.online import log
from headrace.online.erased import read_erased
from headrace.online.layout import log_key
from headrace.online.push import merge_events
from headrace.online.record import Stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.online.erased import Erased
    from headrace.online.generations import Generation
    from headrace.online.manifest import StreamState
    from headrace.online.push import Incoming
    from headrace.online.seen import SeenIds
    from headrace.ports.key_value import OneHost, Writer

__all__ = ["Replay"]

_FEW = 4
"""Pushes that may be left to the transaction of the switch, which is short."""


class Replay:
    """Replays the log of a source for one view."""

    def __init__(
        self,
        source: str,
        incoming: Callable[[pa.Table], Incoming],
        seen: SeenIds | None,
        known: int,
        stream: StreamState,
        partition: int,
    ) -> None:
        """From the log's beginning.

        Args:
            source: Whose log.
            incoming: Makes what the view takes of clean events.
            seen: Ids of events, none so far; None where events have none.
            known: K: what was known before is left to the generation.
            stream: The new stream, without epochs.
            partition: The partition of the log.
        """
        self._source = source
        self._incoming = incoming
        self._seen = seen
        self._known = known
        self._partition = partition
        self._next = 0
        self._stream = stream

    def catch_up(self, store: OneHost, generation: Generation, now: int) -> None:
        """Replay all but the last few pushes, each in a transaction of its own.

        Args:
            store: The online store.
            generation: The load it is part of.
            now: The clock.

        Raises:
            ConflictError: Another load of the view has begun.
        """
        while (end := log.next_offset(store, self._source)) - self._next > _FEW:
            erased = read_erased(store)
            for entry in log.entries(store, self._source, self._next):
                with store.transaction() as tx:
                    generation.check(tx)
                    self._take(tx, self._as_it_is(tx, entry, erased), now)
            self._next = max(self._next, end)  # the last ones may have been trimmed

    def finish(self, tx: Writer, now: int) -> StreamState:
        """Replay what is left, in the transaction that switches to the stream; what it is then."""
        for entry in log.entries(tx, self._source, self._next):
            self._take(tx, entry, now)
        return self._stream

    def _as_it_is(self, tx: Writer, entry: log.Entry, before: Erased) -> log.Entry:
        """An entry that was read before, as it is if somebody was erased since."""
        if read_erased(tx) is before:
            return entry
        (data,) = tx.multi_get([log_key(self._source, entry.offset)])
        return entry._replace(
            events=entry.events.slice(0, 0) if data is None else log.from_ipc(data[log.HEAD :])
        )

    def _take(self, tx: Writer, entry: log.Entry, now: int) -> None:
        self._next = entry.offset + 1
        events = entry.events
        gone = read_erased(tx).gone(events)  # whoever erases may not have come to this entry yet
        if gone is not None:
            events = events.filter(pa.array(~gone))
        if self._seen is not None:
            events = events.filter(pa.array(self._seen.fresh(events)))
            self._seen.remember(events)
        events = events.filter(pa.array(events.column(KNOWN).to_numpy() >= self._known))
        if events.num_rows:
            stamp = Stamp(now, entry.offset, 0, self._partition)
            self._stream, _, _ = merge_events(tx, self._incoming(events), self._stream, stamp)
