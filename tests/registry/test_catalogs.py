"""Both databases, held to the suite that ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headrace.catalogs.sql import SqlCatalog
from headrace.testing.catalog import CatalogSuite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class TestSqlite(CatalogSuite):
    @pytest.fixture
    def connect(self, tmp_path: Path) -> Callable[[], SqlCatalog]:
        return lambda: SqlCatalog(f"sqlite:///{tmp_path}/registry.db")


class TestPostgres(CatalogSuite):
    @pytest.fixture
    def connect(self, postgres_url: str) -> Callable[[], SqlCatalog]:
        return lambda: SqlCatalog(postgres_url)
