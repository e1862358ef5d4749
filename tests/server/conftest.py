"""One project and one server for all tests that only read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server.serving import served
from tests.server.shop import build, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    import headrace as hr


collect_ignore = ["feast_client.py"]  # for a Python that has Feast


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that tests only read."""
    return build(tmp_path_factory.mktemp("server") / "shop")


@pytest.fixture(scope="session")
def server(shop: Path) -> Iterator[httpx.Client]:
    """A client of a server over it."""
    with served(shop) as client:
        yield client


@pytest.fixture
def store(shop: Path) -> Iterator[hr.FeatureStore]:
    """The same project in this process."""
    with opened(shop) as store:
        yield store
