"""A server over the shop, and a client of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import headrace as hr
from tests.server.serving import served
from tests.server.shop import build, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that is only read, but for what a test pushes about users of its own."""
    return build(tmp_path_factory.mktemp("client") / "shop")


@pytest.fixture(scope="session")
def url(shop: Path) -> Iterator[str]:
    with served(shop) as server:
        yield str(server.base_url)


@pytest.fixture
def client(url: str) -> Iterator[hr.Client]:
    with hr.Client(url, timeout=60) as client:
        yield client


@pytest.fixture
def store(shop: Path) -> Iterator[hr.FeatureStore]:
    with opened(shop) as store:
        yield store
