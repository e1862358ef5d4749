"""Which entities the served log keeps: a share of them, the same ones in every process, host and year.

An entity is kept iff the keyed hash of its encoded key, eight bytes read as a fraction of 1, is below the
share. So it is kept always or never, and those kept of one share are among those of any larger one. The key
of the hash is made of the project's salt and of the names of the join keys: which users are kept says
nothing about which ads are, nor about another project's users.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from headrace.keys import encode_key

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LoggedEntities"]

_WIDTH = 8
_ALL = b"\xff" * (_WIDTH + 1)
"""Above every hash."""


class LoggedEntities:
    """Chooses among the entities of one kind."""

    def __init__(self, share: float, salt: str, names: Sequence[str]) -> None:
        """For a kind of entity.

        Args:
            share: The share that is kept, 0 to 1.
            salt: The project's.
            names: The kind's join keys.
        """
        secret = hashlib.blake2b(encode_key((salt, *names)), digest_size=32).digest()
        self._begun = hashlib.blake2b(digest_size=_WIDTH, key=secret)
        self._below = _ALL if share >= 1 else int(share * 2 ** (8 * _WIDTH)).to_bytes(_WIDTH)

    def rows(self, keys: Sequence[bytes | None]) -> list[int]:
        """The places of the entities that are kept.

        Args:
            keys: The encoded key of each; one without a whole key is never kept.
        """
        begun, below = self._begun.copy, self._below
        found = []
        for row, key in enumerate(keys):
            if key is not None:
                digest = begun()
                digest.update(key)
                if digest.digest() < below:
                    found.append(row)
        return found
