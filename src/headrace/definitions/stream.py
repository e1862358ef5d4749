"""Streams: where new events come from. Addresses only; the adapters that read them live elsewhere."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.definitions.address import NO_SECRETS, holds_secret
from headrace.definitions.message_form import MessageForm
from headrace.definitions.written import Written

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["JsonLinesStream", "KafkaStream", "Push", "RedisStream", "Stream"]


@dataclass(frozen=True)
class Stream(Written):
    """The base of all streams."""

    form: ClassVar[str] = ""

    @property
    def message_form(self) -> MessageForm | None:
        """What its messages are, where they are no JSON."""
        return None

    def _address(self, name: str, *, bare: bool = False) -> None:
        self._text(name)
        if holds_secret(getattr(self, name), bare=bare):
            raise self.wrong(f"{name} holds a password.", name, NO_SECRETS)


@dataclass(frozen=True)
class MessageStream(Stream):
    """A stream whose messages may be of several forms.

    Attributes:
        messages: What a message is: `hr.Avro(..)` or `hr.Protobuf(..)`; None for a JSON object.
    """

    _: KW_ONLY
    messages: MessageForm | None = None

    @property
    def message_form(self) -> MessageForm | None:
        """What its messages are, where they are no JSON."""
        return self.messages

    def __post_init__(self) -> None:
        """Check the form."""
        super().__post_init__()
        if self.messages is not None and not isinstance(self.messages, MessageForm):
            raise self.wrong(
                f"messages is hr.Avro(..) or hr.Protobuf(..), not {self.messages!r}.",
                self.messages,
                "Leave it out for JSON.",
            )


@dataclass(frozen=True)
class KafkaStream(MessageStream):
    """A topic of a broker that speaks Kafka's protocol, one event a message.

    Attributes:
        topic: The topic.
        brokers: `host:port`, several with commas.
    """

    topic: str
    _: KW_ONLY
    brokers: str = "localhost:9092"
    form: ClassVar[str] = "kafka"

    def __post_init__(self) -> None:
        """Check the address."""
        super().__post_init__()
        self._text("topic")
        self._address("brokers", bare=True)


@dataclass(frozen=True)
class RedisStream(MessageStream):
    """A stream in a Redis, Valkey or Redis Cluster, one entry an event.

    Where an entry's only field is `data`, that is the message; else its fields are the columns.

    Attributes:
        key: The stream's key; of several partitions, what their keys `key:0`, `key:1` and so on begin with.
        url: Where Redis is: `redis://` or `rediss://` (TLS), `redis+cluster://` or `rediss+cluster://`.
        partitions: How many streams there are, by their keys.
    """

    key: str
    _: KW_ONLY
    url: str = "redis://localhost:6379"
    partitions: int = 1
    form: ClassVar[str] = "redis"

    def __post_init__(self) -> None:
        """Check the address."""
        super().__post_init__()
        self._text("key")
        self._address("url")
        if type(self.partitions) is not int or self.partitions < 1:
            raise self.wrong(
                f"partitions is a number from 1 on, not {self.partitions!r}.",
                self.partitions,
                "Give partitions=4 where events come under key:0 to key:3; leave it out for one key.",
            )


@dataclass(frozen=True)
class JsonLinesStream(Stream):
    """A file that grows by one JSON object a line.

    Attributes:
        path: The file, relative to the project.
    """

    path: str
    form: ClassVar[str] = "json_lines"

    if TYPE_CHECKING:

        def __init__(self, path: str | os.PathLike[str], *, written: str = "") -> None: ...

    def __post_init__(self) -> None:
        """Check the path."""
        super().__post_init__()
        if isinstance(self.path, os.PathLike):
            object.__setattr__(self, "path", os.fspath(self.path))
        self._address("path")


@dataclass(frozen=True)
class Push(Stream):
    """Events that the application pushes, `store.push(source, rows)`, kept in a log of their own."""

    form: ClassVar[str] = "push"


STREAMS: Mapping[str, type[Stream]] = {
    each.form: each for each in (KafkaStream, RedisStream, JsonLinesStream, Push)
}
