"""What loads find in a batch, in quarantine: each reading of it answers for what it has found, no other.

Two versions of a source may be loaded beside each other. They read the same files by different rules, so each
keeps and takes out its own reasons; a row leaves quarantine when nobody has one any more.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec

from headrace.definitions.canonical import semantic_hash
from headrace.intake.rejects import EXPRESSION, reasons_of
from headrace.online.layout import quarantine_key, quarantine_prefix
from headrace.online.quarantine import (
    FILE,
    LIMIT,
    LINE,
    Reason,
    Rejected,
    count_beyond,
    decoded_row,
    pushed_key,
    put,
    remove,
    some_of,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from headrace.definitions.source import Source
    from headrace.kernel.binding import Binding
    from headrace.ports.engine import File
    from headrace.ports.key_value import OneHost, Writer

__all__ = ["Batch", "Look", "reading_of"]

_OF_A_VIEW = {"no_key", EXPRESSION}
"""What is wrong with a row for one view only."""


def reading_of(source: Source) -> str:
    """What tells one version's reading of a batch from another's: what it means, and where the batch lies."""
    lies = "" if source.in_memory else str(source.batch)
    return hashlib.sha256(f"{semantic_hash(source)} {lies}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Look(NamedTuple):
    """Who looks at a batch.

    Attributes:
        source: The source.
        view: The view that is loaded, `name@version`.
        reading: What its version of the source makes of the batch, see `reading_of`.
        live: The readings of all live views; what others have found is forgotten.
        known: K.
        now: The clock.
    """

    source: str
    view: str
    reading: str
    live: frozenset[str]
    known: int
    now: int

    @classmethod
    def of(cls, binding: Binding, live: frozenset[str], known: int, now: int) -> Self:
        """The load of a view up to K; see the attributes."""
        reading = reading_of(binding.source)
        return cls(binding.source.name, binding.id, reading, live | {reading}, known, now)


class Batch:
    """One look at a batch."""

    def __init__(self, look: Look, stamps: Mapping[str, str], *, full: bool) -> None:
        """Begin to look.

        Args:
            look: Who looks.
            stamps: What each file is like; a table in memory is "".
            full: Whether all of the batch is read.
        """
        self._look = look
        self._stamps = stamps
        self._full = full
        self._beyond: Counter[str] = Counter()

    @classmethod
    def of(cls, look: Look, files: Sequence[File] | None, *, full: bool) -> Self:
        """A look at files, or at a table.

        Args:
            look: Who looks.
            files: The files of the batch; None for a table in memory.
            full: Whether all of the batch is read.
        """
        stamps = {"": ""} if files is None else {each.name: f"{each.size}:{each.changed}" for each in files}
        return cls(look, stamps, full=full)

    def put(self, store: OneHost, rejected: pa.Table, beyond: Mapping[str, int], limit: int = LIMIT) -> None:
        """Put what the load has found into quarantine, some rows at a time.

        Args:
            store: The online store.
            rejected: Rows, see `rejects_of`.
            beyond: How many more there were that nobody wrote down, by rule.
            limit: How many rows of the source are kept.
        """
        self._beyond.update(beyond)
        for some in some_of(self._found(rejected)):
            found: dict[bytes, Rejected] = {}
            for key, row in some:
                found[key] = self._merged(found.get(key), row)
            pushed = [pushed_key(self._look.source, row.row, 0, 0, by_content=True) for row in found.values()]
            with store.transaction() as tx:
                self._remove_covered(tx, pushed)
                before = tx.multi_get(list(found))
                rows = [
                    (key, self._merged(None if data is None else decoded_row(data), row))
                    for (key, row), data in zip(found.items(), before, strict=True)
                ]
                self._beyond.update(put(tx, self._look.source, rows, limit))

    def _remove_covered(self, tx: Writer, pushed: Sequence[bytes]) -> None:
        """Take out pushed rows that the batch, which is the record, has too: no others come in by a load."""
        there = zip(pushed, tx.multi_get(pushed), strict=True)
        covered = [
            key
            for key, data in there
            if data is not None and decoded_row(data).known_before(self._look.known)
        ]
        remove(tx, self._look.source, covered)

    def _found(self, rejected: pa.Table) -> Iterator[tuple[bytes, Rejected]]:
        look = self._look
        columns = (rejected.column(name).to_pylist() for name in ("row", "ordinal", "line", "origin"))
        for place, (row, ordinal, line, origin, reasons) in enumerate(
            zip(*columns, reasons_of(rejected), strict=True)
        ):
            mine = [
                Reason(
                    rule, reason, look.view if rule in _OF_A_VIEW else "", look.now, {look.reading: look.now}
                )
                for rule, reason in reasons
            ]
            if ordinal is not None:
                key = quarantine_key(self._look.source, FILE, origin, ordinal)
            else:
                key = quarantine_key(self._look.source, LINE, origin, -1 - place if line is None else line)
            stamp = self._stamps.get(origin, "")
            made = Rejected(
                self._look.source,
                row,
                "",
                "",
                self._look.now,
                origin=origin,
                ordinal=ordinal,
                line=line,
                stamp=stamp,
            )
            yield key, told(made, mine)

    def _merged(self, before: Rejected | None, row: Rejected) -> Rejected:
        """The row with what else is wrong with it: what others found, or this look already."""
        if before is None or before.stamp != row.stamp:
            return row
        reasons = {(each.rule, each.reason, each.view): each for each in self._left(before, full=True)}
        for each in row.reasons:
            key = (each.rule, each.reason, each.view)
            known = reasons.pop(key, each)
            reasons[key] = msgspec.structs.replace(each, found={**known.found, **each.found})
        return told(msgspec.structs.replace(row, at=before.at), list(reasons.values()))

    def _left(self, row: Rejected, *, full: bool) -> list[Reason]:
        """The reasons that somebody still has.

        Args:
            row: A row that is in quarantine.
            full: Whether what this look has not found again is mended.
        """
        look = self._look
        there = self._stamps.get(row.origin) == row.stamp

        def stays(reason: Reason, reading: str, at: int) -> bool:
            if reading != look.reading:
                return reading in look.live
            of_another = bool(reason.view) and reason.view != look.view
            return there and (of_another or at == look.now or not full)

        left = [
            (each, {reading: at for reading, at in each.found.items() if stays(each, reading, at)})
            for each in row.reasons
        ]
        return [msgspec.structs.replace(each, found=found) for each, found in left if found]

    def supersede(self, store: OneHost) -> None:
        """Take out what the load, which has ended, found mended: rows, and what was wrong for its view."""
        with store.transaction() as tx:
            count_beyond(tx, self._look.source, self._look.view, self._beyond, anew=self._full)
        for some in some_of(self._superseded(store)):
            with store.transaction() as tx:
                remove(tx, self._look.source, [key for key, row in some if row is None])
                kept = [(key, row) for key, row in some if row is not None]
                there = tx.multi_get([key for key, _ in kept])  # not those that somebody has erased meanwhile
                tx.multi_put(
                    [
                        (key, msgspec.json.encode(row))
                        for (key, row), data in zip(kept, there, strict=True)
                        if data is not None
                    ]
                )

    def _superseded(self, store: OneHost) -> Iterator[tuple[bytes, Rejected | None]]:
        """What changes: a row with fewer reasons, or None for one that goes."""
        for kind in (FILE, LINE):
            for key, data in store.scan(quarantine_prefix(self._look.source, kind)):
                row = decoded_row(data)
                reasons = self._left(row, full=self._full)
                if not reasons:
                    yield key, None
                elif reasons != list(row.reasons):
                    yield key, told(row, reasons)
