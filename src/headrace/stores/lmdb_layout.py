"""How records lie in an LMDB environment, and the record that names this layout.

Everything lies in LMDB's main table; a named one could only be opened by waiting for whoever writes. The
first byte of a stored key says what follows it and what the value is::

    00  headrace                            the name and version of this layout
    e   key of a record that expires        instant, value
    k   key of a record that does not       value, as it is: the common read is one lookup and one copy
    l   400 bytes and hash of a long key    entries (instant, whole key, value), for all keys that shorten so
    x   instant, stored key under e or l    nothing; says where to look when the instant has passed

Instants are eight big-endian bytes with the sign bit flipped, so that they order as numbers do. An entry
under x may be out of date: the record itself says when it expires.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headrace.errors import StoreError

if TYPE_CHECKING:
    from lmdb import Environment, Transaction

__all__ = ["EXPIRING", "EXPIRY", "INSTANT", "LONG", "PLAIN", "check_layout"]

EXPIRING, PLAIN, LONG, EXPIRY = b"e", b"k", b"l", b"x"

INSTANT = 8
"""How many bytes an instant has."""

_LAYOUT = b"\x00headrace"
_VERSION = 1
_NAMED = re.compile(rb"key-value layout (\d+)")


def check_layout(env: Environment, *, writable: bool) -> None:
    """Make sure that the environment holds this layout; an empty one is given it.

    Raises:
        StoreError: It holds something else, a newer layout, or nothing and may not be written.
        lmdb.Error: It cannot be read or written.
    """
    with env.begin() as txn:  # not a write, which would wait for another process's
        if _is_ours(txn, env.path()):
            return
    if not writable:
        raise StoreError(
            f"There is no store at {env.path()} yet.",
            asked=env.path(),
            remedy="Load something into it first.",
        )
    with env.begin(write=True) as txn:
        if not _is_ours(txn, env.path()):  # else another process was faster
            txn.put(_LAYOUT, b"key-value layout %d" % _VERSION)


def _is_ours(txn: Transaction[bytes], path: str) -> bool:
    """Whether the environment has this layout; False if it is empty."""
    name = txn.get(_LAYOUT)
    if name is None and txn.stat()["entries"] == 0:
        return False
    named = _NAMED.fullmatch(name or b"")
    if named is None:
        raise StoreError(
            f"{path} holds an LMDB database of another program.",
            asked=path,
            remedy="Choose another directory.",
        )
    if int(named[1]) > _VERSION:
        raise StoreError(
            f"The store at {path} has layout {int(named[1])}; this Headrace knows layouts up to {_VERSION}.",
            asked=path,
            remedy="Upgrade Headrace, or choose another directory and load it.",
        )
    return True
