"""A broker of Kafka's protocol with one topic, on this machine, that ends with the process."""

from __future__ import annotations

import atexit
import contextlib
from typing import TYPE_CHECKING, Final

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.services.kafka import tansu

if TYPE_CHECKING:
    from collections.abc import Iterable

TOPIC: Final = "ads"
_PATIENCE: Final = 60.0
_SETTINGS: Final = {"retention.ms": "604800000", "retention.bytes": "-1"}
"""What some clients want to be told of a topic."""
_QUIET: Final = {"log_level": 0}


def topic_of(keyed: Iterable[tuple[str, bytes]]) -> tuple[str, str]:
    """The broker's `host:port` and the name of a topic of one partition that holds these messages."""
    running = contextlib.ExitStack()
    atexit.register(running.close)
    brokers = running.enter_context(tansu())
    admin = AdminClient({"bootstrap.servers": brokers, **_QUIET})
    admin.create_topics([NewTopic(TOPIC, 1, 1, config=_SETTINGS)])[TOPIC].result(_PATIENCE)
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 50, **_QUIET})
    for key, value in keyed:
        while True:
            try:
                producer.produce(TOPIC, value, key=key)
            except BufferError:
                producer.poll(0.1)
            else:
                break
    if left := producer.flush(_PATIENCE):
        raise AssertionError(f"{left} messages were not written")
    return brokers, TOPIC
