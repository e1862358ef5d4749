"""Streams: where new events come from. Addresses only; the adapters that read them live elsewhere."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.base import written_at
from headrace.definitions.address import NO_SECRETS, holds_secret
from headrace.definitions.base import NOT_DATA
from headrace.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["JsonLinesStream", "KafkaStream", "Push", "RedisStream", "Stream"]


@dataclass(frozen=True)
class Stream:
    """The base of all streams."""

    _: KW_ONLY
    written: str = field(default="", compare=False, repr=False, metadata=NOT_DATA)

    form: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Note where it is written."""
        object.__setattr__(self, "written", self.written or written_at())

    def _text(self, name: str) -> None:
        given = getattr(self, name)
        if not isinstance(given, str) or not given.strip():
            raise DefinitionError(
                f"{self.written}: {type(self).__name__}: {name} is a text, not {given!r}.",
                asked=given,
                remedy=f'Give {name}="...".',
            )

    def _address(self, name: str, *, bare: bool = False) -> None:
        self._text(name)
        if holds_secret(getattr(self, name), bare=bare):
            raise DefinitionError(
                f"{self.written}: {type(self).__name__}: {name} holds a password.",
                asked=name,
                remedy=NO_SECRETS,
            )


@dataclass(frozen=True)
class KafkaStream(Stream):
    """A topic of a broker that speaks Kafka's protocol, one JSON object a message.

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
class RedisStream(Stream):
    """A stream in a Redis, Valkey or Redis Cluster, one entry an event.

    Where an entry's only field is `data`, that is a JSON object; else its fields are the columns.

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
            raise DefinitionError(
                f"{self.written}: RedisStream: partitions is a number from 1 on, not {self.partitions!r}.",
                asked=self.partitions,
                remedy="Give partitions=4 where events come under key:0 to key:3; leave it out for one key.",
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
