"""Reading a Redis from an event loop: requests that come in the same turn of the loop share one pipeline."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import redis
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry

from headrace.drivers.redis_connecting import options
from headrace.drivers.redis_errors import FAILURES
from headrace.errors import StoreError
from headrace.stores.redis import value_of
from headrace.stores.redis_errors import explain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.stores.redis import RedisStore

__all__ = ["RedisReads"]


class RedisReads:
    """The reads of a `RedisStore`, for one event loop."""

    def __init__(self, store: RedisStore) -> None:
        """Connect when something is first asked for; to be made in the loop."""
        self._store = store
        self._client = self._connected()
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[list[bytes], asyncio.Future[list[bytes | None]]]] = []
        self._sent: set[asyncio.Task[None]] = set()

    async def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of the keys, in their order; None where there is no record.

        Raises:
            StoreError: Redis cannot be used.
        """
        if not keys:
            return []
        names = [self._store.name_of(key) for key in keys]
        answer: asyncio.Future[list[bytes | None]] = self._loop.create_future()
        if not self._waiting:  # whoever else asks before the loop turns is asked for in the same breath
            self._loop.call_soon(self._send)
        self._waiting.append((names, answer))
        raw = await answer
        now = self._store.clock.now()
        return [value_of(each, now) for each in raw]

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    def _connected(self) -> Any:
        address, chosen = self._store.address, options(self._store.patience, Retry)
        if not address.cluster:
            if self._store.vouched:
                chosen["redis_connect_func"] = self._introduce
            return Redis.from_url(address.url, **chosen)
        client: Any = RedisCluster.from_url(address.url, **chosen)
        if self._store.vouched:  # it takes no such option
            nodes = client.nodes_manager
            for each in (nodes, *nodes.startup_nodes.values()):
                each.connection_kwargs["redis_connect_func"] = self._introduce
        return client

    async def _introduce(self, connection: Any) -> None:
        """Begin a connection."""
        await connection.on_connect()
        await self._store.voucher.admit_async(connection)

    def _send(self) -> None:
        """Ask for all that waits."""
        waiting, self._waiting = self._waiting, []
        task = self._loop.create_task(self._fetch(waiting))
        self._sent.add(task)
        task.add_done_callback(self._sent.discard)

    async def _fetch(self, waiting: list[tuple[list[bytes], asyncio.Future[list[bytes | None]]]]) -> None:
        try:
            found = await self._raw([name for names, _ in waiting for name in names])
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whoever waits must hear of it
            told = error if isinstance(error, Exception) else StoreError("The store is closed.")
            for _, answer in waiting:
                if not answer.done():
                    answer.set_exception(told)
            return
        at = 0
        for names, answer in waiting:
            if not answer.done():  # who asked may have gone
                answer.set_result(found[at : at + len(names)])
            at += len(names)

    async def _raw(self, names: list[bytes]) -> list[bytes | None]:
        found: list[bytes | None]
        try:
            if self._store.address.cluster:
                pipe = self._client.pipeline()
                for name in names:
                    pipe.get(name)
                found = await pipe.execute()
            else:
                found = await self._client.mget(names)
        except FAILURES as error:
            raise explain(error, self._store.address.place) from None
        except (OSError, RuntimeError, AttributeError) as error:
            # A cluster's client that looks for its nodes anew closes connections others are about to use.
            raise explain(redis.ConnectionError(str(error)), self._store.address.place) from error
        return found
