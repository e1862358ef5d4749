"""What brings events to a project: a file, a topic or a Redis stream, each written to in its own way."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Protocol

import redis as driver
from redis.maint_notifications import MaintNotificationsConfig

import headrace as hr

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.services.kafka import Topic

Message = dict[str, Any] | bytes
"""An event, or what a broker holds instead of one."""


class Broker(Protocol):
    """What a source's stream names, and who writes to it."""

    stream: hr.Stream
    partitions: int

    def write(self, partition: int, messages: Sequence[Message]) -> None:
        """Append messages to a partition."""
        ...


def json_of(message: Message) -> bytes:
    """A message as JSON, if it is none yet."""
    return message if isinstance(message, bytes) else json.dumps(message).encode()


class Lines:
    """A file that grows."""

    partitions = 1

    def __init__(self, home: Path) -> None:
        self.file = home / "live" / "ads.jsonl"
        self.stream = hr.JsonLinesStream("live/ads.jsonl")

    def write(self, partition: int, messages: Sequence[Message]) -> None:
        assert partition == 0
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("ab") as file:
            file.writelines(json_of(each) + b"\n" for each in messages)


class Kafka:
    """A topic."""

    def __init__(self, topic: Topic, partitions: int = 2) -> None:
        self.topic, self.partitions = topic, partitions
        self.stream = hr.KafkaStream(topic.name, brokers=topic.brokers)

    def write(self, partition: int, messages: Sequence[Message]) -> None:
        self.topic.write(partition, [json_of(each) for each in messages])


class Redis:
    """Redis streams; events are written as flat fields or as JSON."""

    def __init__(self, url: str, *, flat: bool = False, partitions: int = 2) -> None:
        self.flat, self.partitions = flat, partitions
        self.stream = hr.RedisStream("ads", url=url, partitions=self.partitions)
        of = driver.RedisCluster if "+cluster" in url else driver.Redis
        quiet = MaintNotificationsConfig(enabled=False)  # its handlers would leave a connection open
        self.client: Any = of.from_url(url.replace("+cluster", ""), maint_notifications_config=quiet)

    def write(self, partition: int, messages: Sequence[Message]) -> None:
        for each in messages:
            flat = self.flat and isinstance(each, dict)
            self.client.xadd(f"ads:{partition}", self._fields(each) if flat else {"data": json_of(each)})

    @staticmethod
    def _fields(event: Message) -> dict[str, str]:
        assert isinstance(event, dict)
        return {name: str(value) for name, value in event.items() if value is not None}


@contextlib.contextmanager
def redis_at(url: str, *, flat: bool = False, partitions: int = 2) -> Iterator[Redis]:
    """Streams in a Redis, while the block runs."""
    found = Redis(url, flat=flat, partitions=partitions)
    yield found
    found.client.close()
