"""What it costs to start: a bare interpreter, one that imports Headrace, and the command line's help."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bench.experiment import NotThereYetError

if TYPE_CHECKING:
    from collections.abc import Callable


def bare() -> Callable[[], None]:
    """An interpreter that does nothing."""
    return _command("-c", "pass")


def imported() -> Callable[[], None]:
    """An interpreter that imports Headrace."""
    if find_spec("headrace") is None:
        raise NotThereYetError("headrace")
    return _command("-c", "import headrace")


def helped() -> Callable[[], None]:
    """`headrace --help`, as its console script runs it."""
    if find_spec("headrace") is None or find_spec("headrace.cli") is None:
        raise NotThereYetError("headrace.cli")
    return _command("-c", "import sys; from headrace.cli import main; sys.exit(main())", "--help")


def _command(*arguments: str) -> Callable[[], None]:
    command = [sys.executable, *arguments]

    def run() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    return run
