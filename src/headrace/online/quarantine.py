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
from typing import TYPE_CHECKING, TypeVar

import msgspec

from headrace.online.erased import read_erased
from headrace.online.layout import quarantine_key, quarantine_prefix, tally_key
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from headrace.ports.key_value import OneHost, Reader, Writer

__all__ = [
    "FILE",
    "LIMIT",
    "PUSH",
    "STREAM",
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
    "some_of",
    "streamed_key",
    "tally",
    "told",
]

LIMIT = 1_000_000
"""How many rows of a source are kept."""

FILE, LINE, PUSH, STREAM = "file", "line", "push", "stream"
"""What a row in quarantine is known by: its place in a file or table, a line of a file, a push, a stream."""

_BATCH = 256


class Reason(msgspec.Struct, frozen=True, array_like=True):
    """One thing that is wrong with a row.

    Attributes:
        rule: What it breaks.
        reason: Why, in words.
        view: The view, `name@version`, for which alone it is wrong; empty for all.
        at: When it was last found, microseconds UTC.
        found: When it was last found in a batch by each reading of it, see `reading_of`.
    """

    rule: str
    reason: str
    view: str = ""
    at: int = 0
    found: dict[str, int] = {}


class Rejected(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row in quarantine.

    Attributes:
        source: The source it came from.
        row: The row as JSON text.
        rule: What it breaks first.
        reason: Why, in words.
        at: When it was first put here, microseconds UTC.
        reasons: All that is wrong with it.
        origin: The file it lies in, "" for a table in memory; `push 7` for a push, `stream ads/3@1041` for a
            message.
        ordinal: Its place there, counted from 0; None for a line or message that is no row.
        line: The line, counted from 1, of what is no row.
        counted: Whether it counts all the same: for other features, or other views.
        stamp: What the file was like.
        raw: The row as an Arrow stream, where JSON text does not hold it.
        known: When a pushed row, or one of a stream, was known, microseconds UTC; None where that cannot be
            read.
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

    @property
    def since(self) -> int:
        """Since when it was known; of a row of a batch, whose times may be what is wrong, for ever."""
        if self.known is not None:
            return self.known
        return self.at if self.came_in else FOREVER_AGO

    @property
    def came_in(self) -> bool:
        """Whether it came by a push or a stream: no load finds it again."""
        return self.origin.startswith((f"{PUSH} ", f"{STREAM} "))

    def known_before(self, known: int) -> bool:
        """Whether a load up to K covers a row that came in; one without times was known when it came."""
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
    erased = read_erased(tx)
    if erased:
        rows = [(key, row) for key, row in rows if not erased.holds_row(row.row, row.since)]
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


def told(row: Rejected, reasons: Sequence[Reason]) -> Rejected:
    """The row with these reasons; what is wrong for all views comes first."""
    ordered = tuple(sorted(reasons, key=lambda each: bool(each.view)))
    return msgspec.structs.replace(
        row,
        reasons=ordered,
        rule=ordered[0].rule,
        reason=ordered[0].reason,
        counted=all(each.view for each in ordered),
    )


def pushed_key(source: str, row: str, offset: int, ordinal: int, *, by_content: bool) -> bytes:
    """The key of a pushed row."""
    if by_content:
        digest = hashlib.sha256(row.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return quarantine_key(source, PUSH, digest, 0)
    return quarantine_key(source, PUSH, f"{offset:020}", ordinal)


def streamed_key(source: str, place: str) -> bytes:
    """The key of a message that was rejected: reading it again adds nothing."""
    return quarantine_key(source, PUSH, f"{STREAM} {place}", 0)


def forget_covered(store: OneHost, source: str, known: int) -> None:
    """Take out rows that came before what every view has loaded: the batch holds them, mended or not.

    Args:
        store: The online store.
        source: The source.
        known: The K up to which all its views are loaded.
    """
    rows = ((key, _ROW.decode(data)) for key, data in store.scan(quarantine_prefix(source, PUSH)))
    covered = (key for key, row in rows if row.at < known and row.known_before(known))
    for keys in some_of(covered):
        with store.transaction() as tx:
            remove(tx, source, keys)


def some_of(items: Iterator[_Item]) -> Iterator[list[_Item]]:
    """The items, as many at a time as go into one transaction."""
    while some := list(islice(items, _BATCH)):
        yield some
