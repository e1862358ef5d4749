"""The floor under an in-process read: LMDB fetches packed doubles, `struct` unpacks them."""

from __future__ import annotations

import shutil
import struct
from typing import TYPE_CHECKING

import lmdb

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.inputs import Inputs

VALUES = 50
MAP_BYTES = 1 << 28


def packed(inputs: Inputs, *, entities: int = 1) -> Callable[[], list[tuple[float, ...]]]:
    """One read transaction that gets and unpacks the records, 50 doubles each, of `entities` users."""
    path = inputs.cache / "raw.lmdb"
    shutil.rmtree(path, ignore_errors=True)
    store = lmdb.open(str(path), map_size=MAP_BYTES)
    record = struct.Struct(f"<{VALUES}d")
    with store.begin(write=True) as writer:
        for user in range(inputs.log.users):
            writer.put(user.to_bytes(8, "big"), record.pack(*(user + i / VALUES for i in range(VALUES))))
    asked = [(user % inputs.log.users).to_bytes(8, "big") for user in range(entities)]

    def read() -> list[tuple[float, ...]]:
        with store.begin(buffers=True) as reader:
            return [record.unpack(reader.get(key, b"")) for key in asked]

    return read
