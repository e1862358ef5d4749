"""A topic of a broker that speaks Kafka's protocol.

Positions are offsets, and ours alone decide where reading begins: what is committed to the consumer group
only shows people how far it is. The group is never joined, so no broker takes a partition away; who reads
which is settled elsewhere.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from headrace.errors import StoreError, UnreachableError
from headrace.ports.event_stream import Messages, Places
from headrace.streams.kafka_errors import END, NO_ANSWER, NOT_ALLOWED, OUT_OF_RANGE, asking, explain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import Message

__all__ = ["KafkaTopic"]

_LOG = logging.getLogger("headrace.kafka")
_PATIENCE = 3.0
"""Seconds an answer is waited for."""
_LOOK = 1.0
"""Seconds a broker that seems to be away has to prove that it is not."""
_SILENCE = 2.0
"""Seconds between two looks whether a broker that sends nothing is there: the driver does not say of all it
waits for."""
_FAREWELL = 2.0
"""Seconds that closing waits for the broker to know what was done."""
_MOST = 1_000_000
"""The driver takes no more at a time."""

_OURS: dict[str, Any] = {
    "allow.auto.create.topics": False,
    "auto.offset.reset": "error",  # what is gone is told
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,  # it says how far the end is, markers of transactions included
    "isolation.level": "read_committed",
}
"""What the port's promises rest on; nobody changes it."""
_DEFAULTS: dict[str, Any] = {
    "client.id": "headrace",
    "fetch.error.backoff.ms": 100,
    "fetch.queue.backoff.ms": 10,
    "fetch.wait.max.ms": 100,
    "heartbeat.interval.ms": 1_000,
    "log_level": 2,  # it would say every failed connection; we raise
    "queued.max.messages.kbytes": 32_768,
    "reconnect.backoff.max.ms": 1_000,
    "session.timeout.ms": 2_000,  # how long a commit that cannot be sent keeps us from closing
    "socket.keepalive.enable": True,
    "socket.timeout.ms": 10_000,
    "topic.metadata.propagation.max.ms": 1_000,  # how long a topic that is not there may still be on its way
}


@dataclass(slots=True)
class _Reading:
    """Where a partition is read.

    Attributes:
        next: The offset to come; None where it is read from the first there is, whichever that is.
        since: Messages that came before are passed over, milliseconds; None once one was not.
        lost: The offset that was not there any more, until the next message tells how much is gone.
        refused: What the broker said instead of messages, until it sends some; it says so only once.
    """

    next: int | None
    since: int | None = None
    lost: int | None = None
    refused: KafkaError | None = None

    def wants(self, offset: int, came: int) -> bool:
        """Whether a message is one of those to come; then those after it are."""
        if self.next is not None and offset < self.next:
            return False  # it was fetched before the partition was begun anew
        self.next, self.refused = offset + 1, None
        if self.since is not None and came < self.since:
            return False
        self.since = None
        return True

    def gap(self, partition: int, offset: int) -> str:
        """What should have come before an offset, in words; said once."""
        lost, self.lost = self.lost, None
        if lost is None:
            return ""
        if lost < offset:
            return f"offsets {lost} to {offset - 1} of partition {partition} are gone"
        return (
            f"partition {partition} ends before offset {lost}: the topic was made anew or cut, "
            f"and is read from offset {offset}"
        )


class KafkaTopic:
    """A stream over a topic; see `EventStream`.

    Partitions are called by their numbers, positions are the offsets to come.
    A topic that was made anew and has outgrown a position since cannot be told from the old one.
    """

    def __init__(
        self, topic: str, brokers: str, group: str, settings: Mapping[str, str] | None = None
    ) -> None:
        """Of a topic; no broker is asked yet.

        Args:
            topic: Its name.
            brokers: `host:port`, several with commas.
            group: The consumer group that people see our offsets under.
            settings: Further settings of librdkafka, as it names them: security above all.

        Raises:
            StoreError: A setting is unknown or wrong, or not to be changed.
        """
        fixed = {**_OURS, "bootstrap.servers": brokers, "group.id": group}
        refused = sorted(fixed.keys() & (settings or {}).keys())
        if refused:
            raise StoreError(
                f"Kafka's setting {refused[0]} is not to be changed.",
                asked=refused[0],
                remedy="Unset it; brokers stand in the source's KafkaStream.",
            )
        self._topic, self._brokers = topic, brokers
        self._reading: dict[int, _Reading] = {}
        self._trouble: KafkaError | None = None
        self._look_at = time.monotonic() + _SILENCE
        self._done: dict[int, int] = {}
        self._committing = False
        told = {"error_cb": self._hear, "on_commit": self._committed, "logger": _LOG}
        try:
            self._consumer: Consumer | None = Consumer({**_DEFAULTS, **(settings or {}), **fixed, **told})
        except KafkaException as error:
            raise StoreError(
                f"Kafka's client refuses its settings: {error.args[0].str()}.",
                asked=topic,
                remedy="Correct the variables HEADRACE_KAFKA__..., and brokers of the source's KafkaStream.",
            ) from None

    def partitions(self) -> Sequence[str]:
        """See `EventStream`."""
        return [str(number) for number in range(len(self._look(_PATIENCE)))]

    def begin(self, partition: str, after: str | None, since: int) -> None:
        """See `EventStream`; messages came when their producer, or the broker, says they did."""
        self.end(partition)
        number = int(partition)
        reading = self._found(number, since // 1_000) if after is None else _Reading(int(after))
        self._assign(number, reading)

    def end(self, partition: str) -> None:
        """See `EventStream`."""
        number = int(partition)
        if self._reading.pop(number, None) is not None:
            self._open().incremental_unassign([TopicPartition(self._topic, number)])

    def take(self, limit: int, wait: float) -> list[Messages]:
        """See `EventStream`."""
        until = time.monotonic() + wait
        while True:
            fetched = self._fetch(min(limit, _MOST), max(0.0, until - time.monotonic()))
            found = self._batches(fetched)
            self._commit()
            if found:
                return found
            self._complain()
            if time.monotonic() >= until:
                return []

    def done(self, partition: str, after: str) -> None:
        """See `EventStream`; commits to the group, one commit at a time."""
        self._done[int(partition)] = int(after)
        self._commit()

    def behind(self, partition: str) -> int | None:
        """See `EventStream`; as the broker said with the last messages it sent."""
        reading = self._reading.get(int(partition))
        if reading is None or reading.next is None:
            return None
        found = self._open().get_watermark_offsets(TopicPartition(self._topic, int(partition)), cached=True)
        return max(0, found[1] - reading.next) if found and found[1] >= 0 else None

    def close(self) -> None:
        """See `EventStream`."""
        consumer = self._consumer
        if consumer is None:
            return
        for number in list(self._reading):
            self.end(str(number))
        until = time.monotonic() + _FAREWELL
        self._commit()
        while (self._committing or self._done) and time.monotonic() < until:
            consumer.poll(0.05)
            self._commit()
        self._consumer = None
        consumer.close()

    def _open(self) -> Consumer:
        if self._consumer is None:
            raise StoreError("The stream is closed.", asked=self._topic)
        return self._consumer

    def _look(self, patience: float) -> Mapping[int, object]:
        """The topic's partitions, by their numbers, as a broker tells now."""
        with asking(self._topic, self._brokers):
            found = self._open().list_topics(self._topic, timeout=patience).topics[self._topic]
        if found.error is not None:
            raise explain(found.error, self._topic, self._brokers)
        partitions: Mapping[int, object] = found.partitions
        return partitions

    def _found(self, number: int, since: int) -> _Reading:
        """Where the first message is that came at an instant, milliseconds, or later."""
        if since <= 0:
            return _Reading(None)
        with asking(self._topic, self._brokers):
            # The end is asked first: what comes in between is not passed over.
            end = self._open().get_watermark_offsets(TopicPartition(self._topic, number), timeout=_PATIENCE)
            wanted = TopicPartition(self._topic, number, since)
            (found,) = self._open().offsets_for_times([wanted], timeout=_PATIENCE)
            if found.error is not None or end is None:
                raise KafkaException(found.error or KafkaError(NO_ANSWER))
        # What is written from now on came late enough, whatever instant its producer gives it.
        return _Reading(found.offset, since) if found.offset >= 0 else _Reading(end[1])

    def _assign(self, number: int, reading: _Reading) -> None:
        offset = OFFSET_BEGINNING if reading.next is None else reading.next
        with asking(self._topic, self._brokers):
            self._open().incremental_assign([TopicPartition(self._topic, number, offset)])
        self._reading[number] = reading

    def _fetch(self, limit: int, wait: float) -> list[Message]:
        """What has come; the wait is for the first, not until the limit is reached."""
        consumer = self._open()
        with asking(self._topic, self._brokers):
            first = consumer.poll(wait)
            if first is None:
                return []
            return [first, *consumer.consume(limit - 1, 0)] if limit > 1 else [first]

    def _batches(self, fetched: Sequence[Message]) -> list[Messages]:
        """Messages by partition; those of partitions that are not read any more are left out."""
        found: dict[int, tuple[str, list[Message]]] = {}
        for message in fetched:
            number, offset, error = message.partition(), message.offset(), message.error()
            reading = None if number is None else self._reading.get(number)
            if reading is None or number is None or offset is None:
                if error is not None:
                    self._hear(error)
            elif error is not None:
                self._heed(error, number, offset, reading)
            elif reading.wants(offset, message.timestamp()[1]):
                if number not in found:
                    found[number] = reading.gap(number, offset), []
                found[number][1].append(message)
        return [self._messages(number, messages, gap) for number, (gap, messages) in found.items()]

    def _messages(self, number: int, messages: Sequence[Message], gap: str) -> Messages:
        offsets = [message.offset() or 0 for message in messages]
        return Messages(
            str(number),
            [message.value() for message in messages],
            Places(f"{self._topic}/{number}@", offsets),
            str(offsets[-1] + 1),
            gap,
        )

    def _heed(self, error: KafkaError, number: int, offset: int, reading: _Reading) -> None:
        """What is said of a partition that is read, between its messages."""
        if error.code() == END:
            reading.next, reading.refused = max(offset, reading.next or 0), None
        elif error.code() in OUT_OF_RANGE:
            # The first message there is will tell how much is gone.
            lost = reading.lost if reading.next is None else reading.next
            self._open().incremental_unassign([TopicPartition(self._topic, number)])
            self._assign(number, _Reading(None, reading.since, lost))
        elif isinstance(explain(error, self._topic, self._brokers), UnreachableError):
            self._hear(error)
        else:
            reading.refused = error

    def _hear(self, error: KafkaError) -> None:
        """Keep what stands in the way until nothing could be taken; a refusal says more than a lost line."""
        if error.code() != END and (self._trouble is None or self._trouble.code() not in NOT_ALLOWED):
            self._trouble = error

    def _complain(self) -> None:
        """Raise what stands in the way, if it still does."""
        for reading in self._reading.values():
            if reading.refused is not None:
                raise explain(reading.refused, self._topic, self._brokers)
        if self._trouble is None and time.monotonic() < self._look_at:
            return
        try:
            self._look(_LOOK)
        except StoreError as still:
            self._look_at = 0.0  # until it is over
            if isinstance(still, UnreachableError) and self._trouble is not None:
                raise explain(self._trouble, self._topic, self._brokers) from None  # it says why
            raise
        self._trouble, self._look_at = None, time.monotonic() + _SILENCE

    def _commit(self) -> None:
        """Commit what is done, unless a commit is on its way."""
        if self._consumer is None or self._committing or not self._done:
            return
        offsets = [TopicPartition(self._topic, number, offset) for number, offset in self._done.items()]
        self._done = {}
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
            self._committing = True
        except KafkaException as error:
            _LOG.debug("offsets of %s were not committed: %s", self._topic, error)

    def _committed(self, error: KafkaError | None, offsets: Sequence[TopicPartition]) -> None:
        """A commit was answered."""
        del offsets
        self._committing = False
        if error is not None:
            _LOG.debug("offsets of %s were not committed: %s", self._topic, error)
