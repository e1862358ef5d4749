"""Entries of a Redis stream: their ids, and the message that each is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from headrace.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DATA", "FIRST", "before", "message_of", "order_of"]

DATA = b"data"
"""The field that holds the message, where an entry has no other."""
FIRST = "0-0"
"""The id before all."""
_encode = msgspec.json.Encoder().encode
_LAST_OF_INSTANT = (1 << 64) - 1


def order_of(entry: str) -> tuple[int, int]:
    """What ids are ordered by: an instant, milliseconds of Redis's clock, and a number within it.

    Raises:
        StoreError: It is no id.
    """
    instant, _, number = entry.partition("-")
    if not (instant.isdecimal() and number.isdecimal()):
        raise StoreError("This is no position in a Redis stream.", asked=entry)
    return int(instant), int(number)


def before(instant: int) -> str:
    """The last id before an instant, milliseconds."""
    return f"{instant - 1}-{_LAST_OF_INSTANT}"


def message_of(fields: Mapping[bytes, bytes]) -> bytes:
    """The message that an entry is: its field `data` where that is alone, else all as a JSON object of texts.

    >>> message_of({b"data": b'{"user_id": 1}'}), message_of({b"user_id": b"1", b"ad": b"x"})
    (b'{"user_id": 1}', b'{"user_id":"1","ad":"x"}')
    """
    if DATA in fields and len(fields) == 1:
        return fields[DATA]
    try:
        texts = {name.decode(): value.decode() for name, value in fields.items()}
    except UnicodeDecodeError:  # it is told as what it is: no text
        return b" ".join(part for pair in fields.items() for part in pair)
    return _encode(texts)
