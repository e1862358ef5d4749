"""Earlier layouts of the online store: they lie beside the present one until it holds all their views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from headrace.keys import decode_key, encode_key
from headrace.online.layout import EARLIER, STREAMS
from headrace.online.manifest import decoded, read_manifest

if TYPE_CHECKING:
    from headrace.ports.key_value import OneHost, Reader

__all__ = ["clear_earlier", "streamed_earlier"]


class _Manifest(msgspec.Struct, frozen=True):
    """What every layout's manifest has."""

    views: dict[str, msgspec.Raw] = {}


_NONE = _Manifest()
_DECODER = msgspec.json.Decoder(_Manifest)


def clear_earlier(store: OneHost) -> None:
    """Delete the records of an earlier layout once the present one has all its views.

    What is loaded there must be loaded here, and what is streamed there loaded or streamed. Until then
    whoever runs an earlier Headrace reads on. Logs, which hold what no load brings back, are the same in
    all layouts.
    """
    loaded = read_manifest(store).views.keys()
    held = loaded | _streamed(store, STREAMS)
    for manifest, streams, *others in EARLIER:
        data = store.multi_get([manifest])[0]
        earlier = _NONE if data is None else decoded(_DECODER, data, "manifest of an earlier layout")
        if earlier.views.keys() <= loaded and _streamed(store, streams) <= held:
            for prefix in (manifest, streams, *others):
                store.delete_prefix(prefix)


def streamed_earlier(store: Reader, view: str) -> bool:
    """Whether an earlier layout has a stream of a view."""
    keys = [streams + encode_key((view,)) for _, streams, *_ in EARLIER]
    return any(data is not None for data in store.multi_get(keys))


def _streamed(store: Reader, prefix: bytes) -> set[str]:
    """The views that have streams under a prefix."""
    return {str(decode_key(key)[-1]) for key, _ in store.scan(prefix)}
