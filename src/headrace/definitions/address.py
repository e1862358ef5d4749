"""Addresses in definitions: the registry keeps them and shows them to everybody, so they hold no secrets."""

from __future__ import annotations

import re

__all__ = ["NO_SECRETS", "holds_secret"]

NO_SECRETS = "Leave it out: the registry keeps definitions and shows them to everybody who may read it."
"""What to do about an address that holds a secret."""

_SCHEME = "://"
# A colon before the @, but not that of a port with an @ later in the path.
_USER = re.compile(r"(?:^|://|,)[^/?#@:,\[\]]*:(?!\d*(?:[/,]|$))[^@]+@")
_PARAMETER = re.compile(
    r"[?&;,\s][\w.-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|signature|access[_-]?key|\bsig)[\w.-]*\s*=\s*\S",
    re.IGNORECASE,
)


def holds_secret(address: str, *, bare: bool = False) -> bool:
    """Whether a password, token or key is written in an address.

    Args:
        address: A URL; anything else is a path, which holds none.
        bare: Whether the address does without a scheme, as `host:port` does.
    """
    if not bare and _SCHEME not in address:
        return False
    return bool(_USER.search(address) or _PARAMETER.search(address))
