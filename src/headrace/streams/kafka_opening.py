"""How a topic is opened: with settings from the environment, and only where the driver is installed.

What Kafka's client needs beside the address, passwords above all, stands in the environment and never in a
definition: `HEADRACE_KAFKA__SASL_USERNAME` sets what the client library (librdkafka) calls `sasl.username`,
and so any other of its settings: small letters, a point for each underscore. They hold for all topics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.extras import needing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.ports.event_stream import EventStream

__all__ = ["PREFIX", "open_topic", "settings_of"]

PREFIX = "HEADRACE_KAFKA__"


def settings_of(environ: Mapping[str, str]) -> dict[str, str]:
    """The client's settings that environment variables give, by the names it has for them.

    >>> settings_of({"HEADRACE_KAFKA__SECURITY_PROTOCOL": "SASL_SSL", "HOME": "/"})
    {'security.protocol': 'SASL_SSL'}
    """
    return {
        name.removeprefix(PREFIX).lower().replace("_", "."): value
        for name, value in environ.items()
        if name.startswith(PREFIX)
    }


def open_topic(topic: str, brokers: str, group: str, environ: Mapping[str, str]) -> EventStream:
    """A stream over a topic; no broker is asked yet.

    Args:
        topic: The topic.
        brokers: `host:port`, several with commas.
        group: The consumer group that people see our offsets under.
        environ: Environment variables.

    Raises:
        StoreError: The driver is not installed, or does not take a setting.
    """
    with needing("confluent_kafka", "kafka", "The driver of Kafka"):
        from headrace.streams.kafka import KafkaTopic
    return KafkaTopic(topic, brokers, group, settings_of(environ))
