"""Generations of a view: begun by a claim, written under it, switched to by one manifest write.

Whoever loads claims the view first, and each write looks whether the claim still stands. A load that another
one overtakes ends with an error instead of mixing its records with the other's. One that died is gone on with
where it was, if the next reads the very same; else its records are cleared away.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from headrace.errors import ConflictError
from headrace.online.erased import NOBODY, Erased, read_erased
from headrace.online.layout import LOADINGS, MANIFEST, NUMBERS, loading_key, segment_prefix
from headrace.online.manifest import Segment, ViewManifest, decode_manifest, decoded, read_manifest
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.ports.key_value import OneHost, Reader, Writer

__all__ = ["Generation", "Written", "begin", "clear_all_dead", "clear_dead", "segments_of", "switch"]

_FEWEST, _FIRST, _MOST, _BYTES = 64, 1024, 4096, 1 << 20
"""How many records, and bytes of them, are written at once."""

_SECONDS = 0.02
"""How long a write transaction should take: others that write wait for it."""


class Pace:
    """How many records the next transaction may hold: as many as would have taken the last one its time.

    A machine that does other work as well writes fewer at once.
    """

    def __init__(self) -> None:
        """Nothing is written yet."""
        self.records = _FIRST

    def took(self, records: int, seconds: float) -> None:
        """So many were written in so long a time."""
        if seconds > _SECONDS or 2 * records > self.records:  # a few records' time tells nothing of many
            fit = int(records * _SECONDS / max(seconds, 1e-6))
            self.records = min(max(fit, _FEWEST), 2 * self.records, _MOST)


class Written(msgspec.Struct, frozen=True):
    """How far a load is.

    Attributes:
        done: How many buckets of entities are written.
        records: How many entities have a record.
        size: Bytes of the records.
        events: How many events were read.
    """

    done: int = 0
    records: int = 0
    size: int = 0
    events: int = 0


class _Claim(msgspec.Struct, frozen=True):
    """The newest load of a view.

    Attributes:
        writer: Its number; a greater one has overtaken it.
        segment: The segment it writes; -1 once that is served.
        basis: What it writes the segment from; one of equal basis may go on with it. Empty: nobody may.
        written: How far it is.
        dead: Segments that nobody reads once the requests under way have ended.
    """

    writer: int = -1
    segment: int = -1
    basis: str = ""
    written: Written = Written()
    dead: tuple[int, ...] = ()


_CLAIM = msgspec.json.Decoder(_Claim)


class Generation(NamedTuple):
    """A generation that is being written.

    Attributes:
        view: `name@version`.
        writer: The number of the load.
        segment: The segment it writes.
        served: What was served when it was begun; nothing else can be, while the claim stands.
        written: How far a load that died has come with this segment.
        pace: How much is written at once.
        keys: The join keys of the view's entity.
        erased: Who was erased before it was begun; records of others who are by now are not written.
    """

    view: str
    writer: int
    segment: int
    served: ViewManifest
    written: Written
    pace: Pace
    keys: tuple[str, ...] = ()
    erased: Erased = NOBODY

    def write(
        self, store: OneHost, items: Sequence[tuple[bytes, bytes]], written: Written | None = None
    ) -> None:
        """Write records, encoded entity key and value, into the segment; some at a time.

        Args:
            store: The online store.
            items: The records.
            written: How far the load is with them; None if they are a part of a bucket.

        Raises:
            ConflictError: Another load of the view has begun.
        """
        prefix = segment_prefix(self.segment)
        ends = list(accumulate(map(len, map(itemgetter(1), items)), initial=0))
        start, more = 0, True
        while more:
            room = max(bisect_right(ends, ends[start] + _BYTES) - 1, start + 1)
            stop = min(start + self.pace.records, room, len(items))
            with store.transaction() as tx:
                began = time.perf_counter()
                claim = self.check(tx)
                there = self._without_erased(tx, items[start:stop])
                tx.multi_put([(prefix + key, data) for key, data in there])
                if written is not None and stop == len(items):
                    _put_claim(tx, self.view, msgspec.structs.replace(claim, written=written))
            self.pace.took(stop - start, time.perf_counter() - began)
            start, more = stop, stop < len(items)

    def _without_erased(
        self, tx: Reader, items: Sequence[tuple[bytes, bytes]]
    ) -> Sequence[tuple[bytes, bytes]]:
        """The records of entities that nobody has erased since the load began: it knew nothing later."""
        erased = read_erased(tx)
        if erased is self.erased:
            return items
        keys = [key for key, _ in items]
        now, before = erased.until(self.keys, keys), self.erased.until(self.keys, keys)
        if now is None:
            return items
        gone = now != FOREVER_AGO if before is None else now != before
        return [item for item, is_gone in zip(items, gone.tolist(), strict=True) if not is_gone]

    def check(self, store: Reader) -> _Claim:
        """The claim, which must still stand.

        Raises:
            ConflictError: Another load of the view has begun.
        """
        claim = _claim(store, self.view)
        if claim.writer != self.writer:
            raise ConflictError(
                f"Another load of {self.view} began while this one ran; this one was given up.",
                asked=self.view,
                remedy="Let one load of a view end before the next begins.",
            )
        return claim


def begin(store: OneHost, view: str, basis: str = "", keys: Sequence[str] = ()) -> Generation:
    """Claim a view.

    Args:
        store: The online store.
        view: `name@version`.
        basis: What the segment is written from, to go on with it should this load die; empty never to.
        keys: The join keys of the view's entity.
    """
    with store.transaction() as tx:
        served, claim = read_manifest(tx).of(view), _claim(tx, view)
        if basis and claim.segment >= 0 and claim.basis == basis:
            segment, written, dead = claim.segment, claim.written, claim.dead
        else:
            segment, written, dead = _next_number(tx), Written(), claim.dead
            dead = (*dead, claim.segment) if claim.segment >= 0 else dead
        renewed = _Claim(claim.writer + 1, segment, basis, written, dead)
        _put_claim(tx, view, renewed)
        erased = read_erased(tx)
    return Generation(view, renewed.writer, segment, served, written, Pace(), tuple(keys), erased)


def clear_dead(store: OneHost, generation: Generation) -> None:
    """Delete what nobody reads: segments that were replaced, and what loads that died have left.

    Raises:
        ConflictError: Another load of the view has begun.
    """
    dead = generation.check(store).dead
    for segment in dead:
        store.delete_prefix(segment_prefix(segment))
    if dead:
        with store.transaction() as tx:
            claim = generation.check(tx)
            left = tuple(segment for segment in claim.dead if segment not in dead)
            _put_claim(tx, generation.view, msgspec.structs.replace(claim, dead=left))


def clear_all_dead(store: OneHost) -> None:
    """Delete the segments of all views that nobody reads; who reads one now has a state of its own."""
    for _, data in list(store.scan(LOADINGS)):
        for segment in decoded(_CLAIM, data, "claim of a load").dead:
            store.delete_prefix(segment_prefix(segment))


def switch(tx: Writer, generation: Generation, segments: Sequence[Segment], loaded: ViewManifest) -> None:
    """Serve some segments, from the end of the transaction.

    Args:
        tx: The transaction.
        generation: What was written.
        segments: What is served from now on, the one written among it unless it is empty.
        loaded: The manifest of the view, all but its generation and segments.

    Raises:
        ConflictError: Another load of the view has begun.
    """
    claim = generation.check(tx)
    view, served = generation.view, generation.served
    renewed = msgspec.structs.replace(loaded, generation=served.generation + 1, segments=tuple(segments))
    manifest = decode_manifest(tx.multi_get([MANIFEST])[0])
    tx.multi_put(
        [(MANIFEST, msgspec.structs.replace(manifest, views={**manifest.views, view: renewed}).encode())]
    )
    kept = {segment.number for segment in segments}
    gone = [each.number for each in served.segments if each.number not in kept]
    if generation.segment not in kept:
        gone.append(generation.segment)
    _put_claim(tx, view, _Claim(claim.writer, dead=(*claim.dead, *gone)))


def _next_number(tx: Writer) -> int:
    """A segment's number that no other has."""
    data = tx.multi_get([NUMBERS])[0]
    number = 0 if data is None else int.from_bytes(data, "little")
    tx.multi_put([(NUMBERS, (number + 1).to_bytes(8, "little"))])
    return number


def segments_of(claim: bytes) -> list[int]:
    """The segments that a stored claim names: the one being written, and dead ones."""
    found = decoded(_CLAIM, claim, "claim of a load")
    return [*([found.segment] if found.segment >= 0 else []), *found.dead]


def _claim(store: Reader, view: str) -> _Claim:
    data = store.multi_get([loading_key(view)])[0]
    return _Claim() if data is None else decoded(_CLAIM, data, f"claim of {view}")


def _put_claim(tx: Writer, view: str, claim: _Claim) -> None:
    tx.multi_put([(loading_key(view), msgspec.json.encode(claim))])
