"""Earlier layouts of the online store: they lie beside the present one until it holds all their views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from headrace.online.layout import EARLIER
from headrace.online.manifest import decoded, read_manifest

if TYPE_CHECKING:
    from headrace.ports.key_value import OneHost

__all__ = ["clear_earlier"]


class _Manifest(msgspec.Struct, frozen=True):
    """What every layout's manifest has."""

    views: dict[str, msgspec.Raw] = {}


_DECODER = msgspec.json.Decoder(_Manifest)


def clear_earlier(store: OneHost) -> None:
    """Delete the records of layout 1 once each of its views is loaded in the present layout.

    Until then whoever runs an earlier Headrace reads on. Logs, which hold what no load brings back, are the
    same in all layouts.
    """
    data = store.multi_get([EARLIER[0]])[0]
    if data is None:
        return
    if decoded(_DECODER, data, "manifest of layout 1").views.keys() <= read_manifest(store).views.keys():
        for prefix in EARLIER:
            store.delete_prefix(prefix)
