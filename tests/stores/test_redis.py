from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headrace.stores.redis import RedisStore
from headrace.testing.key_value import KeyValueSuite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.clock import Clock


class TestRedisStore(KeyValueSuite):
    @pytest.fixture
    def store(self, redis_url: str, clock: Clock) -> Iterator[RedisStore]:
        with RedisStore(redis_url, "ads", clock=clock) as store:
            yield store


class TestRedisClusterStore(KeyValueSuite):
    @pytest.fixture
    def store(self, redis_cluster_url: str, clock: Clock) -> Iterator[RedisStore]:
        with RedisStore(redis_cluster_url, "ads", clock=clock) as store:
            yield store
