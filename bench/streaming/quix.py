"""The same features written with Quix Streams, in an environment of its own that the bench installs.

Its windows are the tiles that Headrace merges at a read, five minutes each: the least that its state must
hold for the same answers. It counts copies of events twice, and nothing reads what it has written.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.experiment import NotThereYetError
from bench.inputs import CACHE
from bench.streaming.broker import topic_of
from bench.streaming.events import messages

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION: Final = "3.28.1"
HOME: Final = CACHE / f"quixstreams-{VERSION}"
INSTALL_SECONDS: Final = 900
LIMIT_SECONDS: Final = 1_200


def require() -> None:
    """Install Quix Streams, unless it was; its environment is kept for later runs.

    Raises:
        NotThereYetError: It cannot be installed.
    """
    if (HOME / "installed").exists():
        return
    shutil.rmtree(HOME, ignore_errors=True)
    pip = [HOME / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run([sys.executable, "-m", "venv", HOME], check=True, capture_output=True)
        subprocess.run(
            [*pip, f"quixstreams=={VERSION}"], check=True, capture_output=True, timeout=INSTALL_SECONDS
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise NotThereYetError(
            f"Quix Streams {VERSION} cannot be installed here: {type(error).__name__}"
        ) from error
    (HOME / "installed").touch()


def from_topic(*, events: int, users: int) -> Callable[[], object]:
    """Take all events of a topic on a broker of its own."""
    brokers, topic = topic_of(messages(events, users, zipf=False))
    python = HOME.resolve() / "bin" / "python"
    program = Path(__file__).with_name("quix_program.py")

    def ingest() -> Timed:
        with tempfile.TemporaryDirectory(prefix="hr-quix-") as state:
            done = subprocess.run(
                [python, program, brokers, topic, str(events), state],
                env={"PATH": os.environ["PATH"]},
                check=True,
                capture_output=True,
                text=True,
                timeout=LIMIT_SECONDS,
            )
        return Timed(json.loads(done.stdout.splitlines()[-1]))

    return ingest


class Timed:
    """What the program says of itself: from its first message to its last, without the way into its group."""

    def __init__(self, told: dict[str, float]) -> None:
        """Seconds and processor seconds."""
        self._told = told

    def answer(self) -> dict[str, Any]:
        """The sample."""
        return {"seconds": self._told["seconds"], "processor_seconds": self._told["processor_seconds"]}
