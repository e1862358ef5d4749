"""Messages in Protocol Buffers, as JSON."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from headrace.clock import format_instant
from headrace.definitions.message_form import BASE64
from headrace.extras import needing
from headrace.intake.framing import UnreadableError, framed, without_path
from headrace.intake.message_values import json_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from headrace.definitions.message_form import Protobuf

__all__ = ["protobuf_reader"]

_TIMESTAMP = "google.protobuf.Timestamp"
_WRAPPERS = {
    f"google.protobuf.{each}Value"
    for each in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
}


def protobuf_reader(form: Protobuf, columns: Collection[str]) -> tuple[Callable[[bytes], bytes], set[str]]:
    """What makes JSON of a message, and the columns that messages have.

    Args:
        form: The form of the messages.
        columns: What is wanted of them.

    Raises:
        StoreError: The driver is not installed.
        DefinitionError: The schema is none, or has no such message.
    """
    with needing("google", "protobuf", "The reader of Protocol Buffers"):
        from google.protobuf.message import DecodeError
    made = _message_class(form)
    fields = [each for each in made.DESCRIPTOR.fields if each.name in columns]

    def read(value: bytes) -> bytes:
        body = without_path(framed(value).body) if form.framing == "confluent" else value
        try:
            message = made.FromString(body)
        except DecodeError as error:
            raise UnreadableError(f"no Protocol Buffers message: {error}") from None
        try:
            return json_of({each.name: _value(message, each) for each in fields})
        except (ValueError, TypeError, OverflowError) as error:
            raise UnreadableError(f"a value in it cannot be a text: {error}") from None

    return read, {each.name for each in made.DESCRIPTOR.fields}


def _message_class(form: Protobuf) -> Any:
    """The class of the messages, made anew from the schema; nothing of it is code."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from google.protobuf.message import DecodeError

    pool = descriptor_pool.DescriptorPool()
    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(
            base64.b64decode(form.schema.removeprefix(BASE64))
        )
        for each in files.file:
            pool.Add(each)
    except (DecodeError, TypeError, ValueError) as error:
        raise form.wrong(
            f"the schema is none: {error}.",
            form.message,
            "Write it with protoc --include_imports --descriptor_set_out.",
        ) from None
    try:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(form.message))
    except KeyError:
        there = [f"{each.package}.{one.name}".strip(".") for each in files.file for one in each.message_type]
        raise form.wrong(
            f"the schema has no message {form.message}; it has {', '.join(there)}.",
            form.message,
            "Name one of them.",
        ) from None


def _value(message: Any, field: Any) -> Any:
    """A field's value; None where it may be absent and is."""
    if field.has_presence and not message.HasField(field.name):
        return None
    value = getattr(message, field.name)
    if not field.is_repeated:
        return _one(value, field)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        of = field.message_type.fields_by_name["value"]
        return {key: _one(each, of) for key, each in value.items()}
    return [_one(each, field) for each in value]


def _one(value: Any, field: Any) -> Any:
    """A single value, as `json_of` takes it."""
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return value if named is None else named.name
    if field.message_type is None:
        return value
    name = field.message_type.full_name
    if name == _TIMESTAMP:
        return format_instant(value.ToMicroseconds())
    if name in _WRAPPERS:
        return value.value
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(value, preserving_proto_field_name=True)
