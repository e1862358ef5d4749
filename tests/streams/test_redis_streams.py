"""Redis streams, on a real server and a real cluster."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import redis as driver
from redis.maint_notifications import MaintNotificationsConfig

from headrace.definitions.stream import RedisStream
from headrace.drivers.redis_connecting import Patience
from headrace.errors import DataError, StoreError, UnreachableError
from headrace.streams.redis_entries import FIRST
from headrace.streams.redis_streams import RedisStreams
from headrace.streams.redis_streams_opening import open_redis_stream
from headrace.testing.event_stream import EventStreamSuite, taken, values_of
from tests.services.redis import redis
from tests.services.redis_tls import redis_behind_tls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

EVER = -(1 << 62)
DAY = 1_700_000_000_000
PATIENCE = 20.0


class Redis:
    """Streams of a Redis, written to and read."""

    def __init__(self, url: str, partitions: int = 2) -> None:
        self.url, self.key, self.partitions = url, "ads", partitions
        of = driver.RedisCluster if "+cluster" in url else driver.Redis
        quiet = MaintNotificationsConfig(enabled=False)  # its handlers would leave a connection open
        self.client: Any = of.from_url(url.replace("+cluster", ""), maint_notifications_config=quiet)

    def name(self, partition: int) -> str:
        return f"{self.key}:{partition}" if self.partitions > 1 else self.key

    def write(self, partition: int, values: Sequence[bytes]) -> None:
        for value in values:
            self.client.xadd(self.name(partition), {"data": value})

    def open(self) -> RedisStreams:
        return RedisStreams(self.key, self.url, "headrace-test", self.partitions)


@pytest.fixture
def broker(redis_url: str) -> Iterator[Redis]:
    found = Redis(redis_url)
    yield found
    found.client.close()


class TestOnRedis(EventStreamSuite):
    pass


class TestOnOneKey(EventStreamSuite):
    partitions = 1

    @pytest.fixture
    def broker(self, redis_url: str) -> Iterator[Redis]:
        found = Redis(redis_url, 1)
        yield found
        found.client.close()


class TestOnACluster(EventStreamSuite):
    @pytest.fixture
    def broker(self, redis_cluster_url: str) -> Iterator[Redis]:
        found = Redis(redis_cluster_url)
        yield found
        found.client.close()


@pytest.fixture(params=["server", "cluster"])
def either(request: pytest.FixtureRequest) -> Iterator[Redis]:
    """On a server or a cluster."""
    url = request.getfixturevalue("redis_url" if request.param == "server" else "redis_cluster_url")
    found = Redis(url)
    yield found
    found.client.close()


@pytest.fixture
def opened() -> Iterator[Callable[[Redis], RedisStreams]]:
    streams: list[RedisStreams] = []

    def open_one(broker: Redis) -> RedisStreams:
        streams.append(broker.open())
        return streams[-1]

    yield open_one
    for each in streams:
        each.close()


def until(holds: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up


def entry(place: str) -> str:
    return place.rpartition("@")[2]


def test_fields_of_an_entry_are_columns_and_data_alone_is_the_message(either, opened):
    stream = opened(either)
    for fields in (
        {"user_id": "u1", "ts": "2026-03-01T00:00:00Z", "note": "Żółw 🐢"},
        {"data": "[1]"},
        {"data": '{"a": 1}', "more": "x"},
        {"a": b"\xff", "b": "1"},
        {"data": ""},
    ):
        either.client.xadd("ads:1", fields)
    stream.begin("ads:1", None, EVER)
    batches = taken(stream, 5)["ads:1"]
    values = [value for value in values_of(batches) if value is not None]
    assert json.loads(values[0]) == {
        "user_id": "u1", "ts": "2026-03-01T00:00:00Z", "note": "Żółw 🐢"
    }  # fmt: skip
    assert values[1] == b"[1]"
    assert json.loads(values[2]) == {"data": '{"a": 1}', "more": "x"}
    with pytest.raises(UnicodeDecodeError):
        values[3].decode()
    assert values[4] == b""
    ids = [name.decode() for name, _ in either.client.xrange("ads:1")]
    assert [place for each in batches for place in each.places] == [f"ads:1@{name}" for name in ids]
    assert batches[-1].after == ids[-1]
    assert {each.gap for each in batches} == {""}


def test_what_was_trimmed_away_unread_is_a_gap_that_is_told_once(either, opened):
    either.write(0, [b"%d" % n for n in range(10)])
    stream = opened(either)
    stream.begin("ads:0", None, EVER)
    (first,) = stream.take(3, PATIENCE)
    either.client.xtrim("ads:0", maxlen=4, approximate=False)
    found = taken(stream, 4, limit=2)["ads:0"]
    assert values_of(found) == [b"6", b"7", b"8", b"9"]
    assert found[0].gap == f"entry {first.after} was trimmed away, and perhaps some that came after it"
    assert {each.gap for each in found[1:]} == {""}


def test_what_is_trimmed_before_the_entry_taken_last_is_no_gap(either, opened):
    either.write(0, [b"%d" % n for n in range(10)])
    stream = opened(either)
    stream.begin("ads:0", None, EVER)
    (first,) = stream.take(3, PATIENCE)
    either.client.xtrim("ads:0", maxlen=8, approximate=False)
    found = taken(stream, 7)["ads:0"]
    assert values_of(found) == [b"%d" % n for n in range(3, 10)]
    assert {each.gap for each in found} == {""}
    again = opened(either)
    again.begin("ads:0", first.after, EVER)
    assert [each.gap for each in taken(again, 7)["ads:0"]] == [""]


def test_a_stream_that_is_emptied_when_all_was_taken_lacks_nothing(either, opened):
    either.write(0, [b"a"])
    stream = opened(either)
    stream.begin("ads:0", None, EVER)
    taken(stream, 1)
    either.client.xtrim("ads:0", maxlen=0, approximate=False)
    assert stream.take(10, 0.05) == []
    either.write(0, [b"b"])
    (found,) = taken(stream, 1)["ads:0"]
    assert (found.values, found.gap) == ([b"b"], "")


def test_a_stream_that_was_emptied_unread_tells_of_it_when_something_comes(either, opened):
    either.write(0, [b"a", b"b"])
    stream = opened(either)
    stream.begin("ads:0", None, EVER)
    (first,) = stream.take(1, PATIENCE)
    either.client.xtrim("ads:0", maxlen=0, approximate=False)
    assert stream.take(10, 0.05) == []
    either.write(0, [b"c"])
    (found,) = taken(stream, 1)["ads:0"]
    assert found.values == [b"c"]
    assert first.after in found.gap


def test_a_stream_that_was_made_anew_is_read_from_there(either, opened):
    either.write(0, [b"a"])
    stream = opened(either)
    stream.begin("ads:0", None, EVER)
    taken(stream, 1)
    either.client.delete("ads:0")
    assert stream.take(10, 0.05) == []
    either.write(0, [b"b"])
    (found,) = taken(stream, 1)["ads:0"]
    assert found.values == [b"b"]
    assert found.gap


def test_a_stream_that_lost_its_end_is_read_on_and_says_so(either, opened):
    either.client.xadd("ads:0", {"data": "a"}, id="5-1")
    stream = opened(either)
    stream.begin("ads:0", "9-0", EVER)
    assert stream.take(10, 0.05) == []
    either.client.xadd("ads:0", {"data": "b"}, id="5-2")
    (found,) = taken(stream, 1)["ads:0"]
    assert found.values == [b"b"]
    assert found.gap.startswith("the stream ended at 5-1, before entry 9-0")
    either.client.xadd("ads:0", {"data": "c"}, id="6-0")
    (found,) = taken(stream, 1)["ads:0"]
    assert (found.values, found.gap) == ([b"c"], "")


def test_entries_that_came_before_are_not_wanted(either, opened):
    for day in range(5):
        either.client.xadd("ads:0", {"data": str(day)}, id=f"{DAY + day * 1_000}-0")
    stream = opened(either)
    stream.begin("ads:0", None, (DAY + 2_000) * 1_000)
    found = taken(stream, 3)["ads:0"]
    assert values_of(found) == [b"2", b"3", b"4"]
    assert found[0].gap == ""


def test_ids_that_are_no_times_pass_nothing_over(either, opened):
    for number in range(3):
        either.client.xadd("ads:0", {"data": str(number)}, id=f"{number + 1}-0")
    stream = opened(either)
    stream.begin("ads:0", None, DAY * 1_000)
    assert values_of(taken(stream, 3)["ads:0"]) == [b"0", b"1", b"2"]


def test_people_see_in_the_group_what_is_done(either, opened):
    either.write(0, [b"a", b"b"])
    stream = opened(either)
    stream.begin("ads:0", None, EVER)
    (found,) = taken(stream, 2)["ads:0"]
    for place in found.places:
        stream.done("ads:0", entry(place))
        (group,) = either.client.xinfo_groups("ads:0")
        assert (group["name"], group["pending"]) == (b"headrace-test", 0)
        assert group["last-delivered-id"].decode() == entry(place)
    either.client.delete("ads:0")
    stream.done("ads:0", found.after)  # nobody is there to be told


def test_all_partitions_come_though_one_has_much(either, opened):
    either.write(0, [b"x"] * 3_000)
    either.write(1, [b"y"])
    stream = opened(either)
    for name in stream.partitions():
        stream.begin(name, None, EVER)
    first = stream.take(1_000, PATIENCE)
    assert {each.partition for each in first} == {"ads:0", "ads:1"}
    one_by_one = [stream.take(1, PATIENCE)[0].partition for _ in range(4)]
    assert one_by_one == ["ads:0"] * 4
    assert sum(len(each.values) for each in stream.take(5_000, PATIENCE)) == 3_001 - 1_000 - 4


def test_large_entries_come_some_at_a_time(redis_url, opened):
    broker = Redis(redis_url, 1)
    broker.write(0, [bytes(10_000_000)] * 12)
    stream = opened(broker)
    stream.begin("ads", None, EVER)
    stream.take(1, PATIENCE)
    sizes = []
    while sum(sizes) < 11:
        sizes += [len(each.values) for each in stream.take(1_000, PATIENCE)]
    assert max(sizes) <= 6  # twice as much as is fetched at least
    broker.client.close()


def counts_entries(broker: Redis) -> bool:
    """Whether Redis does, as it does from version 7 on."""
    return "entries-added" in broker.client.xinfo_stream("ads:0")


def test_how_far_it_is_behind_where_that_is_known(either, opened):
    either.write(0, [b"x"] * 10)
    stream = opened(either)
    assert stream.behind("ads:0") is None
    stream.begin("ads:0", None, EVER)
    assert stream.behind("ads:0") == 10
    found = taken(stream, 4, limit=4)["ads:0"]
    assert stream.behind("ads:0") == (6 if counts_entries(either) else None)
    taken(stream, 6)
    assert stream.behind("ads:0") == 0
    either.client.xtrim("ads:0", maxlen=3, approximate=False)
    either.write(0, [b"x"] * 5)
    assert stream.behind("ads:0") == (5 if counts_entries(either) else None)
    taken(stream, 2, limit=2)
    assert stream.behind("ads:0") == (3 if counts_entries(either) else None)
    stream.begin("ads:0", found[-1].after, EVER)
    assert stream.behind("ads:0") == 8
    stream.begin("ads:1", None, EVER)
    assert stream.behind("ads:1") == 0


def test_a_server_that_goes_away_is_told_and_read_on_when_it_is_back(opened):
    with redis() as url:
        broker = Redis(url)
        broker.write(0, [b"a"])
        stream = opened(broker)
        stream.begin("ads:0", None, EVER)
        assert values_of(taken(stream, 1)["ads:0"]) == [b"a"]
    with pytest.raises(UnreachableError, match="cannot be reached"):
        stream.take(10, 0.1)
    assert stream.behind("ads:0") is None
    stream.done("ads:0", "1-1")  # nobody hears it
    with pytest.raises(UnreachableError):
        stream.begin("ads:1", None, EVER)
    with redis(at=urlsplit(url).port):
        assert stream.take(10, 0.05) == []
        broker.write(0, [b"b"])
        (found,) = taken(stream, 1)["ads:0"]
        assert found.values == [b"b"]
        assert found.gap
        broker.client.close()


def test_a_server_that_hangs_is_told_and_read_on_when_it_answers(broker):
    broker.write(0, [b"a", b"b"])
    stream = RedisStreams("ads", broker.url, "g", 2, patience=Patience(timeout=0.1, attempts=0))
    stream.begin("ads:0", None, EVER)
    assert values_of(taken(stream, 1, limit=1)["ads:0"]) == [b"a"]
    broker.client.client_pause(1_000)
    with pytest.raises(UnreachableError, match="did not answer in time"):
        stream.take(10, 0)
    found: list[bytes | None] = []

    def comes() -> list[bytes | None]:
        with contextlib.suppress(UnreachableError):
            found.extend(values_of(stream.take(10, 0)))
        return found

    until(comes)
    assert found == [b"b"]
    stream.close()


def test_a_server_that_fails_after_the_first_step_gives_what_it_gave(broker, opened, monkeypatch):
    broker.write(0, [b"x"] * 500)
    stream = opened(broker)
    stream.begin("ads:0", None, EVER)
    execute, asked = driver.client.Pipeline.execute, []

    def fails_at_second(pipe: driver.client.Pipeline) -> Any:
        asked.append(pipe)
        if len(asked) == 2:
            raise driver.ConnectionError("reset by peer")
        return execute(pipe)

    monkeypatch.setattr(driver.client.Pipeline, "execute", fails_at_second)
    first = stream.take(500, 0)
    assert 0 < len(first[0].values) < 500
    rest = taken(stream, 500 - len(first[0].values))["ads:0"]
    assert {each.gap for each in rest} == {""}


def test_a_key_that_holds_something_else_is_no_matter_of_waiting(either, opened):
    either.client.set("ads:0", "x")
    stream = opened(either)
    with pytest.raises(StoreError, match="something else than streams under ads:0, ads:1") as told:
        stream.begin("ads:0", None, EVER)
    assert type(told.value) is StoreError
    stream.begin("ads:0", "1-1", EVER)
    with pytest.raises(StoreError, match="something else"):
        stream.take(10, 0)
    either.client.delete("ads:0")
    either.write(0, [b"a"])
    assert values_of(taken(stream, 1)["ads:0"]) == [b"a"]


def test_user_and_password_stand_in_the_environment():
    with redis("--requirepass", "hunter2%40", answers=_refuses) as url:
        stream = open_redis_stream(RedisStream("ads", url=url), "g", {"PATH": "/bin"})
        stream.begin("ads", "0-0", EVER)
        with pytest.raises(StoreError, match="HEADRACE_REDIS__PASSWORD"):
            stream.take(1, 0)
        stream.close()
        environ = {"HEADRACE_REDIS__PASSWORD": "hunter2%40", "HEADRACE_REDIS__SSL_CA_CERTS": "/no/such/file"}
        stream = open_redis_stream(RedisStream("ads", url=url), "g", environ)
        stream.begin("ads", None, EVER)
        assert stream.take(1, 0) == []
        stream.close()


def test_the_user_of_the_guide_may_do_what_it_needs(either):
    guide = Path(__file__).parents[2] / "docs" / "cli.md"
    (line,) = [each for each in guide.read_text("utf-8").splitlines() if "SETUSER headrace-ingest" in each]
    of_all = {"target_nodes": driver.RedisCluster.ALL_NODES} if "cluster" in either.url else {}
    either.client.execute_command(*line.replace("PASSWORD", "s3cret").split(), **of_all)
    either.write(0, [b"a"])
    environ = {"HEADRACE_REDIS__USERNAME": "headrace-ingest", "HEADRACE_REDIS__PASSWORD": "s3cret"}
    stream = open_redis_stream(RedisStream("ads", url=either.url, partitions=2), "g", environ)
    stream.begin("ads:0", None, DAY)
    (found,) = taken(stream, 1)["ads:0"]
    stream.done("ads:0", found.after)
    assert [group["name"] for group in either.client.xinfo_groups("ads:0")] == [b"g"]
    assert stream.behind("ads:0") == 0
    stream.close()
    other = open_redis_stream(RedisStream("others", url=either.url), "g", environ)
    other.begin("others", "1-1", EVER)
    with pytest.raises(StoreError, match="does not allow this user"):
        other.take(1, 0)
    other.close()


def test_streams_are_read_through_tls_with_the_authority_from_the_environment(tmp_path):
    with redis_behind_tls(tmp_path) as server:
        broker = Redis(server.plain)
        broker.write(0, [b"a"])
        url = f"rediss://127.0.0.1:{server.port}/0"
        environ = {"HEADRACE_REDIS__SSL_CA_CERTS": str(server.authority)}
        for known in (environ, {}):
            stream = open_redis_stream(RedisStream("ads", url=url, partitions=2), "g", known)
            stream.begin("ads:0", FIRST, EVER)
            if known:
                assert values_of(taken(stream, 1)["ads:0"]) == [b"a"]
            else:
                with pytest.raises(UnreachableError, match="certificate"):
                    stream.take(1, 0)
            stream.close()
        broker.client.close()


def _refuses(url: str) -> bool:
    with driver.Redis.from_url(url) as client:
        try:
            client.ping()
        except driver.AuthenticationError:
            return True
        except driver.ConnectionError:
            return False
    return False


@pytest.mark.parametrize("option", ["NO_SUCH_OPTION", "DECODE_RESPONSES", "SOCKET_TIMEOUT", "SSL_NONE"])
def test_a_wrong_option_is_told_at_once_and_its_value_is_not(option):
    with pytest.raises(StoreError, match=f"HEADRACE_REDIS__{option} cannot be used") as told:
        open_redis_stream(RedisStream("ads"), "g", {f"HEADRACE_REDIS__{option}": "hunter2"})
    assert "hunter2" not in str(told.value)


def test_an_address_that_is_none_is_told_at_once():
    with pytest.raises(StoreError, match="Correct url of the source's RedisStream"):
        open_redis_stream(RedisStream("ads", url="kafka://here"), "g", {})


def test_a_partition_that_is_not_there_and_a_position_that_is_none(broker, opened):
    stream = opened(broker)
    with pytest.raises(DataError, match="no such partition"):
        stream.begin("ads", None, EVER)
    with pytest.raises(StoreError, match="no position"):
        stream.begin("ads:0", "17", EVER)


def test_a_closed_stream_says_so(broker):
    stream = broker.open()
    stream.close()
    with pytest.raises(StoreError, match="closed"):
        stream.begin("ads:0", None, EVER)


def test_without_the_driver_it_is_told_what_to_install(monkeypatch):
    for module in [name for name in sys.modules if name.startswith("headrace.streams.redis_stream")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(StoreError, match=r"pip install 'headrace\[redis\]'"):
        open_redis_stream(RedisStream("ads"), "g", {})
