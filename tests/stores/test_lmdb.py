"""LmdbStore keeps the port's promises, under each way to commit and from a map that must grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lmdb
import pytest

from headrace.clock import FixedClock
from headrace.stores.lmdb import LmdbStore
from headrace.testing.transactional import TransactionalSuite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headrace.clock import Clock


class TestLmdbStore(TransactionalSuite):
    @pytest.fixture
    def store(self, clock: Clock, tmp_path: Path) -> Iterator[LmdbStore]:
        with LmdbStore(tmp_path, sync="kill", clock=clock) as store:
            yield store


def test_records_that_expire_do_not_pile_up(tmp_path: Path) -> None:
    clock = FixedClock(0)
    with LmdbStore(tmp_path, sync="kill", clock=clock) as store:
        for batch in range(50):
            items = [(b"%d/%d" % (batch, number), b"v") for number in range(100)]
            items += [(b"long" * 200 + b"%d/%d" % (batch, number), b"v") for number in range(5)]
            store.multi_put(items, expire_at=clock.now() + 1)
            clock.advance(1)
        store.multi_put([(b"last", b"v")], expire_at=clock.now() + 1)
    with lmdb.open(str(tmp_path)) as env:
        # A record and its line in the index, for what the last two writes left to the next.
        assert env.stat()["entries"] < 2 * 3 * 105


class TestLmdbStoreInASmallMap(TransactionalSuite):
    @pytest.fixture
    def store(self, clock: Clock, tmp_path: Path) -> Iterator[LmdbStore]:
        with LmdbStore(tmp_path, sync="kill", map_size=1 << 20, clock=clock) as store:
            yield store
