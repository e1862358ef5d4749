"""Importing the public names is cheap: writing a definition loads no engine, store or driver."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "click",
    "confluent_kafka",
    "duckdb",
    "httptools",
    "httpx",
    "hypothesis",
    "lmdb",
    "numpy",
    "pandas",
    "polars",
    "psycopg",
    "pyarrow",
    "pyspark",
    "redis",
    "rich",
    "sklearn",
    "sqlalchemy",
    "starlette",
    "urllib3",
    "uvicorn",
    "uvloop",
    "yaml",
}
REPORT = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def _packages_after(statement: str) -> set[str]:
    """The top-level packages that a fresh interpreter holds after the statement."""
    return {name.partition(".")[0] for name in json.loads(_printed_by(f"{statement}\n{REPORT}"))}


def _printed_by(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "statement",
    [
        "import headrace",
        "import headrace, headrace.agg",
        "from headrace import agg",
        "from headrace.testing import FeatureTest, assert_features",
    ],
)
def test_importing_the_public_names_loads_nothing_heavy(statement: str) -> None:
    loaded = _packages_after(statement)
    assert "headrace" in loaded
    assert loaded & HEAVY == set()


def test_every_public_name_is_there() -> None:
    program = "import headrace; print(*[name for name in headrace.__all__ if not hasattr(headrace, name)])"
    assert _printed_by(program).split() == []
