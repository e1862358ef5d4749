"""How the value of a key is read: each function gives the value, or a ValueError that says what is needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from headrace.errors import DefinitionError
from headrace.windows import duration

__all__ = [
    "count",
    "engine",
    "names",
    "origins",
    "path",
    "rate",
    "seconds",
    "share",
    "shares",
    "size",
    "span",
    "table",
    "text",
    "texts",
    "timezone",
    "url",
]

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_LONGEST = 3600.0
_MOST_OFTEN = 1e9
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def text(value: Any) -> str:
    """A text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is a text")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """One text or several."""
    found = [value] if isinstance(value, str) else value
    if (
        not isinstance(found, list)
        or not found
        or not all(isinstance(each, str) and each.strip() for each in found)
    ):
        raise ValueError("is a text or a list of texts")
    return tuple(found)


def names(value: Any) -> tuple[str, ...]:
    """Some names, or none; in a text they are parted by commas."""
    found = value.split(",") if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError("is a name or a list of names")
    return tuple(each.strip() for each in found if each.strip())


def path(value: Any) -> Path:
    """A path; `~` is the user's home."""
    return Path(text(value)).expanduser()


def share(value: Any) -> float:
    """A share, from a number or a text."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = -1.0
    if isinstance(value, bool) or not 0 <= found <= 1:
        raise ValueError("is a share from 0 to 1")
    return found


def span(value: Any) -> int:
    """A length of time above zero, microseconds, from a text such as `30d` or `12h`."""
    try:
        found = duration(text(value))
    except DefinitionError:
        found = 0
    if found <= 0:
        raise ValueError("is a length of time, such as 30d or 12h")
    return found


def url(value: Any) -> str:
    """A URL of any kind: what opens it knows which kinds there are."""
    if not re.match(r"[a-z][a-z0-9+.-]*:", text(value)):
        raise ValueError("is a URL, such as sqlite:///path, postgresql://host/database or lmdb:///path")
    return str(value)


def timezone(value: Any) -> str:
    """An IANA time zone."""
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(text(value))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is an IANA time zone, such as UTC or Europe/Berlin") from None
    return str(value)


def engine(value: Any) -> str:
    """The name of an engine."""
    if value not in {"local", "spark"}:
        raise ValueError('is "local" or "spark"')
    return str(value)


def messages(value: Any) -> str:
    """The form of log messages."""
    if value not in {"text", "json"}:
        raise ValueError('is "text" or "json"')
    return str(value)


def switch(value: Any) -> bool:
    """Yes or no."""
    found = str(value).strip().lower()
    if found not in {"true", "false"}:
        raise ValueError("is true or false")
    return found == "true"


def count(value: Any) -> int:
    """A number of things, from a number or a text."""
    if isinstance(value, bool) or not re.fullmatch(r"[1-9][0-9]{0,5}", str(value).strip()):
        raise ValueError("is a number from 1 on")
    return int(value)


def seconds(value: Any) -> float:
    """A time in seconds, from a number or a text."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = 0.0
    if isinstance(value, bool) or not 0 < found < _LONGEST:
        raise ValueError("is a number of seconds above 0")
    return found


def rate(value: Any) -> float:
    """How often in a second, from a number or a text."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = 0.0
    if isinstance(value, bool) or not 0 < found < _MOST_OFTEN:
        raise ValueError("is a number above 0")
    return found


def origins(value: Any) -> tuple[str, ...]:
    """Origins of web pages, a list or a text with spaces between; none at all is fine."""
    found = value.split() if isinstance(value, str) else value
    if not isinstance(found, list) or not all(
        isinstance(each, str) and re.fullmatch(r"\*|https?://[^/\s]+", each) for each in found
    ):
        raise ValueError('is a list of origins, such as ["https://ads.example.com"]')
    return tuple(found)


def table(value: Any) -> dict[str, str]:
    """Names and values, every value as a text."""
    if not isinstance(value, dict) or any(isinstance(each, dict | list) for each in value.values()):
        raise ValueError("is a table of names and values")
    return {name: str(each).lower() if isinstance(each, bool) else str(each) for name, each in value.items()}


def shares(value: Any) -> dict[str, float]:
    """Names and shares."""
    if not isinstance(value, dict) or any(isinstance(each, dict | list) for each in value.values()):
        raise ValueError("is a table of names and shares")
    return {name: share(each) for name, each in value.items()}


def size(value: Any) -> int:
    """A size, from a number of bytes or a text such as `512MB` or `4 GiB`."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", str(value), re.IGNORECASE)
    unit = _UNITS.get(found[2].upper() or "B", 0) if found else 0
    number = int(float(found[1]) * unit) if found else 0
    if number <= 0:
        raise ValueError("is a size, such as 512MB or 4GB")
    return number
