"""Paths and passwords in URLs."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote

__all__ = ["path_of", "placed", "without_password"]

_FILE_URL = re.compile(r"(?P<scheme>(?:sqlite(?:\+\w+)?|lmdb):///)(?P<path>[^?]*)(?P<rest>.*)", re.DOTALL)


def path_of(url: str) -> Path | None:
    """The path in a `sqlite:///` or `lmdb:///` URL; None in any other, and for `:memory:`."""
    found = _FILE_URL.fullmatch(url)
    return Path(unquote(found["path"])) if found and found["path"] not in {"", ":memory:"} else None


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    return re.sub(r"(?<=://)([^/@:]*):[^/]*@", r"\1:***@", url)


def placed(url: str, directory: Path) -> str:
    """The URL; a relative path in one of ours made absolute."""
    found = _FILE_URL.fullmatch(url)
    path = path_of(url)
    if found is None or path is None:
        return url
    # SQLAlchemy reads escapes in it; what would end the path is escaped, all else stays readable
    return (
        found["scheme"] + quote(str(directory / path.expanduser()), safe="/ !$&'()*+,:;=@[]~") + found["rest"]
    )
