"""A project that serves from Redis answers as from its embedded store, whatever befalls Redis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import redis as driver

from headrace.clock import DAY, FixedClock
from headrace.errors import UnreachableError
from headrace.online.copying import GRACE, CopiedStore
from headrace.stores.redis import RedisStore
from headrace.stores.redis_async import RedisReads
from tests.project.market import KEYS, NOW, K, activity, again, event, events, newest, online, project
from tests.services.redis import redis
from tests.services.server import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import headrace as hr

FEATURES = ["activity:events_7d", "activity:spend_7d", "newest:price"]


def with_redis(directory: Path, url: str, *more: str) -> hr.FeatureStore:
    """A project that serves from a Redis."""
    project(directory, events(0, 10)).close()
    lines = ['[project]\nname = "market"', f'[online]\nurl = "{url}"', "timeout = 1", *more]
    (directory / "headrace.toml").write_text("\n".join(lines) + "\n")
    return again(directory)


@pytest.mark.parametrize("kind", ["redis_url", "redis_cluster_url"])
def test_redis_answers_as_the_embedded_store_does(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(kind)
    with project(tmp_path / "plain", events(0, 10)) as plain, with_redis(tmp_path / "copied", url) as copied:
        for store in (plain, copied):
            store.apply([activity(), newest()])
            store.materialize(end=K)
            store.push("clicks", events(10, 12))
            store.materialize(end=K + DAY)
            store.push("clicks", [event(900, NOW - DAY, user_id="nobody")])
        assert online(copied, *FEATURES) == online(plain, *FEATURES)
        assert online(plain, *FEATURES)["spend_7d"][3] == 900.0


def test_a_request_is_one_round_trip(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    get = RedisStore.multi_get

    def counted(self: RedisStore, keys: Sequence[bytes]) -> list[bytes | None]:
        asked.append(len(keys))
        return get(self, keys)

    monkeypatch.setattr(RedisStore, "multi_get", counted)
    with with_redis(tmp_path / "market", redis_url) as store:
        store.apply([activity(), newest()])
        store.materialize(end=K)
        online(store, *FEATURES)
        asked.clear()
        online(store, *FEATURES)
        assert len(asked) == 1, "two views, four entities"


def test_a_server_needs_nothing_but_registry_and_redis(tmp_path: Path, redis_url: str) -> None:
    with with_redis(tmp_path / "market", redis_url) as store:
        store.apply([activity(), newest()])
        store.materialize(end=K)
        answer = online(store, *FEATURES)
    (tmp_path / "market" / ".headrace" / "online").rename(tmp_path / "elsewhere")
    with again(tmp_path / "market") as server:
        assert online(server, *FEATURES) == answer
    assert not (tmp_path / "market" / ".headrace" / "online").exists()


def test_an_emptied_redis_is_refilled_with_one_command(tmp_path: Path, redis_url: str) -> None:
    with with_redis(tmp_path / "market", redis_url) as store:
        store.apply([activity(), newest()])
        store.materialize(end=K)
        store.push("clicks", events(10, 12))
        answer = online(store, *FEATURES)
        with driver.Redis.from_url(redis_url) as client:
            client.flushall()
        with pytest.raises(Exception, match="never loaded"):
            online(store, *FEATURES)
        assert store.refill() > 0
        assert online(store, *FEATURES) == answer


def test_the_doctor_looks_at_what_is_served_from(tmp_path: Path) -> None:
    def seen(store: hr.FeatureStore) -> list[tuple[bool, str, str]]:
        checks = {each.name: each for each in store.doctor()}
        told = checks["served from"]
        return [(told.ok, told.detail, told.remedy)]

    not_filled = (False, "not filled with what was loaded", "Run: headrace materialize --refill.")
    with redis() as first:
        store = with_redis(tmp_path / "market", first)
        store.apply([activity()])
        store.materialize(end=K)
        assert seen(store) == [(True, "filled; 0 records wait to be copied", "")]
        with driver.Redis.from_url(first) as client:
            client.flushall()
        assert seen(store) == [not_filled]
        store.close()
    with redis() as other, with_redis(tmp_path / "market", other) as store:
        assert seen(store) == [not_filled]
        store.refill()
        assert seen(store) == [(True, "filled; 0 records wait to be copied", "")]
    with again(tmp_path / "market") as store:
        ((ok, detail, remedy),) = seen(store)
        assert (ok, "cannot be reached" in detail, "--refill" in remedy) == (False, True, True)


def test_the_doctor_makes_no_online_store_on_a_host_that_only_serves(tmp_path: Path, redis_url: str) -> None:
    with with_redis(tmp_path / "market", redis_url) as store:
        store.apply([activity()])
        store.materialize(end=K)
    (tmp_path / "market" / ".headrace" / "online").rename(tmp_path / "elsewhere")
    with again(tmp_path / "market") as server:
        assert [(each.name, each.ok) for each in server.doctor()][-2:] == [
            ("online store", True),
            ("served from", True),
        ]
    assert not (tmp_path / "market" / ".headrace" / "online").exists()  # a keeper would copy it: nothing


def test_projects_share_a_redis(tmp_path: Path, redis_url: str) -> None:
    with (
        with_redis(tmp_path / "one", redis_url) as one,
        RedisStore(redis_url, "market:other", clock=FixedClock(NOW)) as other,
    ):
        one.apply([activity()])
        one.materialize(end=K)
        assert list(other.scan(b"")) == []
        other.multi_put([(b"k", b"v")])
        one.refill()
        assert other.multi_get([b"k"]) == [b"v"]


def test_while_redis_is_away_the_fallback_answers_and_nothing_is_lost(tmp_path: Path) -> None:
    with redis() as url:
        fallback = 'fallback = "lmdb:///.headrace/online"'
        store = with_redis(tmp_path / "market", url, fallback)
        store.apply([activity(), newest()])
        store.materialize(end=K)
    with store:
        answer = online(store, *FEATURES)
        assert answer["events_7d"][0] > 0
        assert store.push("clicks", [event(900, NOW - DAY, user_id="nobody")]).accepted == 1
        assert online(store, *FEATURES)["spend_7d"][3] == 900.0


def test_without_a_fallback_it_says_that_redis_is_away(tmp_path: Path) -> None:
    with redis() as url:
        store = with_redis(tmp_path / "market", url)
        store.apply([activity()])
        store.materialize(end=K)
    with store, pytest.raises(UnreachableError, match="cannot be reached"):
        online(store, "activity:events_7d")


@pytest.mark.parametrize("kind", ["redis_url", "redis_cluster_url"])
def test_requests_of_one_turn_of_a_loop_ask_redis_together(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with with_redis(tmp_path / "market", request.getfixturevalue(kind)) as store:
        store.apply([activity(), newest()])
        store.materialize(end=K)
        expected = online(store, *FEATURES)
        asked: list[int] = []
        raw = RedisReads._raw  # noqa: SLF001 - how often Redis is asked shows nowhere else

        async def counted(self: RedisReads, names: list[bytes]) -> list[bytes | None]:
            asked.append(len(names))
            return await raw(self, names)

        monkeypatch.setattr(RedisReads, "_raw", counted)

        async def together() -> list[dict[str, Any]]:
            many = (
                store.get_online_features_async(FEATURES, {"user_id": KEYS}, as_of=NOW) for _ in range(20)
            )
            try:
                return [each.to_dict() for each in await asyncio.gather(*many)]
            finally:
                await store.close_async()

        assert asyncio.run(together()) == [expected] * 20
        assert len(asked) == 1
        assert asyncio.run(together()) == [expected] * 20, "another loop"


def test_a_loop_falls_back_too(tmp_path: Path) -> None:
    with redis() as url:
        store = with_redis(tmp_path / "market", url, 'fallback = "lmdb:///.headrace/online"')
        store.apply([activity(), newest()])
        store.materialize(end=K)
        expected = online(store, *FEATURES)

    async def ask() -> dict[str, Any]:
        try:
            answer = await store.get_online_features_async(FEATURES, {"user_id": KEYS}, as_of=NOW)
            return answer.to_dict()
        finally:
            await store.close_async()

    with store:
        assert asyncio.run(ask()) == expected


def test_redis_that_comes_back_is_asked_again(tmp_path: Path) -> None:
    port = free_port()
    with redis(at=port):
        store = with_redis(tmp_path / "market", f"redis://127.0.0.1:{port}/0")
        store.apply([activity(), newest()])
        store.materialize(end=K)
        expected = online(store, *FEATURES)
    with store:
        with pytest.raises(UnreachableError):
            online(store, *FEATURES)
        with redis(at=port):
            assert store.refill() > 0
            assert online(store, *FEATURES) == expected


def test_generations_that_were_replaced_leave_redis_after_a_while(tmp_path: Path, redis_url: str) -> None:
    with with_redis(tmp_path / "market", redis_url) as store, driver.Redis.from_url(redis_url) as client:
        store.apply([activity(), newest()])
        store.materialize(end=K)
        expected = online(store, *FEATURES)
        first = set(client.keys(b"market:\x06*"))  # what segments begin with
        assert len(first) == 6
        for _ in range(2):
            store.materialize(end=K, full=True)
        assert first <= set(client.keys()), "requests may have seen the manifest before"
        clock, copied = store._parts.clock, store.online  # noqa: SLF001
        assert isinstance(clock, FixedClock)
        assert isinstance(copied, CopiedStore)
        clock.advance(GRACE + 1)
        assert copied.catch_up()
        assert not first & set(client.keys())
        assert online(store, *FEATURES) == expected
