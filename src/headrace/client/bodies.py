"""What a client sends: Python values as JSON that the server reads as the same values."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from headrace.casting import listed, unboxed
from headrace.clock import format_instant, instant
from headrace.definitions.service import FeatureService
from headrace.errors import DataError
from headrace.served_requests import Request
from headrace.tables import is_frame, table_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["body_of", "push_body", "question_body", "sendable", "when"]


def question_body(
    *,
    features: Sequence[str] | FeatureService | None,
    service: str | FeatureService | None,
    entities: Mapping[str, Sequence[Any]],
    context: Mapping[str, Any],
    as_of: str | int | dt.datetime | None,
    full_feature_names: bool,
) -> bytes:
    """The body of `POST /get-online-features`.

    Raises:
        DataError: A value cannot be sent; `as_of` is no instant.
        DefinitionError: A feature or the service is no text.
    """
    names, chosen, full = Request.of(features, service, full=full_feature_names)
    if isinstance(names, FeatureService):
        names, chosen = None, names
    asked = {
        "features": None if names is None else list(map(str, [names] if isinstance(names, str) else names)),
        "feature_service": f"{chosen.name}@{chosen.version}"
        if isinstance(chosen, FeatureService)
        else chosen,
        "entities": {name: sendable(values, name) for name, values in entities.items()},
        "context": {name: sendable([value], name)[0] for name, value in context.items()},
        "as_of": when(as_of),
        "full_feature_names": full,
    }
    return body_of({name: value for name, value in asked.items() if value is not None})


def when(as_of: str | int | dt.datetime | None) -> str | int | None:
    """An instant as it is sent: what is text or number stays, so that the server judges it."""
    return as_of if as_of is None or isinstance(as_of, str | int) else instant(as_of)


def push_body(source: str, rows: Any, *, again: bool) -> bytes:
    """The body of `POST /push`.

    Args:
        source: The source's name.
        rows: Dicts, Arrow, pandas or polars.
        again: Whether this was sent before, and nobody knows what became of it.

    Raises:
        DataError: The rows are no table, or a value cannot be sent.
    """
    if isinstance(rows, list | tuple) and all(hasattr(row, "keys") for row in rows):
        names = dict.fromkeys(str(name) for row in rows for name in row)
        columns: Mapping[str, Any] = {name: [row.get(name) for row in rows] for name in names}
    else:
        try:
            table = table_of(rows, f"push to {source!r}")
        except DataError:
            if not (is_frame(rows) and rows.columns.is_unique):
                raise
            return push_body(source, rows.to_dict("records"), again=again)  # a column mixes types
        columns = dict(zip(table.column_names, table.columns, strict=True))
    asked: dict[str, Any] = {"source": source, "rows": _rows(columns)}
    return body_of({**asked, "again": True} if again else asked)


def _rows(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    plain = {name: sendable(values, name) for name, values in columns.items()}
    return [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]


def body_of(value: Any) -> bytes:
    """A document as bytes.

    Raises:
        DataError: It holds what JSON has no form for.
    """
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, UnicodeError, RecursionError) as error:
        raise DataError(f"This cannot be sent: {error}.", remedy="Send texts, numbers and times.") from None


def sendable(values: Any, name: str) -> list[Any]:
    """A column as JSON has it: times as RFC 3339, decimals as texts; where a double is infinite, doubles too.

    Raises:
        DataError: A value is of bytes that are no text, or of a type that nothing is sent as.
    """
    values = listed(values, f"Column {name!r}")
    if any(isinstance(value, float) and math.isinf(value) for value in values):
        return [repr(value) if isinstance(value, float) else _plain(value, name) for value in values]
    return [_plain(value, name) for value in values]


def _plain(value: Any, name: str) -> Any:  # noqa: PLR0911 - one return a kind of value
    match value:
        case None | str() | bool() | int():
            return value
        case float():
            return None if math.isnan(value) else value
        case Decimal():
            return format(value, "f") if value.is_finite() else None
        case dt.datetime():
            return format_instant(instant(value))
        case dt.date():
            return value.isoformat()
        case bytes():
            return _text(value, name)
        case list() | tuple():
            return sendable(value, name)
        case dict():
            return {str(key): _plain(item, name) for key, item in value.items()}
        case _:
            plain = unboxed(value)
            return value if plain is value else _plain(plain, name)


def _text(value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise DataError(
            f"Column {name!r} holds bytes that are no UTF-8 text, which JSON cannot hold.",
            asked=name,
            remedy="Use FeatureStore in process, or make it a column of texts.",
        ) from None
