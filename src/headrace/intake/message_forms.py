"""Messages that are no JSON are made JSON, one by one; those that cannot be go to quarantine alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.definitions.message_form import Avro, Protobuf
from headrace.intake.avro import avro_reader
from headrace.intake.protobuf import protobuf_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from headrace.definitions.message_form import MessageForm
    from headrace.definitions.source import Source

__all__ = ["check_messages", "reader_of"]


def reader_of(form: MessageForm, columns: Collection[str]) -> tuple[Callable[[bytes], bytes], set[str]]:
    """What makes JSON of a message, and the columns that messages have.

    Args:
        form: The form of the messages.
        columns: What is wanted of them.

    Raises:
        StoreError: The form's driver is not installed.
        DefinitionError: The schema is none.
    """
    if isinstance(form, Avro):
        return avro_reader(form, columns)
    assert isinstance(form, Protobuf)  # noqa: S101 - there is no third
    return protobuf_reader(form, columns)


def check_messages(source: Source) -> None:
    """See whether messages of a source can become rows of it.

    Raises:
        StoreError: The form's driver is not installed.
        DefinitionError: The schema is none, or has no event times.
    """
    if source.message_form is None or source.schema is None:
        return
    _, found = reader_of(source.message_form, source.schema)
    if source.timestamp not in found:
        raise source.error(
            f"messages of its stream have no {source.timestamp!r}, its timestamp.",
            asked=source.timestamp,
            available=sorted(found),
            remedy="Name the fields of messages as the source names its columns.",
        )
