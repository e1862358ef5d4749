"""The messages of one batch of a stream, and what becomes of those that are no events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from headrace.online.pushed_rows import PushedRows
from headrace.online.quarantine import STREAM, Reason, Rejected, count_beyond, put, streamed_key

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    import pyarrow as pa

    from headrace.definitions.source import Source
    from headrace.intake.messages import Decoded
    from headrace.online.pushed_rows import Rejects
    from headrace.ports.event_stream import Messages
    from headrace.ports.key_value import Writer

__all__ = ["GAP", "StreamedRows"]

GAP = "gap"
"""What is broken where the broker no longer has what should come next."""


class StreamedRows(PushedRows):
    """Rows of a batch. Nothing refuses it as a whole: the stream would stand still for ever."""

    def __init__(self, source: Source, messages: Messages, decoded: Decoded) -> None:
        """Messages of one partition, as they came and taken apart."""
        super().__init__(source, decoded.rows)
        self._messages = messages
        self._decoded = decoded

    def refuse(self, found: Sequence[pa.Table]) -> None:
        """Refuse nothing."""

    def write(self, tx: Writer, rejects: Rejects, counted: Container[int], offset: int, now: int) -> int:
        """See `PushedRows`; messages that are no rows go to quarantine too, and so does what is missing."""
        name, rows = self._source.name, self._no_rows(now)
        count_beyond(tx, name, "", put(tx, name, rows))
        return len(rows) + super().write(tx, rejects, counted, offset, now)

    def _no_rows(self, now: int) -> list[tuple[bytes, Rejected]]:
        places = self._messages.places
        found = [
            (places[each.message], json.dumps(each.text, ensure_ascii=False), each.rule, each.reason)
            for each in self._decoded.unreadable
        ]
        if self._messages.gap:
            found.append((f"before {places[0]}", "null", GAP, self._messages.gap))
        name = self._source.name
        return [
            (
                streamed_key(name, place),
                Rejected(
                    name, text, rule, reason, now, (Reason(rule, reason, "", now),), f"{STREAM} {place}"
                ),
            )
            for place, text, rule, reason in found
        ]

    def _kept_at(self, row: str, offset: int, place: int) -> tuple[bytes, str]:
        del row, offset
        at = self._messages.places[int(self._decoded.message[place])]
        return streamed_key(self._source.name, at), f"{STREAM} {at}"
