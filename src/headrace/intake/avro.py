"""Messages in Avro, as JSON."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from headrace.extras import needing
from headrace.intake.framing import UnreadableError, framed
from headrace.intake.message_values import json_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from headrace.definitions.message_form import Avro

__all__ = ["avro_reader"]


_DECIMAL = "headrace-decimal"
"""What decimals are called in schemas that are read by: their reader is ours."""
_LARGEST_DECIMAL = 16
"""Bytes of the largest decimal that is read: a column has at most 18 digits."""


def _with_our_decimals(part: dict[str, Any]) -> dict[str, Any]:
    """A part of a schema whose decimals are read by `_decimal`."""
    return {**part, "logicalType": _DECIMAL} if part.get("logicalType") == "decimal" else part


def _decimal(data: bytes, schema: dict[Any, Any] | None, _: dict[Any, Any] | None = None) -> Decimal:
    """A decimal as it was written: the usual reader rounds, and takes minutes for one of a megabyte."""
    if len(data) > _LARGEST_DECIMAL:
        raise ValueError(f"a decimal of {len(data)} bytes")
    sign, digits, _exponent = Decimal(int.from_bytes(data, "big", signed=True)).as_tuple()
    return Decimal((sign, digits, -(schema or {}).get("scale", 0)))


def avro_reader(form: Avro, columns: Collection[str]) -> tuple[Callable[[bytes], bytes], set[str]]:
    """What makes JSON of a message, and the columns that messages have.

    Args:
        form: The form of the messages.
        columns: What is wanted of them.

    Raises:
        StoreError: The driver is not installed.
        DefinitionError: The schema is no Avro schema.
    """
    with needing("fastavro", "avro", "The reader of Avro"):
        from fastavro import parse_schema, schemaless_reader
        from fastavro.read import LOGICAL_READERS
        from fastavro.schema import SchemaParseException
    LOGICAL_READERS.update({f"{of}-{_DECIMAL}": _decimal for of in ("bytes", "fixed")})
    try:
        schema: Any = parse_schema(json.loads(form.schema, object_hook=_with_our_decimals))
    except (SchemaParseException, ValueError, KeyError, TypeError) as error:
        raise form.wrong(f"the schema is none: {error}.", form.schema, "Correct it.") from None

    wanted = [each["name"] for each in schema["fields"] if each["name"] in columns]

    def read(value: bytes) -> bytes:
        body = value
        if form.framing == "confluent":
            number, body = framed(value)
            if form.schema_id not in {None, number}:
                raise UnreadableError(f"its schema has the number {number}, not {form.schema_id}")
        stream = io.BytesIO(body)
        try:
            row: Any = schemaless_reader(stream, schema, None)
        except Exception as error:  # noqa: BLE001 - whatever its reader stumbles on, it is no Avro
            raise UnreadableError(f"no Avro: {type(error).__name__} {error}") from None
        if stream.tell() != len(body):
            raise UnreadableError("no Avro of this schema: there is more than it says")
        return json_of({name: row[name] for name in wanted})

    return read, {each["name"] for each in schema["fields"]}
