"""Values of messages that are no JSON, as JSON has them: so they come to what a JSON message comes to."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from headrace.intake.framing import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["json_of"]

_AS_THEY_ARE = frozenset((str, int, bool, type(None)))
_encode = msgspec.json.Encoder().encode


def json_of(row: Mapping[str, Any]) -> bytes:
    """The JSON object of a row.

    Args:
        row: Names and values as readers of Avro and Protobuf give them.

    Raises:
        UnreadableError: A value can be no text.
    """
    try:
        return _encode(
            {name: each if type(each) in _AS_THEY_ARE else _plain(each) for name, each in row.items()}
        )
    except UnicodeDecodeError:
        raise UnreadableError("bytes in it are no UTF-8") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise UnreadableError(f"a value in it cannot be a text: {error}") from None


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one return a kind of value
    """A value that JSON has: texts for what it has not."""
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, Decimal):
        return format(value, "f")  # without an exponent
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return str(value)
