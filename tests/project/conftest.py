"""The market of `market.py`, loaded and pushed to."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.project.market import K, activity, events, newest, project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that is applied, loaded and pushed to; tests work on copies."""
    directory = tmp_path_factory.mktemp("loaded") / "market"
    with project(directory, events(0, 10)) as store:
        store.apply([activity(), newest()])
        store.materialize(end=K)
        store.push("clicks", events(10, 11))
    return directory


@pytest.fixture
def market(loaded: Path, tmp_path: Path) -> Path:
    directory: Path = shutil.copytree(loaded, tmp_path / "market")
    return directory
