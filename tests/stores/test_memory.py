from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headrace.stores.memory import MemoryStore
from headrace.testing.transactional import TransactionalSuite

if TYPE_CHECKING:
    from headrace.clock import Clock


class TestMemoryStore(TransactionalSuite):
    @pytest.fixture
    def store(self, clock: Clock) -> MemoryStore:
        return MemoryStore(clock)
