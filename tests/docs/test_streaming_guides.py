"""The guides to streams, followed to the letter; where one serves, on a port that is free."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from tests.docs.test_quickstart import CONSOLE, FILE, shown
from tests.services.server import free_port

GUIDES = Path(__file__).parents[2] / "docs" / "guides"


@pytest.mark.parametrize(("name", "files"), [("streaming-ctr", 7), ("what-happens-when", 3)])
def test_every_command_answers_what_the_guide_shows(tmp_path: Path, name: str, files: int) -> None:
    guide = (GUIDES / f"{name}.md").read_text(encoding="utf-8").replace("6566", str(free_port()))
    assert len(FILE.findall(guide)) == files
    try:
        assert shown(guide, tmp_path) == CONSOLE.findall(guide)
    finally:
        with contextlib.suppress(OSError, ValueError):  # where none was started, or it has ended
            os.kill(int((tmp_path / "serve.pid").read_text()), signal.SIGTERM)
