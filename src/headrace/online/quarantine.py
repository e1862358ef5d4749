"""Quarantine: rows that could not be used, each once, with all reasons, until a load or a replay mends them.

A row of a batch is known by its file and its place in it: loading it again adds nothing, and a load that
finds it mended, or its file changed or gone, takes it out. A pushed row is known by its push and its place in
that; where the source has event ids by its content, so that a client that sends again adds nothing. How many
rows a source keeps here is limited; those beyond are counted by rule.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Self, TypeVar

import msgspec

from headrace.definitions.canonical import semantic_hash
from headrace.intake.rejects import EXPRESSION, reasons_of
from headrace.keys import decode_key
from headrace.online.layout import quarantine_key, quarantine_prefix, tally_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from headrace.kernel.binding import Binding
    from headrace.ports.engine import File
    from headrace.ports.key_value import OneHost, Reader, Writer

__all__ = [
    "FILE",
    "LIMIT",
    "PUSH",
    "Batch",
    "Reason",
    "Rejected",
    "Tally",
    "count_beyond",
    "decoded_row",
    "entries",
    "forget_covered",
    "pushed_key",
    "put",
    "quarantined",
    "remove",
    "tally",
]

LIMIT = 1_000_000
"""How many rows of a source are kept."""

FILE, LINE, PUSH = "file", "line", "push"
"""What a row in quarantine is known by: its place in a file or table, a line of a file, a push."""

_OF_A_VIEW = {"no_key", EXPRESSION}
"""What is wrong with a row for one view only."""

_BATCH = 256


class Reason(msgspec.Struct, frozen=True, array_like=True):
    """One thing that is wrong with a row.

    Attributes:
        rule: What it breaks.
        reason: Why, in words.
        view: The view, `name@version`, for which alone it is wrong; empty for all.
        at: When it was last found, microseconds UTC.
    """

    rule: str
    reason: str
    view: str = ""
    at: int = 0


class Rejected(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row in quarantine.

    Attributes:
        source: The source it came from.
        row: The row as JSON text.
        rule: What it breaks first.
        reason: Why, in words.
        at: When it was first put here, microseconds UTC.
        reasons: All that is wrong with it.
        origin: The file it lies in, "" for a table in memory; `push 7` for a push.
        ordinal: Its place there, counted from 0; None for a line that is no row.
        line: The line, counted from 1, of what is no row.
        counted: Whether it counts all the same: for other features, or other views.
        stamp: What the file and the source's definition were like.
        raw: The row as an Arrow stream, where JSON text does not hold it.
        known: When a pushed row was known, microseconds UTC; None where that cannot be read.
    """

    source: str
    row: str
    rule: str
    reason: str
    at: int
    reasons: tuple[Reason, ...] = ()
    origin: str = ""
    ordinal: int | None = None
    line: int | None = None
    counted: bool = False
    stamp: str = ""
    raw: bytes = b""
    known: int | None = None

    def known_before(self, known: int) -> bool:
        """Whether a load up to K covers the pushed row; one without times was known when it came."""
        return (self.at if self.known is None else self.known) < known


class Tally(msgspec.Struct, frozen=True):
    """How many rows of a source are in quarantine.

    Attributes:
        kept: Rows.
        beyond: Rows beyond the limit, counted only, by rule: pushed ones under "", else by view.
    """

    kept: int = 0
    beyond: dict[str, dict[str, int]] = {}

    @property
    def uncounted(self) -> dict[str, int]:
        """Rows beyond the limit by rule; several views find the same rows of a batch."""
        views = [each for view, each in self.beyond.items() if view]
        rules = {rule for each in self.beyond.values() for rule in each}
        pushed = self.beyond.get("", {})
        most = {rule: max((each.get(rule, 0) for each in views), default=0) for rule in rules}
        return {rule: pushed.get(rule, 0) + most[rule] for rule in sorted(rules)}


_Item = TypeVar("_Item")

_ROW = msgspec.json.Decoder(Rejected)
_TALLY = msgspec.json.Decoder(Tally)


def tally(store: Reader, source: str) -> Tally:
    """How many rows of a source are in quarantine."""
    data = store.multi_get([tally_key(source)])[0]
    return Tally() if data is None else _TALLY.decode(data)


def quarantined(store: Reader, source: str) -> Iterator[Rejected]:
    """The rows in quarantine of a source, in the order of their files and places."""
    for _, row in entries(store, source):
        yield row


def decoded_row(data: bytes) -> Rejected:
    """A row as it lies in the store."""
    return _ROW.decode(data)


def entries(store: Reader, source: str) -> Iterator[tuple[bytes, Rejected]]:
    """The rows and their keys."""
    for key, data in store.scan(quarantine_prefix(source)):
        yield key, _ROW.decode(data)


def put(tx: Writer, source: str, rows: Sequence[tuple[bytes, Rejected]], limit: int = LIMIT) -> Counter[str]:
    """Put rows into quarantine, in the place of those with their keys.

    Args:
        tx: A transaction.
        source: Their source.
        rows: Keys, each once, and rows.
        limit: How many rows of the source are kept.

    Returns:
        How many were beyond the limit, by rule.
    """
    counts = tally(tx, source)
    there = tx.multi_get([key for key, _ in rows])
    room = max(limit - counts.kept, 0)
    new = [place for place, data in enumerate(there) if data is None]
    over = set(new[room:])
    tx.multi_put(
        [(key, msgspec.json.encode(row)) for place, (key, row) in enumerate(rows) if place not in over]
    )
    _put_tally(tx, source, msgspec.structs.replace(counts, kept=counts.kept + len(new) - len(over)))
    return Counter(rows[place][1].rule for place in over)


def remove(tx: Writer, source: str, keys: Iterable[bytes]) -> None:
    """Take rows out; those that are not there any more are left alone."""
    wanted = list(keys)
    there = [key for key, data in zip(wanted, tx.multi_get(wanted), strict=True) if data is not None]
    tx.delete(there)
    counts = tally(tx, source)
    _put_tally(tx, source, msgspec.structs.replace(counts, kept=max(counts.kept - len(there), 0)))


def count_beyond(tx: Writer, source: str, view: str, more: Mapping[str, int], *, anew: bool = False) -> None:
    """Count rows beyond the limit.

    Args:
        tx: A transaction.
        source: Their source.
        view: The view whose load found them; empty for pushed ones.
        more: How many, by rule.
        anew: Whether those counted before are among them.
    """
    if not more and not anew:
        return
    counts = tally(tx, source)
    before = {} if anew else counts.beyond.get(view, {})
    total = Counter(before)
    total.update(more)
    _put_tally(tx, source, msgspec.structs.replace(counts, beyond={**counts.beyond, view: dict(total)}))


def _put_tally(tx: Writer, source: str, counts: Tally) -> None:
    tx.multi_put([(tally_key(source), msgspec.json.encode(counts))])


def pushed_key(source: str, row: str, offset: int, ordinal: int, *, by_content: bool) -> bytes:
    """The key of a pushed row."""
    if by_content:
        digest = hashlib.sha256(row.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return quarantine_key(source, PUSH, digest, 0)
    return quarantine_key(source, PUSH, f"{offset:020}", ordinal)


class Batch:
    """One load's look at a batch."""

    def __init__(
        self, source: str, view: str, stamps: Mapping[str, str], known: int, now: int, *, full: bool
    ) -> None:
        """Begin to look.

        Args:
            source: The source.
            view: The view that is loaded, `name@version`.
            stamps: For each file what it and the source's definition are like; a table in memory is "".
            known: K.
            now: The clock.
            full: Whether all of the batch is read.
        """
        self.source, self.view, self.known, self.now = source, view, known, now
        self._stamps = stamps
        self._full = full
        self._beyond: Counter[str] = Counter()

    @classmethod
    def of(cls, binding: Binding, files: Sequence[File] | None, known: int, now: int, *, full: bool) -> Self:
        """The look that the load of a view takes.

        Args:
            binding: The view.
            files: The files of the batch; None for a table in memory.
            known: K.
            now: The clock.
            full: Whether all of the batch is read.
        """
        means = semantic_hash(binding.source)
        stamps = {"": f"{means}:{now}"}
        if files is not None:
            stamps = {each.name: f"{means}:{each.size}:{each.changed}" for each in files}
        return cls(binding.source.name, binding.id, stamps, known, now, full=full)

    def put(self, store: OneHost, rejected: pa.Table, beyond: Mapping[str, int], limit: int = LIMIT) -> None:
        """Put what the load has found into quarantine, some rows at a time.

        Args:
            store: The online store.
            rejected: Rows, see `rejects_of`.
            beyond: How many more there were that nobody wrote down, by rule.
            limit: How many rows of the source are kept.
        """
        self._beyond.update(beyond)
        for some in _some(self._found(rejected)):
            found: dict[bytes, Rejected] = {}
            for key, row in some:
                found[key] = self._merged(found.get(key), row)
            pushed = [pushed_key(self.source, row.row, 0, 0, by_content=True) for row in found.values()]
            with store.transaction() as tx:
                self._remove_covered(tx, pushed)
                before = tx.multi_get(list(found))
                rows = [
                    (key, self._merged(None if data is None else _ROW.decode(data), row))
                    for (key, row), data in zip(found.items(), before, strict=True)
                ]
                self._beyond.update(put(tx, self.source, rows, limit))

    def _remove_covered(self, tx: Writer, pushed: Sequence[bytes]) -> None:
        """Take out pushed rows that the batch, which is the record, has too: no others come in by a load."""
        there = zip(pushed, tx.multi_get(pushed), strict=True)
        covered = [
            key for key, data in there if data is not None and _ROW.decode(data).known_before(self.known)
        ]
        remove(tx, self.source, covered)

    def _found(self, rejected: pa.Table) -> Iterator[tuple[bytes, Rejected]]:
        columns = (rejected.column(name).to_pylist() for name in ("row", "ordinal", "line", "origin"))
        for place, (row, ordinal, line, origin, reasons) in enumerate(
            zip(*columns, reasons_of(rejected), strict=True)
        ):
            told = tuple(
                Reason(rule, reason, self.view if rule in _OF_A_VIEW else "", self.now)
                for rule, reason in reasons
            )
            if ordinal is not None:
                key = quarantine_key(self.source, FILE, origin, ordinal)
            else:
                key = quarantine_key(self.source, LINE, origin, -1 - place if line is None else line)
            stamp = self._stamps.get(origin, "")
            made = Rejected(
                self.source, row, "", "", self.now, origin=origin, ordinal=ordinal, line=line, stamp=stamp
            )
            yield key, _told(made, told)

    def _merged(self, before: Rejected | None, row: Rejected) -> Rejected:
        """The row with what else is wrong with it: for other views, or found in this load already."""
        if before is None or before.stamp != row.stamp:
            return row
        others = [
            each for each in before.reasons if (each.view and each.view != self.view) or each.at == self.now
        ]
        mine = {(each.rule, each.reason, each.view) for each in row.reasons}
        reasons = (
            *row.reasons,
            *(each for each in others if (each.rule, each.reason, each.view) not in mine),
        )
        return _told(msgspec.structs.replace(row, at=before.at), reasons)

    def supersede(self, store: OneHost) -> None:
        """Take out what the load, which has ended, found mended: rows, and what was wrong for its view."""
        with store.transaction() as tx:
            count_beyond(tx, self.source, self.view, self._beyond, anew=self._full)
        for some in _some(self._superseded(store)):
            with store.transaction() as tx:
                remove(tx, self.source, [key for key, row in some if row is None])
                kept = [(key, row) for key, row in some if row is not None]
                tx.multi_put([(key, msgspec.json.encode(row)) for key, row in kept])

    def _superseded(self, store: OneHost) -> Iterator[tuple[bytes, Rejected | None]]:
        """What changes: a row with fewer reasons, or None for one that goes."""
        for kind in (FILE, LINE):
            for key, data in store.scan(quarantine_prefix(self.source, kind)):
                row = _ROW.decode(data)
                file = decode_key(key)[3]
                if self._stamps.get(str(file)) != row.stamp:
                    yield key, None
                    continue
                if not self._full:
                    continue
                reasons = tuple(
                    each
                    for each in row.reasons
                    if each.at == self.now or (each.view and each.view != self.view)
                )
                if not reasons:
                    yield key, None
                elif reasons != row.reasons:
                    yield key, _told(row, reasons)


def forget_covered(store: OneHost, source: str, known: int) -> None:
    """Take out rows that came before what every view has loaded: the batch holds them, mended or not.

    Args:
        store: The online store.
        source: The source.
        known: The K up to which all its views are loaded.
    """
    rows = ((key, _ROW.decode(data)) for key, data in store.scan(quarantine_prefix(source, PUSH)))
    covered = (key for key, row in rows if row.at < known and row.known_before(known))
    for keys in _some(covered):
        with store.transaction() as tx:
            remove(tx, source, keys)


def _some(items: Iterator[_Item]) -> Iterator[list[_Item]]:
    while some := list(islice(items, _BATCH)):
        yield some


def _told(row: Rejected, reasons: tuple[Reason, ...]) -> Rejected:
    """The row with these reasons; what is wrong for all views comes first."""
    ordered = tuple(sorted(reasons, key=lambda each: bool(each.view)))
    return msgspec.structs.replace(
        row,
        reasons=ordered,
        rule=ordered[0].rule,
        reason=ordered[0].reason,
        counted=all(each.view for each in ordered),
    )
