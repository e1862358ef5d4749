"""The manifest: which generation of each view is served, and the segments it is made of.

Replacing it is the switch; a request reads it once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import msgspec

from headrace.errors import StoreError
from headrace.online.layout import LAYOUT, MANIFEST, stream_key
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.ports.key_value import Reader

__all__ = [
    "Manifest",
    "Segment",
    "StreamState",
    "ViewManifest",
    "decode_manifest",
    "decode_served",
    "decoded",
    "read_manifest",
    "read_streams",
    "served_keys",
]

Kept = TypeVar("Kept")

_REMEMBERED = 256
"""How many texts are remembered as decoded: they change with loads, and every request reads them."""


class Segment(msgspec.Struct, frozen=True):
    """Records of some events of a view; never changed once a manifest names it.

    Attributes:
        number: Its number, among the segments of all views.
        records: How many entities have a record.
        size: Bytes of the records.
    """

    number: int
    records: int = 0
    size: int = 0


class ViewManifest(msgspec.Struct, frozen=True):
    """What of a view is loaded.

    Attributes:
        known: K: the generation holds exactly the events with `known < K`.
        generation: How many loads and compactions have led to it; -1 before the first load.
        segments: Its segments, oldest first; each event is in one of them.
        states: Fingerprint of the states its records hold.
        loaded_at: When it was switched to, microseconds UTC.
    """

    known: int = FOREVER_AGO
    generation: int = -1
    segments: tuple[Segment, ...] = ()
    states: str = ""
    loaded_at: int = 0


class Manifest(msgspec.Struct, frozen=True):
    """The manifest of all views of a project."""

    layout: int = LAYOUT
    views: dict[str, ViewManifest] = {}

    def of(self, view: str) -> ViewManifest:
        """What of a view is loaded; nothing, for a view never loaded."""
        return self.views.get(view, _NOTHING)

    def encode(self) -> bytes:
        """The manifest as stored."""
        return msgspec.json.encode(self, order="deterministic")


class StreamState(msgspec.Struct, frozen=True):
    """What the stream has written for a view.

    Attributes:
        epochs: Epoch number -> partitions with records.
        states: Fingerprint of the states the records hold.
        late: How many events came with `known < K` and wait in the late log.
        number: Which of the view's streams it is: one that is built anew has the next number.
    """

    epochs: dict[int, tuple[int, ...]] = {}
    states: str = ""
    late: int = 0
    number: int = 0


_NOTHING, _NO_MANIFEST, _NO_STREAM = ViewManifest(), Manifest(), StreamState()
_MANIFEST = msgspec.json.Decoder(Manifest)
_STREAM = msgspec.json.Decoder(StreamState)


def decode_manifest(data: bytes | None) -> Manifest:
    """The manifest from what is stored.

    Raises:
        StoreError: It is none, or of another layout.
    """
    return _NO_MANIFEST if data is None else _manifest(data)


@lru_cache(maxsize=_REMEMBERED)
def _manifest(data: bytes) -> Manifest:
    manifest = decoded(_MANIFEST, data, "manifest")
    if manifest.layout != LAYOUT:
        raise StoreError(
            f"The online store has layout {manifest.layout}; this Headrace reads layout {LAYOUT}.",
            asked=manifest.layout,
            remedy="Upgrade Headrace, or point [online] url at an empty store and materialize again.",
        )
    return manifest


def decoded(decoder: msgspec.json.Decoder[Kept], data: bytes, what: str) -> Kept:
    """What is kept as JSON.

    Raises:
        StoreError: It is not what Headrace writes.
    """
    try:
        return decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise StoreError(
            f"The {what} in the online store cannot be read: {error}.",
            asked=what,
            remedy="It was changed by other hands: load into an empty store.",
        ) from None


def read_manifest(store: Reader) -> Manifest:
    """The manifest of the store."""
    return decode_manifest(store.multi_get([MANIFEST])[0])


def read_streams(store: Reader, views: list[str]) -> list[StreamState]:
    """What the stream has written for each of the views."""
    found = store.multi_get([stream_key(view) for view in views])
    return [_decode_stream(data, view) for view, data in zip(views, found, strict=True)]


def served_keys(views: list[str]) -> list[bytes]:
    """Where the manifest and the streams of some views are."""
    return [MANIFEST, *map(stream_key, views)]


def decode_served(values: Sequence[bytes | None], views: list[str]) -> tuple[Manifest, list[StreamState]]:
    """The manifest and what the stream has written for each of the views, from what those keys hold."""
    manifest, *streams = values
    return decode_manifest(manifest), [
        _decode_stream(data, view) for view, data in zip(views, streams, strict=True)
    ]


def _decode_stream(data: bytes | None, view: str) -> StreamState:
    return _NO_STREAM if data is None else _stream(data, view)


@lru_cache(maxsize=_REMEMBERED)
def _stream(data: bytes, view: str) -> StreamState:
    return decoded(_STREAM, data, f"stream state of {view}")
