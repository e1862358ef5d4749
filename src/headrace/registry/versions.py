"""Versions of one name: their order, and what the next is called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["natural", "next_version"]


def natural(version: str) -> tuple[tuple[bool, int, str], ...]:
    """A key that sorts versions as people read them: `9` before `10`, `1.9` before `1.10`."""
    parts = re.findall(r"\d+|\D+", version)
    return tuple((part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)


def next_version(known: Iterable[str]) -> str:
    """The version to go on with: one more than the greatest number among the known ones; `1` without any.

    >>> next_version(["1", "2", "trial"])
    '3'
    """
    return str(max((int(version) for version in known if version.isdecimal()), default=0) + 1)
