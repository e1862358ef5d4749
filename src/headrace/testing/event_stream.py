"""What every event stream must do, as tests to inherit.

The test of a new adapter is a class with one fixture, a `Broker` that stands for what the adapter reads::

    class TestMyStream(EventStreamSuite):
        @pytest.fixture
        def broker(self):
            yield MyBroker(...)

A stream of one partition only says so: `partitions = 1`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headrace.ports.event_stream import EventStream, Messages

__all__ = ["Broker", "EventStreamSuite", "taken"]

_PATIENCE = 30.0
"""Seconds that messages which were written are waited for."""
_EVER = -(1 << 62)


class Broker(Protocol):
    """What the adapter reads, and what others write to."""

    def write(self, partition: int, values: Sequence[bytes]) -> None:
        """Append messages to a partition, counted from 0."""
        ...

    def open(self) -> EventStream:
        """A stream over it."""
        ...


def taken(
    stream: EventStream, count: int, limit: int = 1_000, patience: float = _PATIENCE
) -> dict[str, list[Messages]]:
    """Take so many messages; fails where they do not come.

    Args:
        stream: A stream whose partitions are begun.
        count: How many messages.
        limit: How many at a time.
        patience: Seconds.
    """
    found: dict[str, list[Messages]] = {}
    until, have = time.monotonic() + patience, 0
    while have < count:
        assert time.monotonic() < until, f"{have} of {count} messages have come"
        for each in stream.take(min(limit, count - have), 0.2):
            found.setdefault(each.partition, []).append(each)
            have += len(each.values)
            assert len(each.values) == len(each.places) > 0
    assert have == count, "no more than the limit"
    return found


def values_of(found: Sequence[Messages]) -> list[bytes | None]:
    """The messages of some batches."""
    return [value for each in found for value in each.values]


class EventStreamSuite:
    """The port's promises; inherit this, and give it the fixture `broker`, in which nothing was written."""

    partitions: ClassVar[int] = 2
    """How many partitions the broker has."""

    @pytest.fixture
    def stream(self, broker: Broker) -> Iterator[EventStream]:
        """A stream that reads all partitions from their beginning."""
        found = broker.open()
        try:
            for name in found.partitions():
                found.begin(name, None, _EVER)
            yield found
        finally:
            found.close()

    def test_partitions_have_names(self, broker: Broker) -> None:
        """Each another, and the same every time."""
        broker.write(0, [b"{}"])
        first, second = broker.open(), broker.open()
        names = list(first.partitions())
        assert len(names) == len(set(names)) == self.partitions
        assert list(second.partitions()) == names
        first.close()
        second.close()

    def test_messages_come_in_their_order(self, broker: Broker, stream: EventStream) -> None:
        """Of each partition; whatever others have."""
        wanted = [[b'{"n": %d}' % (n * 10 + p) for n in range(50)] for p in range(self.partitions)]
        for part in range(self.partitions):
            broker.write(part, wanted[part][:30])
        for part in range(self.partitions):
            broker.write(part, wanted[part][30:])
        found = taken(stream, 50 * self.partitions)
        assert [values_of(found[name]) for name in stream.partitions()] == wanted

    def test_every_message_has_a_place_of_its_own(self, broker: Broker, stream: EventStream) -> None:
        """By which people find it."""
        for part in range(self.partitions):
            broker.write(part, [b"{}"] * 20)
        found = taken(stream, 20 * self.partitions)
        places = [place for batches in found.values() for each in batches for place in each.places]
        assert len(set(places)) == 20 * self.partitions

    def test_no_more_than_the_limit_is_taken(self, broker: Broker, stream: EventStream) -> None:
        """The rest comes next."""
        broker.write(0, [b"%d" % n for n in range(10)])
        until = time.monotonic() + _PATIENCE
        sizes: list[int] = []
        while sum(sizes) < 10:
            assert time.monotonic() < until
            sizes += [sum(len(each.values) for each in stream.take(3, 0.2))]
        assert max(sizes) <= 3

    def test_nothing_comes_of_nothing(self, broker: Broker, stream: EventStream) -> None:
        """And the wait ends."""
        assert stream.take(10, 0.05) == []
        broker.write(0, [b"{}"])
        assert values_of(*taken(stream, 1).values()) == [b"{}"]
        assert stream.take(10, 0.05) == []

    def test_a_reader_goes_on_after_any_position(self, broker: Broker, stream: EventStream) -> None:
        """Another one, too, and sees the very same messages."""
        wanted = [b'{"n": %d}' % n for n in range(12)]
        broker.write(0, wanted)
        (batches,) = taken(stream, 12, limit=5).values()
        name, seen = batches[0].partition, 0
        for batch in batches:
            seen += len(batch.values)
            other = broker.open()
            other.begin(name, batch.after, _EVER)
            rest = taken(other, 12 - seen).get(name, [])
            assert values_of(rest) == wanted[seen:]
            places = [place for each in batches for place in each.places]
            assert [place for each in rest for place in each.places] == places[seen:]
            assert other.take(5, 0.05) == []
            other.close()

    def test_a_partition_may_be_begun_again_elsewhere(self, broker: Broker, stream: EventStream) -> None:
        """As after a failure: what was not kept is taken again."""
        broker.write(0, [b"a", b"b"])
        (first,) = taken(stream, 2).values()
        name, after = first[0].partition, first[-1].after
        stream.end(name)
        broker.write(0, [b"c"])
        assert stream.take(10, 0.1) == []
        stream.begin(name, after, _EVER)
        assert values_of(*taken(stream, 1).values()) == [b"c"]
        stream.end(name)
        stream.begin(name, None, _EVER)
        assert values_of(*taken(stream, 3).values()) == [b"a", b"b", b"c"]

    def test_a_partition_that_is_not_read_may_be_ended(self, stream: EventStream) -> None:
        """Twice as well."""
        for name in [*stream.partitions(), *stream.partitions()]:
            stream.end(name)
        assert stream.take(10, 0.05) == []

    def test_messages_are_bytes(self, broker: Broker, stream: EventStream) -> None:
        """Of any length and alphabet."""
        wanted = [
            '{"name": "\u017b\u00f3\u0142w \U0001f422"}'.encode(),
            b"{" + b" " * 700_000 + b"}",
            b"\xff\xfe",
            b"x",
        ]
        broker.write(0, wanted)
        assert values_of(*taken(stream, len(wanted)).values()) == wanted

    def test_how_far_behind_a_reader_is_can_be_asked(self, broker: Broker, stream: EventStream) -> None:
        """Nobody promises to know; who knows counts down to nothing."""
        broker.write(0, [b"{}"] * 10)
        (batches,) = taken(stream, 10).values()
        name = batches[0].partition
        stream.done(name, batches[-1].after)
        assert stream.behind(name) in {0, None}

    def test_telling_the_broker_decides_nothing(self, broker: Broker, stream: EventStream) -> None:
        """Only positions do."""
        broker.write(0, [b"a", b"b"])
        (batches,) = taken(stream, 2).values()
        stream.done(batches[0].partition, batches[-1].after)
        other = broker.open()
        other.begin(batches[0].partition, None, _EVER)
        assert values_of(*taken(other, 2).values()) == [b"a", b"b"]
        other.close()

    def test_closing_twice_is_no_error(self, broker: Broker) -> None:
        """Whether anything was read or not."""
        broker.write(0, [b"{}"])
        stream = broker.open()
        stream.close()
        stream.close()
