from __future__ import annotations

import contextlib
import itertools
import sys
import time
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from headrace.errors import StoreError, UnreachableError
from headrace.streams.kafka import KafkaTopic
from headrace.streams.kafka_opening import open_topic
from headrace.testing.event_stream import EventStreamSuite, taken, values_of
from tests.services.kafka import PATIENCE, Topic, make_topic, tansu
from tests.services.server import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVER = -(1 << 62)
DAY = 1_700_000_000_000


class Kafka:
    """A topic of two partitions, written to and read."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.write = topic.write

    def open(self) -> KafkaTopic:
        return KafkaTopic(self.topic.name, self.topic.brokers, f"of-{self.topic.name}")


@pytest.fixture
def mock(mock_topic: Topic) -> Kafka:
    return Kafka(mock_topic)


@pytest.fixture
def real(tansu_topic: Topic) -> Kafka:
    return Kafka(tansu_topic)


@pytest.fixture
def opened() -> Iterator[Callable[[Kafka], KafkaTopic]]:
    streams: list[KafkaTopic] = []

    def open_one(broker: Kafka) -> KafkaTopic:
        streams.append(broker.open())
        return streams[-1]

    yield open_one
    for each in streams:
        each.close()


def read(stream: KafkaTopic, count: int) -> list[bytes | None]:
    (found,) = taken(stream, count).values()
    return values_of(found)


def until(holds: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up


def goes_on(stream: KafkaTopic) -> list[bytes | None]:
    """What comes when it does again; it may still be refused at first."""
    found: list[bytes | None] = []

    def comes() -> bool:
        with contextlib.suppress(StoreError):
            found.extend(values_of(stream.take(10, 0.2)))
        return bool(found)

    until(comes)
    return found


class TestOnTansu(EventStreamSuite):
    @pytest.fixture
    def broker(self, real: Kafka) -> Kafka:
        return real


class TestOnLibrdkafkasCluster(EventStreamSuite):
    @pytest.fixture
    def broker(self, mock: Kafka) -> Kafka:
        return mock


@pytest.fixture(params=["mock", "real"])
def broker(request: pytest.FixtureRequest) -> Kafka:
    return request.getfixturevalue(request.param)


def test_a_message_without_content_is_none_and_every_message_has_its_offset(broker, opened):
    broker.write(1, [b"a", None, b""])
    stream = opened(broker)
    stream.begin("1", None, EVER)
    batches = taken(stream, 3)["1"]
    assert values_of(batches) == [b"a", None, b""]
    name = broker.topic.name
    assert [place for each in batches for place in each.places] == [f"{name}/1@{n}" for n in range(3)]
    assert batches[-1].after == "3"
    assert all(each.gap == "" for each in batches)


def test_what_the_broker_does_not_keep_any_more_is_a_gap_that_is_told_once(mock, opened):
    for _ in range(7):
        mock.write(0, [b"x" * 1_000_000])
    stream = opened(mock)
    stream.begin("0", "1", EVER)
    (first,) = stream.take(1, PATIENCE)
    offset = int(first.places[0].partition("@")[2])
    assert offset > 1
    assert first.gap == f"offsets 1 to {offset - 1} of partition 0 are gone"
    rest = taken(stream, 7 - offset - 1)["0"]
    assert {each.gap for each in rest} == {""}
    assert rest[-1].after == "7"


def test_a_reader_that_is_overtaken_by_what_the_broker_forgets_is_told_where(mock):
    narrow = {"queued.max.messages.kbytes": "1"}  # next to nothing is fetched ahead
    stream = KafkaTopic(mock.topic.name, mock.topic.brokers, "g", narrow)
    mock.write(0, [b"x" * 100_000] * 2)
    stream.begin("0", None, EVER)
    batches = taken(stream, 1, limit=1)["0"]
    for _ in range(12):
        mock.write(0, [b"x" * 1_000_000])
    until(lambda: batches.extend(stream.take(10, 0.2)) or batches[-1].after == "14")
    stream.close()
    for before, batch in itertools.pairwise(batches):
        first, awaited = int(batch.places[0].partition("@")[2]), int(before.after)
        gone = f"offsets {awaited} to {first - 1} of partition 0 are gone"
        assert batch.gap == ("" if first == awaited else gone)
    assert any(batch.gap for batch in batches)


def test_a_position_beyond_the_end_is_one_of_a_topic_that_is_no_more(mock, opened):
    mock.write(0, [b"a", b"b"])
    stream = opened(mock)
    stream.begin("0", "100", EVER)
    (first, *rest) = taken(stream, 2)["0"]
    assert values_of([first, *rest]) == [b"a", b"b"]
    assert first.gap.startswith("partition 0 ends before offset 100: the topic was made anew")
    assert [first, *rest][-1].after == "2"


def test_a_partition_that_is_empty_goes_on_when_something_comes(mock, opened):
    stream = opened(mock)
    stream.begin("0", "100", EVER)
    assert stream.take(10, 0.3) == []
    mock.write(0, [b"a"])
    (found,) = taken(stream, 1)["0"]
    assert "100" in found.gap


def test_a_broker_that_goes_away_is_told_and_read_on_when_it_is_back(mock, mock_cluster, opened):
    mock.write(0, [b"a"])
    stream = opened(mock)
    stream.begin("0", None, EVER)
    assert read(stream, 1) == [b"a"]
    mock_cluster.goes_away()
    with pytest.raises(UnreachableError, match="does not answer"):
        until(lambda: stream.take(10, 0.1))
    with pytest.raises(UnreachableError):  # as long as it is
        stream.take(10, 0)
    with pytest.raises(UnreachableError):
        opened(mock).partitions()
    mock_cluster.comes_back()
    mock.write(0, [b"b"])
    assert goes_on(stream) == [b"b"]
    assert stream.take(10, 0.05) == []


def test_a_broker_that_was_killed_and_lost_everything_is_read_again(opened):
    with tansu() as place:
        make_topic(place, "ads")
        broker = Kafka(Topic(place, "ads"))
        broker.write(0, [b"a"])
        stream = opened(broker)
        stream.begin("0", None, EVER)
        assert read(stream, 1) == [b"a"]
    with pytest.raises(UnreachableError):
        until(lambda: stream.take(10, 0.1))
    started = time.monotonic()
    stream.done("0", "1")
    stream.close()  # it does not wait for a broker that is away
    assert time.monotonic() - started < 10
    with tansu(int(place.rpartition(":")[2])):
        make_topic(place, "ads")
        broker.write(0, [b"b"])
        again = opened(broker)
        again.begin("0", None, EVER)
        assert read(again, 1) == [b"b"]


def test_a_topic_that_is_not_there_is_no_matter_of_waiting(broker, opened):
    stream = opened(Kafka(Topic(broker.topic.brokers, "nobody-made-it")))
    with pytest.raises(StoreError, match=r"no topic 'nobody-made-it'.*Make the topic") as told:
        stream.partitions()
    assert type(told.value) is StoreError
    stream.begin("0", "0", EVER)
    with pytest.raises(StoreError, match="no topic 'nobody-made-it'"):
        until(lambda: stream.take(10, 0.1))
    with pytest.raises(StoreError, match="no topic 'nobody-made-it'"):  # as long as it is not
        stream.take(10, 0)


def test_a_topic_that_is_made_later_is_read_then(mock_cluster, opened):
    late = f"late-{uuid4().hex}"
    broker = Kafka(Topic(mock_cluster.brokers, late))
    stream = opened(broker)
    stream.begin("0", None, EVER)
    with pytest.raises(StoreError, match="no topic"):
        until(lambda: stream.take(10, 0.1))
    mock_cluster.make_topic(late)
    broker.write(0, [b"a"])
    assert goes_on(stream) == [b"a"]


def test_a_topic_one_may_not_read_is_no_matter_of_waiting(mock, mock_cluster, opened):
    stream = opened(mock)
    mock_cluster.refuses_topic(mock.topic.name, 29)  # TOPIC_AUTHORIZATION_FAILED
    with pytest.raises(StoreError, match="does not let us read topic") as told:
        stream.partitions()
    assert type(told.value) is StoreError
    stream.begin("0", "0", EVER)
    for _ in range(2):
        with pytest.raises(StoreError, match="does not let us read topic"):
            until(lambda: stream.take(10, 0.1))


def test_messages_that_came_before_are_not_wanted(real, opened):
    for day in range(5):
        real.write(0, [b"%d" % day], at=DAY + day * 1_000)
    stream = opened(real)
    stream.begin("0", None, (DAY + 2_000) * 1_000)
    assert read(stream, 3) == [b"2", b"3", b"4"]


def test_where_nothing_newer_is_reading_begins_at_the_end(mock, opened):
    mock.write(0, [b"old"], at=DAY)
    stream = opened(mock)
    stream.begin("0", None, (DAY + 1) * 1_000)
    mock.write(0, [b"new"], at=DAY + 1)
    assert read(stream, 1) == [b"new"]


def test_what_comes_after_the_end_was_found_is_wanted_whatever_its_producer_says(mock, opened):
    mock.write(0, [b"old"], at=DAY)
    stream = opened(mock)
    stream.begin("0", None, (DAY + 1) * 1_000)
    mock.write(0, [b"of an old event"], at=DAY - 5)
    assert read(stream, 1) == [b"of an old event"]


def test_people_see_in_the_group_what_is_done(broker, opened):
    from confluent_kafka import Consumer, TopicPartition

    broker.write(0, [b"a", b"b"])
    stream = opened(broker)
    stream.begin("0", None, EVER)
    taken(stream, 2)
    stream.done("0", "1")
    stream.done("0", "2")
    stream.close()
    name = broker.topic.name
    other = Consumer({"bootstrap.servers": broker.topic.brokers, "group.id": f"of-{name}", "log_level": 0})
    (found,) = other.committed([TopicPartition(name, 0)], timeout=PATIENCE)
    other.close()
    assert found.offset == 2


def test_nothing_comes_of_an_ended_partition_though_it_was_fetched(broker, opened):
    for part in range(2):
        broker.write(part, [b"%d" % n for n in range(1_000)])
    stream = opened(broker)
    stream.begin("0", None, EVER)
    first = taken(stream, 1)["0"]  # the rest came with it
    stream.end("0")
    stream.begin("1", None, EVER)
    found = taken(stream, 1_000)
    assert list(found) == ["1"]
    stream.begin("0", first[0].after, EVER)
    assert values_of(taken(stream, 999)["0"]) == [b"%d" % n for n in range(1, 1_000)]


def test_how_far_behind_counts_down(broker, opened):
    broker.write(0, [b"x"] * 10)
    stream = opened(broker)
    assert stream.behind("0") is None
    stream.begin("0", None, EVER)
    taken(stream, 4, limit=4)
    assert stream.behind("0") in {None, *range(7)}
    taken(stream, 6)
    until(lambda: stream.take(1, 0.05) == [] and stream.behind("0") == 0)


def test_offsets_that_hold_marks_of_transactions_are_no_messages_and_not_behind(broker, opened):
    for values in ([b"a", b"b"], [b"c"]):
        broker.topic.write_transaction(0, values)
    stream = opened(broker)
    stream.begin("0", None, EVER)
    batches = taken(stream, 3)["0"]
    assert values_of(batches) == [b"a", b"b", b"c"]
    assert [place.rpartition("@")[2] for each in batches for place in each.places] == ["0", "1", "3"]
    assert {each.gap for each in batches} == {""}
    until(lambda: stream.take(1, 0.05) == [] and stream.behind("0") == 0)
    other = opened(broker)
    other.begin("0", batches[-1].after, EVER)
    assert other.take(1, 0.3) == []


def test_a_large_message_comes_whole(broker, opened):
    large = bytes(range(256)) * 12_000
    broker.write(0, [b"a", large, b"b"])
    stream = opened(broker)
    stream.begin("0", None, EVER)
    assert read(stream, 3) == [b"a", large, b"b"]


@pytest.mark.parametrize(
    ("variable", "says"),
    [("NO_SUCH_SETTING", r"no\.such\.setting"), ("AUTO_OFFSET_RESET", "not to be changed")],
)
def test_a_wrong_setting_is_told_at_once(variable, says):
    with pytest.raises(StoreError, match=says) as told:
        open_topic("ads", "localhost:1", "g", {f"HEADRACE_KAFKA__{variable}": "hunter2", "PATH": "/bin"})
    assert "HEADRACE_KAFKA__" in str(told.value) or "Unset it" in str(told.value)


def test_a_closed_stream_says_so(mock):
    stream = mock.open()
    stream.close()
    with pytest.raises(StoreError, match="closed"):
        stream.partitions()


def test_without_the_driver_it_is_told_what_to_install(monkeypatch):
    for module in ("headrace.streams.kafka", "headrace.streams.kafka_errors"):
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(StoreError, match=r"pip install 'headrace\[kafka\]'"):
        open_topic("ads", "localhost:1", "g", {})


def test_brokers_that_do_not_exist_are_waited_for():
    stream = open_topic("ads", f"127.0.0.1:{free_port()}", "g", {})
    stream.begin("0", "7", EVER)
    with pytest.raises(UnreachableError, match="does not answer"):
        until(lambda: stream.take(10, 0.1))
    stream.close()
