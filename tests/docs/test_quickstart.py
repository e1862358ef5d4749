"""The quickstart, followed to the letter: its files are written, its commands run, their output compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "quickstart.md").read_text(encoding="utf-8")
FILE = re.compile(r"`([\w.]+)`[^`]*\n\n```(?:toml|csv|python|json)\n(.+?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.+?)^```$", re.MULTILINE | re.DOTALL)


def shown(guide: str, directory: Path) -> list[str]:
    """The console blocks as they come out in a directory with the guide's files."""
    for name, content in FILE.findall(guide):
        (directory / name).write_text(content, encoding="utf-8")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "COLUMNS": "100", "PYTHONPATH": os.pathsep.join(sys.path)}
    blocks = []
    for block in CONSOLE.findall(guide):
        commands = [line for line in block.splitlines() if line.startswith("$ ")]
        lines = []
        for command in commands:
            ran = subprocess.run(
                ["bash", "-c", command[2:]],
                cwd=directory,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert "Traceback" not in ran.stderr, ran.stderr
            lines += [command, *(line.rstrip() for line in (ran.stdout + ran.stderr).splitlines())]
        blocks.append("\n".join(lines) + "\n")
    return blocks


def test_every_command_answers_what_the_guide_shows(tmp_path: Path) -> None:
    assert [name for name, _ in FILE.findall(GUIDE)] == [
        "headrace.toml",
        "events.csv",
        "features.py",
        "spine.csv",
        "new.jsonl",
    ]
    assert shown(GUIDE, tmp_path) == CONSOLE.findall(GUIDE)
