"""The README's example does what the README says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.+?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_example_runs_and_prints_what_is_shown(tmp_path):
    (tmp_path / "headrace.toml").write_text('[project]\nname = "ads"\n', encoding="utf-8")
    (tmp_path / "events.csv").write_text(_blocks("csv")[0], encoding="utf-8")
    features, program = _blocks("python")
    (tmp_path / "features.py").write_text(features, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.stderr == ""
    assert ran.stdout == _blocks("text")[0]
