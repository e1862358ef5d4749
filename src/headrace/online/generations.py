"""Generations of a view: begun by a claim, written under it, switched to by one manifest write.

Whoever loads claims the next number first, and each write looks whether the claim still stands. A load that
another one overtakes ends with an error instead of mixing its records with the other's; one that died is
taken over in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from headrace.errors import ConflictError
from headrace.keys import decode_key
from headrace.online.layout import (
    MANIFEST,
    epoch_prefix,
    generation_prefix,
    generations_prefix,
    late_prefix,
    loading_key,
    stream_key,
    view_epochs_prefix,
)
from headrace.online.manifest import (
    StreamState,
    ViewManifest,
    decode_manifest,
    decoded,
    read_manifest,
    read_streams,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.ports.key_value import KeyValue, OneHost, Reader, Writer

__all__ = ["Generation", "begin", "forget", "switch", "write"]

_BATCH = 512
"""Records written at once: keeps write transactions short."""


class _Claim(msgspec.Struct, frozen=True):
    """The newest load of a view.

    Attributes:
        generation: The number it writes under.
        oldest: The smallest number that may have records.
    """

    generation: int = -1
    oldest: int = 0


_CLAIM = msgspec.json.Decoder(_Claim)


class Generation(NamedTuple):
    """A generation that is being written.

    Attributes:
        view: `name@version`.
        number: Its number.
        served: What was served when it was begun; nothing else can be, while the claim stands.
    """

    view: str
    number: int
    served: ViewManifest


def begin(store: OneHost, view: str, epoch_length: int) -> Generation:
    """Claim the next generation of a view, and clear away what nobody reads: what loads that died have left.

    Args:
        store: The online store.
        view: `name@version`.
        epoch_length: Microseconds of an epoch.
    """
    with store.transaction() as tx:
        served, claim = read_manifest(tx).of(view), _claim(tx, view)
        generation = Generation(view, max(served.generation, claim.generation) + 1, served)
        _put_claim(tx, view, _Claim(generation.number, claim.oldest))
    for number in range(claim.oldest, generation.number):
        if number != served.generation:
            store.delete_prefix(generations_prefix(view, number))
    if served.generation >= 0:
        _clear_epochs(store, view, served.known // epoch_length)
    return generation


def write(store: OneHost, generation: Generation, items: Sequence[tuple[bytes, bytes]]) -> None:
    """Write records, encoded entity key and value, into the generation; some at a time.

    Raises:
        ConflictError: Another load of the view has begun.
    """
    prefix = generation_prefix(generation.view, generation.number, 0)
    for start in range(0, len(items), _BATCH):
        with store.transaction() as tx:
            _check(tx, generation)
            tx.multi_put([(prefix + key, data) for key, data in items[start : start + _BATCH]])


def switch(tx: Writer, generation: Generation, known: int, states: str, now: int) -> None:
    """Serve the generation, from the end of the transaction.

    Args:
        tx: The transaction.
        generation: What was written.
        known: K: it holds the events known before.
        states: The fingerprint of its states.
        now: The clock.

    Raises:
        ConflictError: Another load of the view has begun.
    """
    _check(tx, generation)
    view, before = generation.view, generation.served.generation
    loaded = ViewManifest(known, generation.number, (0,), states, before, now)
    manifest = decode_manifest(tx.multi_get([MANIFEST])[0])
    renewed = msgspec.structs.replace(manifest, views={**manifest.views, view: loaded})
    tx.multi_put([(MANIFEST, renewed.encode())])
    _put_claim(tx, view, _Claim(generation.number, before if before >= 0 else generation.number))


def forget(tx: Writer, view: str, known: int, epoch_length: int) -> list[bytes]:
    """Let the stream forget what a generation up to K holds: epochs before K, and what came late before.

    Returns:
        The prefixes of records that nobody reads once the transaction has ended.
    """
    (stream,) = read_streams(tx, [view])
    tx.delete_prefix(late_prefix(view))
    kept = {e: partitions for e, partitions in stream.epochs.items() if (e + 1) * epoch_length > known}
    after = StreamState(kept, stream.states)
    if after != stream:
        tx.multi_put([(stream_key(view), msgspec.json.encode(after))])
    return [
        epoch_prefix(view, epoch, partition)
        for epoch, partitions in stream.epochs.items()
        if epoch not in kept
        for partition in partitions
    ]


def _clear_epochs(store: KeyValue, view: str, first: int) -> None:
    """Delete records of epochs before the first that is read: loads that died after a switch left them."""
    prefix = view_epochs_prefix(view)
    dead: dict[int, None] = {}
    for key, _ in store.scan(prefix):
        epoch = decode_key(key)[2]
        assert isinstance(epoch, int)  # noqa: S101 - epochs' keys have it there
        if epoch >= first:
            break
        dead[epoch] = None
    for epoch in dead:
        store.delete_prefix(view_epochs_prefix(view, epoch))


def _claim(store: Reader, view: str) -> _Claim:
    data = store.multi_get([loading_key(view)])[0]
    return _Claim() if data is None else decoded(_CLAIM, data, f"claim of {view}")


def _put_claim(tx: Writer, view: str, claim: _Claim) -> None:
    tx.multi_put([(loading_key(view), msgspec.json.encode(claim))])


def _check(tx: Reader, generation: Generation) -> None:
    if _claim(tx, generation.view).generation != generation.number:
        raise ConflictError(
            f"Another load of {generation.view} began while this one ran; this one was given up.",
            asked=generation.view,
            remedy="Let one load of a view end before the next begins.",
        )
