"""Redis behind TLS and with users: what is needed is enough, what is wrong is told without a secret."""

from __future__ import annotations

import asyncio
import re
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis as driver

import headrace as hr
from headrace.drivers.redis_connecting import Patience
from headrace.errors import StoreError
from headrace.stores.redis import RedisStore
from headrace.stores.redis_async import RedisReads
from headrace.testing.key_value import KeyValueSuite
from tests.project.market import K, activity, events, newest, online
from tests.project.test_redis_serving import with_redis
from tests.services.redis_tls import Secured, redis_behind_tls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.clock import Clock

SECRET = "s3cret-Ω/:@%"  # noqa: S105 - a password of these tests
ESCAPED = "s3cret-%CE%A9%2F%3A%40%25"
GUIDE = Path(__file__).parents[2] / "docs" / "cli.md"
FEATURES = ["activity:events_7d", "newest:price"]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with redis_behind_tls(tmp_path_factory.mktemp("tls")) as server:
        yield server


@pytest.fixture
def emptied(secured: Secured) -> Secured:
    with driver.Redis.from_url(secured.plain) as client:
        client.flushall()
    return secured


class TestRedisBehindTls(KeyValueSuite):
    @pytest.fixture
    def store(self, emptied: Secured, clock: Clock) -> Iterator[RedisStore]:
        with RedisStore(emptied.url(), "ads", clock=clock) as store:
            yield store


def test_a_loop_reads_through_tls(emptied: Secured) -> None:
    with RedisStore(emptied.url(), "ads", vouched=True) as store:

        async def read() -> list[bytes | None]:
            reads = RedisReads(store)
            try:
                return await reads.multi_get([b"k"])
            finally:
                await reads.close()

        with RedisStore(emptied.url(), "ads") as writer:
            writer.vouch(writer.servers())
            writer.multi_put([(b"k", b"v")])
        assert asyncio.run(read()) == [b"v"]
        assert store.multi_get([b"k"]) == [b"v"]


@pytest.mark.parametrize("wrong", ["no authority", "no TLS behind it"])
def test_a_server_that_is_not_trusted_is_told(emptied: Secured, wrong: str) -> None:
    url = {
        "no authority": f"rediss://127.0.0.1:{emptied.port}/0",
        "no TLS behind it": emptied.plain.replace("redis://", "rediss://"),
    }[wrong]
    with RedisStore(url, "ads", patience=Patience(attempts=0)) as store, pytest.raises(StoreError) as told:
        store.multi_get([b"k"])
    assert told.value.remedy
    if wrong == "no authority":
        assert "certificate" in str(told.value)
        assert "ssl_ca_certs" in told.value.remedy


def users_of_the_guide() -> dict[str, str]:
    """The lines of the guide that make users, by their names."""
    return {line.split()[2]: line for line in re.findall(r"ACL SETUSER .*", GUIDE.read_text("utf-8"))}


def made(client: driver.Redis, line: str, project: str) -> None:
    """Make a user as the guide says, for a project."""
    client.execute_command(*line.replace("PASSWORD", SECRET).replace("~ads:", f"~{project}:").split())


@pytest.mark.parametrize("kind", ["redis_url", "redis_cluster_url", "tls"])
def test_the_users_of_the_guide_may_do_what_they_need(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    lines = users_of_the_guide()
    url = request.getfixturevalue("emptied").url() if kind == "tls" else request.getfixturevalue(kind)
    plain = request.getfixturevalue("emptied").plain if kind == "tls" else url
    make_users(plain, lines, "market")
    scheme, _, rest = url.partition("://")
    as_user = {name: f"{scheme}://{name}:{ESCAPED}@{rest}" for name in lines}
    with with_redis(tmp_path / "market", as_user["headrace"]) as store:
        store.apply([activity(), newest()])
        store.materialize(end=K)
        store.push("clicks", events(10, 12))
        answer = online(store, *FEATURES)
        assert store.refill() > 0
    settings = tmp_path / "market" / "headrace.toml"
    settings.write_text(settings.read_text().replace("//headrace:", "//headrace-reader:"))
    with hr.FeatureStore(tmp_path / "market", clock=store._parts.clock, who="reader") as reader:  # noqa: SLF001
        assert online(reader, *FEATURES) == answer
        with pytest.raises(StoreError, match="does not allow this user") as told:
            reader.refill()
        assert "docs/cli.md" in told.value.remedy
        assert SECRET not in everything_of(told.value)
        assert ESCAPED not in everything_of(told.value)
    with RedisStore(as_user["headrace"], "another") as other, pytest.raises(StoreError, match="not allow"):
        other.multi_get([b"k"])


def make_users(url: str, lines: dict[str, str], project: str) -> None:
    if "cluster" not in url:
        with driver.Redis.from_url(url) as client:
            for line in lines.values():
                made(client, line, project)
        return
    with driver.Redis.from_url(url.replace("+cluster", "")) as client:
        ports = [name.rpartition(":")[2] for name in client.cluster("nodes")]
    for port in ports:
        make_users(f"redis://127.0.0.1:{port}", lines, project)


def everything_of(error: BaseException) -> str:
    """All that could be printed of an error."""
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())
    return f"{error} {error!r} {vars(error)} {shown}"


@pytest.mark.parametrize(
    "url",
    [
        f"redis://headrace:{ESCAPED}@127.0.0.1:1/0",
        f"redis+cluster://headrace:{ESCAPED}@127.0.0.1:1",
        f"rediss://headrace:{ESCAPED}@127.0.0.1:1/0?ssl_ca_certs=/no/such/file",
        f"redis://127.0.0.1:1/0?username=headrace&password={ESCAPED}",
    ],
)
def test_a_password_is_in_no_error_and_no_text_of_an_object(url: str) -> None:
    store = RedisStore(url, "ads", patience=Patience(timeout=0.2, attempts=0))
    with pytest.raises(StoreError) as told:
        store.multi_get([b"k"])

    async def read() -> None:
        reads = RedisReads(store)
        try:
            await reads.multi_get([b"k"])
        finally:
            await reads.close()

    with pytest.raises(StoreError) as told_too:
        asyncio.run(read())
    for shown in (everything_of(told.value), everything_of(told_too.value), repr(store), repr(store.address)):
        assert SECRET not in shown
        assert ESCAPED not in shown
    assert told.value.remedy
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        f"redis://headrace:{ESCAPED}@127.0.0.1:1/0?socket_timeout=soon",
        f"redis://headrace:{ESCAPED}@127.0.0.1:1/0?no_such_option=1",
        f"redis://headrace:{ESCAPED}@127.0.0.1:port/0",
        f"redis+cluster://headrace:{SECRET}@127.0.0.1:1",
    ],
)
def test_an_address_that_cannot_be_used_is_told_without_its_password(url: str) -> None:
    with pytest.raises(StoreError, match="address of Redis cannot be used") as told:
        RedisStore(url, "ads")
    shown = everything_of(told.value)
    assert "s3cret" not in shown
    assert ("no_such_option" in shown) == ("no_such_option" in url)
