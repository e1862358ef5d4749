"""Serving from Redis, and the floor under it: a bare pipeline of redis-py that fetches the same bytes."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
from typing import TYPE_CHECKING, Any

from bench import ours
from headrace.stores.redis import RedisStore
from tests.services.redis import redis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.inputs import Inputs

URL = "HEADRACE_ONLINE__URL"


def served(inputs: Inputs, *, entities: int = 1) -> Callable[[], dict[str, list[Any]]]:
    """One read of all profile columns for `entities` users, answered from a Redis of its own."""
    os.environ[URL] = a_redis()
    return ours.read_latest(inputs, entities=entities)


def pipeline(inputs: Inputs, *, entities: int = 1) -> Callable[[], list[bytes | None]]:
    """What such reads fetch, fetched by a pipeline of GET and nothing done with it."""
    import redis as driver

    asked: list[list[bytes]] = []

    class Listening(RedisStore):
        """A store whose questions are written down."""

        def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
            asked.append([self.name_of(key) for key in keys])
            return super().multi_get(keys)

    url = os.environ[URL] = a_redis()
    from headrace.stores import redis as stores

    stores.RedisStore = Listening  # type: ignore[misc]
    read = ours.read_latest(inputs, entities=entities)
    read()
    asked.clear()
    for _ in range(inputs.log.users):
        read()
    questions = itertools.cycle(asked)
    client = driver.Redis.from_url(url)

    def fetch() -> list[bytes | None]:
        with client.pipeline(transaction=False) as pipe:
            for name in next(questions):
                pipe.get(name)
            values: list[bytes | None] = pipe.execute()
            return values

    return fetch


def a_redis() -> str:
    """The URL of a Redis that ends with the process."""
    running = contextlib.ExitStack()
    atexit.register(running.close)
    return running.enter_context(redis())
