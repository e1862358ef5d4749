"""No byte of a registry, a store, a log or the wire is ever executed or unpickled (ADR 0005)."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.children import ROOT

SCRIPT = Path(__file__).with_name("nothing_executed_child.py")
SOURCES = ROOT / "src" / "headrace"
MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "jsonpickle"}
CALLS = {"eval", "exec", "compile", "__import__"}
IMPORTERS = {"__init__.py", "lazy.py", "cli/app.py", "definitions/loading.py"}
"""What imports modules by name: our own by a fixed list, and the definitions from the project's directory."""


def test_a_project_at_work_executes_nothing_it_reads(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    ran = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "shop")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "nothing"), ran.stdout + ran.stderr


def offences(text: str, name: str) -> list[str]:
    """Where a source file could execute data."""
    found = []
    for node in ast.walk(ast.parse(text)):
        words: set[str] = set()
        if isinstance(node, ast.Import):
            words = {each.name.partition(".")[0] for each in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom):
            words = {(node.module or "").partition(".")[0]} & MODULES
        elif isinstance(node, ast.Name):
            words = {node.id} & CALLS
        elif isinstance(node, ast.Attribute) and node.attr in {"import_module", "exec_module"}:
            words = set() if name in IMPORTERS else {node.attr}
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            words = (
                set()
                if isinstance(node.value, ast.Constant) and node.value.value is False
                else {"allow_pickle"}
            )
        found += [f"{name}:{getattr(node, 'lineno', 0)} {word}" for word in words]
    return found


def test_no_source_file_can_execute_data() -> None:
    files = sorted(SOURCES.rglob("*.py"))
    assert len(files) > 100
    found = [
        each
        for path in files
        for each in offences(path.read_text(encoding="utf-8"), path.relative_to(SOURCES).as_posix())
    ]
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from marshal import loads",
        "import dill.source",
        "eval('1')",
        "run = exec",
        "np.load(file, allow_pickle=True)",
        "importlib.import_module(read)",
    ],
)
def test_the_check_finds(text: str) -> None:
    assert offences(text, "some.py")
