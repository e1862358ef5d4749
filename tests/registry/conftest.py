"""Registries to test on: SQLite and PostgreSQL, empty, and a clock and a user to write with."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from headrace.catalogs.sql import SqlCatalog
from headrace.clock import FixedClock
from headrace.registry.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty registry, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/registry.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock("2026-01-31T12:00:00Z")


@pytest.fixture
def catalog() -> Iterator[SqlCatalog]:
    """An empty registry's catalog, for tests of what every catalog has in common."""
    with contextlib.closing(SqlCatalog("sqlite://")) as catalog:
        yield catalog


@pytest.fixture
def registry(catalog: SqlCatalog, clock: FixedClock) -> Registry:
    return Registry(catalog, clock, "ana")
