"""Passwords, tokens and keys leave the addresses that the first Headrace let into the registry.

Definitions with a secret in an address are refused since, so a registry that holds one could not be read.
User, host and path of an address stay. Backups hold the secrets still: whoever put them there changes them.
"""

from __future__ import annotations

import json
import re
from typing import Any

from alembic import op
from sqlalchemy import Column, Integer, Text, and_, column, select, table

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0002"
down_revision = "0001"

_ADDRESSES = {"batch", "stream", "brokers", "url", "path"}

# A colon before the @, but not that of a port with an @ later in the path; up to the last @ of the host.
_USER = re.compile(r"((?:^|://|,)[^/?#@:,\[\]]*):(?!\d*(?:[/,]|$))(?:[^/?#,]*@|[^@]+@)")
_PARAMETER = re.compile(
    r"([?&;,\s])[\w.-]*"
    r"(?:passw(?:or)?d|passphrase|pwd|secret|token|signature|access[_-]?key|\bsig)[\w.-]*"
    r"\s*=\s*"
    r"(?:'[^']*'|\"[^\"]*\"|[^&;,\s]+)",
    re.IGNORECASE,
)


def upgrade() -> None:
    """Rewrite the revisions that hold a secret; all others stay as they are, to the byte."""
    key = [Column(name, Text) for name in ("kind", "name", "version")]
    revisions = table("headrace_revisions", *key, Column("number", Integer), column("content", Text))
    connection = op.get_bind()
    for row in connection.execute(select(revisions).where(revisions.c.kind == "source")).all():
        stored = json.loads(row.content)
        before = _text(stored)
        _clean(stored.get("body"))
        if _text(stored) != before:
            primary = ("kind", "name", "version", "number")
            same = and_(*(revisions.c[name] == getattr(row, name) for name in primary))
            connection.execute(revisions.update().where(same).values(content=_text(stored)))


def _text(stored: Any) -> str:
    return json.dumps(stored, sort_keys=True, separators=(",", ":"))


def _clean(body: Any) -> None:
    """Take the secrets out of the addresses of a body, and of what is nested in it, in place."""
    if isinstance(body, dict):
        for name, value in body.items():
            if isinstance(value, str):
                if name == "brokers" or (name in _ADDRESSES and "://" in value):
                    body[name] = _PARAMETER.sub(r"\1", _USER.sub(r"\1@", value))
            else:
                _clean(value)
    elif isinstance(body, list):
        for each in body:
            _clean(each)
