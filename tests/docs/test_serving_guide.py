"""The guide to serving, followed to the letter, on a port that is free."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from tests.docs.test_quickstart import CONSOLE, FILE, shown
from tests.services.server import free_port

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "serving.md").read_text(encoding="utf-8")


def test_every_command_answers_what_the_guide_shows(tmp_path: Path) -> None:
    guide = GUIDE.replace("6566", str(free_port()))
    assert [name for name, _ in FILE.findall(guide)] == [
        "headrace.toml",
        "events.csv",
        "features.py",
        "ask.py",
        "together.py",
        "push.py",
    ]
    try:
        assert shown(guide, tmp_path) == CONSOLE.findall(guide)
    finally:
        with contextlib.suppress(OSError, ValueError):  # where the guide's last command was not reached
            os.kill(int((tmp_path / "serve.pid").read_text()), signal.SIGTERM)
    assert "Traceback" not in (tmp_path / "serve.log").read_text()
