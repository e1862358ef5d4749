"""LmdbStore keeps the port's promises, under each way to commit and from a map that must grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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


class TestLmdbStoreInASmallMap(TransactionalSuite):
    @pytest.fixture
    def store(self, clock: Clock, tmp_path: Path) -> Iterator[LmdbStore]:
        with LmdbStore(tmp_path, sync="kill", map_size=1 << 20, clock=clock) as store:
            yield store
