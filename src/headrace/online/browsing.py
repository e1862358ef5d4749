"""Looking through the quarantine, and trying pushed rows again."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.clock import format_instant
from headrace.errors import ConflictError
from headrace.online.quarantine import decoded_row, entries, quarantined, tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.online.ingest import Pushed
    from headrace.online.quarantine import Rejected
    from headrace.online.source import SourceStream
    from headrace.ports.key_value import OneHost, Reader

__all__ = ["Quarantine", "Replayed", "browse", "replay", "row_document"]

_AT_ONCE = 256
"""How many rows are pushed in one transaction."""

_TRIES = 5
"""How often rows are read anew that somebody else replays at the same time."""


class Quarantine(NamedTuple):
    """What is in quarantine.

    Attributes:
        rows: The rows asked for.
        counts: How many rows break each rule, by source; a row that breaks several is counted for each.
        beyond: How many more there were than a source keeps, by source and by the rule that comes first.
    """

    rows: list[Rejected]
    counts: dict[str, dict[str, int]]
    beyond: dict[str, dict[str, int]]

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        rows = [row_document(row) for row in self.rows]
        return {"rows": rows, "counts": self.counts, "beyond": self.beyond}


class Replayed(NamedTuple):
    """What became of rows that were tried again.

    Attributes:
        accepted: They count now, and are out of quarantine.
        duplicates: Copies of events that count already; out as well.
        late: A load covers them; out as well.
        rejected: They are still there, with the reasons of today.
        left: Rows of batches, which come in by the next load of themselves, and rows that count already.
    """

    accepted: int
    duplicates: int
    late: int
    rejected: int
    left: int


def row_document(row: Rejected) -> dict[str, Any]:
    """A row in quarantine as JSON values."""
    return {
        "source": row.source,
        "origin": row.origin,
        "ordinal": row.ordinal,
        "line": row.line,
        "reasons": [{"rule": each.rule, "reason": each.reason, "view": each.view} for each in row.reasons],
        "counted": row.counted,
        "at": format_instant(row.at),
        "row": row.row,
    }


def browse(
    store: Reader,
    sources: Sequence[str],
    rule: str | None,
    since: int | None,
    until: int | None,
    limit: int | None,
) -> Quarantine:
    """Look through the quarantine.

    Args:
        store: A snapshot.
        sources: The sources.
        rule: Only rows that break it: `range(price)`, or `range` for any range.
        since: Only rows put there at or after, microseconds UTC.
        until: Only rows put there before.
        limit: The most rows to answer; all are counted.
    """
    rows: list[Rejected] = []
    counts: dict[str, dict[str, int]] = {}
    for source in sources:
        mine = counts.setdefault(source, {})
        for row in quarantined(store, source):
            if not _asked(row, rule, since, until):
                continue
            for name in {each.rule for each in row.reasons}:
                mine[name] = mine.get(name, 0) + 1
            if limit is None or len(rows) < limit:
                rows.append(row)
    counts = {source: dict(sorted(each.items())) for source, each in counts.items() if each}
    beyond = {source: more for source in sources if (more := tally(store, source).uncounted)}
    return Quarantine(rows, counts, beyond)


def _asked(row: Rejected, rule: str | None, since: int | None, until: int | None) -> bool:
    if (since is not None and row.at < since) or (until is not None and row.at >= until):
        return False
    return rule is None or any(rule in {each.rule, each.rule.partition("(")[0]} for each in row.reasons)


def replay(store: OneHost, stream: SourceStream, source: str, rule: str | None, now: int) -> Replayed:
    """Push rows in quarantine again, some at a time; each leaves it in the transaction in which it counts.

    Args:
        store: The online store.
        stream: The source's stream.
        source: The source.
        rule: Only rows that break it; None for all.
        now: The clock.

    Raises:
        ConflictError: Somebody else replays the same rows all the time.
    """
    done = Replayed(0, 0, 0, 0, 0)
    with store.snapshot() as snapshot:
        keys = [
            key
            for key, row in entries(snapshot, source)
            if _replayable(row) and _asked(row, rule, None, None)
        ]
        every = sum(1 for row in quarantined(snapshot, source) if _asked(row, rule, None, None))
    waiting = iter(keys)
    while some := list(islice(waiting, _AT_ONCE)):
        pushed = _pushed(store, stream, some, now)
        if pushed is not None:
            more = (pushed.accepted, pushed.duplicates, pushed.late, pushed.rejected)
            sums = [before + new for before, new in zip(done[:4], more, strict=True)]
            done = Replayed(sums[0], sums[1], sums[2], sums[3], 0)
    return done._replace(left=every - len(keys))


def _pushed(store: OneHost, stream: SourceStream, keys: Sequence[bytes], now: int) -> Pushed | None:
    """What became of some rows; None if all are gone."""
    for _ in range(_TRIES):
        found = zip(keys, store.multi_get(keys), strict=True)
        rows = [(key, decoded_row(data)) for key, data in found if data is not None]
        if not rows:
            return None
        try:
            return stream.replay(store, rows, now)
        except ConflictError as error:
            conflict = error
    raise conflict


def _replayable(row: Rejected) -> bool:
    return row.came_in and row.ordinal is not None and not row.counted
