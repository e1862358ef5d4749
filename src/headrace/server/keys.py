"""API keys: made here and shown once; the file holds a salted hash of each.

The file is TOML, one table for each key::

    [keys.1f0c9a7be2d34c55]
    name = "ranker"
    roles = ["read_online"]
    services = ["ctr_model@1"]     # left out: any
    rate = 500                     # requests a second; left out: what [serving] rate says
    salt = "..."
    hash = "..."

A key is 256 random bits, so one round of SHA-256 is enough: no dictionary holds it. The file is read again
when it changes, so that a key is withdrawn by deleting its table.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import math
import os
import re
import secrets
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.clock import SECOND
from headrace.errors import DataError, StoreError
from headrace.server.callers import ROLES, Caller, known_roles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from headrace.clock import Clock

__all__ = ["KeyFile", "add_key"]

_LOG = logging.getLogger("headrace.server")
_KEY = re.compile(r"hr_([0-9a-f]{16})_([0-9a-f]{64})")
_NOBODY = bytes(32)


class _Kept(NamedTuple):
    """What is kept of a key."""

    caller: Caller
    salt: bytes
    hash: bytes


class KeyFile:
    """The keys of a file."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Read the file.

        Args:
            path: The file.
            clock: Tells when to look whether it changed: once a second.

        Raises:
            StoreError: There is no such file.
            DataError: It does not hold keys.
        """
        self._path = path
        self._clock = clock
        self._keys: dict[str, _Kept] = {}
        self._seen: tuple[int, ...] = ()
        self._look_again = clock.now() + SECOND
        self._read()

    def caller(self, key: str) -> Caller | None:
        """Whose key this is; None for nobody's. An unknown key takes as long as a wrong one."""
        if self._clock.now() >= self._look_again:
            self._look_again = self._clock.now() + SECOND
            try:
                self._read()
            except (StoreError, DataError) as error:
                _LOG.error("%s The keys read before stay in force.", error.message)
        parts = _KEY.fullmatch(key)
        kept = self._keys.get(parts[1]) if parts else None
        right = hmac.compare_digest(
            _hashed(kept.salt if kept else _NOBODY, parts[2] if parts else ""), kept.hash if kept else _NOBODY
        )
        return kept.caller if kept is not None and right else None

    def count(self, name: str) -> int:
        """How many keys of a name there are."""
        return sum(each.caller.name == name for each in self._keys.values())

    def _read(self) -> None:
        """Read the file if it is not the one read before."""
        try:
            found = self._path.stat()
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if seen == self._seen:
                return
            tables = tomllib.loads(self._path.read_text(encoding="utf-8")).get("keys", {})
            self._keys = {id_: _kept(id_, table) for id_, table in tables.items()}
        except OSError as error:
            raise StoreError(
                f"The keys cannot be read from {self._path}: {error.strerror}.",
                asked=self._path,
                remedy="Make one with `headrace serve --new-key NAME`, or correct [serving] keys.",
            ) from None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise DataError(
                f"{self._path} does not hold keys.",  # never what it does hold
                asked=self._path,
                remedy="Mend or empty it, and make keys with `headrace serve --new-key NAME`.",
            ) from None
        self._seen = seen


def add_key(path: Path, name: str, roles: Sequence[str], services: Sequence[str], rate: float | None) -> str:
    """Make a key and keep its hash.

    Args:
        path: The file of keys; made if there is none, readable by its owner only.
        name: Whose it is.
        roles: What they may do.
        services: What they are limited to; nothing for no limit.
        rate: Requests a second; None for what the settings say.

    Returns:
        The key; it cannot be had again.

    Raises:
        StoreError: The file cannot be written.
        DataError: There is no such role, or the name cannot be shown.
    """
    if not all(each and each.isprintable() for each in (name, *services)):
        raise DataError(
            "A key's name or service cannot be shown.", asked=repr(name), remedy="Name it in letters."
        )
    if not roles or set(roles) - set(ROLES):
        raise DataError("There is no such role.", asked=" ".join(roles), available=ROLES, remedy="Name one.")
    id_, secret, salt = secrets.token_hex(8), secrets.token_hex(32), secrets.token_bytes(16)
    told: dict[str, Any] = {"name": name, "roles": list(roles)}
    if services:
        told["services"] = list(services)
    if rate is not None:
        told["rate"] = rate
    told |= {"salt": salt.hex(), "hash": _hashed(salt, secret).hex()}
    lines = [
        "",
        f"[keys.{id_}]",
        *(f"{each} = {json.dumps(value, ensure_ascii=False)}" for each, value in told.items()),
        "",
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
            file.write("\n".join(lines).encode())
    except OSError as error:
        raise StoreError(
            f"The key cannot be kept in {path}: {error.strerror}.",
            asked=path,
            remedy="Correct [serving] keys, or the file's permissions.",
        ) from None
    return f"hr_{id_}_{secret}"


def _hashed(salt: bytes, secret: str) -> bytes:
    return hashlib.sha256(salt + secret.encode()).digest()


def _kept(id_: str, table: dict[str, Any]) -> _Kept:
    services = table.get("services")
    rate = table.get("rate")
    if not all(isinstance(table.get(each, []), list) for each in ("roles", "services")):
        raise TypeError
    if rate is not None and not 0 < float(rate) < math.inf:
        raise ValueError
    caller = Caller(
        name=str(table["name"]),
        roles=known_roles(table["roles"]),
        services=None if services is None else frozenset(map(str, services)),
        rate=None if rate is None else float(rate),
        id=id_,
    )
    return _Kept(caller, bytes.fromhex(table["salt"]), bytes.fromhex(table["hash"]))
