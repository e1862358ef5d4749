"""The Spark engine, on a real Spark: it answers as every engine does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headrace.engines.local.engine import LocalEngine
from headrace.engines.spark.engine import SparkEngine
from headrace.testing.engine import EngineSuite
from tests.effort import cases
from tests.services.spark import MASTER

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.xdist_group("spark"), pytest.mark.usefixtures("spark")]

SMALL = {"spark.sql.execution.arrow.maxRecordsPerBatch": "61"}
"""Batches so small that most entities span several."""


@pytest.fixture
def engine(tmp_path: Path) -> SparkEngine:
    return SparkEngine(tmp_path, LocalEngine(tmp_path), master=MASTER, partitions=2, settings=SMALL)


@pytest.mark.soak
class TestSparkEngine(EngineSuite):
    """The suite of every engine."""

    views = cases(4)

    @pytest.fixture
    def engine(self, engine: SparkEngine) -> SparkEngine:
        return engine
