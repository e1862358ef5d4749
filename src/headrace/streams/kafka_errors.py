# ruff: noqa: SLF001 - the driver calls its own errors so
"""What Kafka brokers and their driver say, in words that name the cause and the way out."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException

from headrace.errors import StoreError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["END", "NOT_ALLOWED", "NO_ANSWER", "OUT_OF_RANGE", "asking", "explain"]

END = KafkaError._PARTITION_EOF
"""No error: the end of a partition was reached."""
NO_ANSWER = KafkaError._TIMED_OUT
OUT_OF_RANGE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}
"""The offset that was asked for is not on the broker."""
NOT_ALLOWED = {
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
_NOT_THERE = {
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.TOPIC_EXCEPTION,
}
_AWAY = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._RESOLVE,
    KafkaError._SSL,
    KafkaError._TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._WAIT_COORD,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.REQUEST_TIMED_OUT,
}


def explain(error: KafkaError, topic: str, brokers: str) -> StoreError:
    """A StoreError that says what happened.

    Args:
        error: What the driver told.
        topic: The topic that is read.
        brokers: Where it was looked for.
    """
    code, text = error.code(), error.str().strip().rstrip(".")
    if code in _NOT_THERE:
        return StoreError(
            f"Kafka at {brokers} has no topic {topic!r}, or not that partition of it.",
            asked=topic,
            remedy="Make the topic, or correct topic and brokers of the source's KafkaStream.",
        )
    if code in NOT_ALLOWED:
        return StoreError(
            f"Kafka at {brokers} does not let us read topic {topic!r}: {text}.",
            asked=topic,
            remedy="Correct HEADRACE_KAFKA__SASL_USERNAME and ..._PASSWORD, or allow that user the topic.",
        )
    if code in _AWAY or error.retriable():
        return UnreachableError(
            f"Kafka at {brokers} does not answer: {text}.",
            asked=brokers,
            remedy="Start it, or correct brokers of the source's KafkaStream; reading goes on by itself.",
        )
    return StoreError(
        f"Kafka at {brokers} cannot be read: {text}.", asked=topic, remedy="See the log of the broker."
    )


@contextmanager
def asking(topic: str, brokers: str) -> Iterator[None]:
    """What the driver raises is raised in our words."""
    try:
        yield
    except KafkaException as error:
        raise explain(error.args[0], topic, brokers) from error
