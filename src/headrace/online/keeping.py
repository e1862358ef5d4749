"""Keeping a copy current in the background: what could not be copied is, soon after the copy is back."""

from __future__ import annotations

import logging
import random
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace.errors import HeadraceError
from headrace.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from headrace.online.copying import CopiedStore

__all__ = ["Keeper"]

_LOG = logging.getLogger("headrace.copy")

PAUSE = 0.3, 0.6
"""Seconds between two looks; drawn anew each time, so that hosts do not look at once."""
_PATIENCE = 10.0
"""Seconds that a look under way is waited for in the end."""


class Keeper:
    """Looks again and again whether all is copied, and copies what is not.

    Of several one does, until it ends.
    """

    def __init__(
        self,
        store: Callable[[], CopiedStore],
        alone: Callable[[], AbstractContextManager[bool]],
        chance: random.Random | None = None,
    ) -> None:
        """Over a store.

        Args:
            store: Opens it.
            alone: Entered to be the one: whether there is a store on this host, and nobody else is.
            chance: Draws the pauses.
        """
        self._open = store
        self._alone = alone
        self._chance = chance or random.Random()  # noqa: S311 - spreads looks, hides nothing
        self._done = threading.Event()
        self._trouble = Trouble(_LOG, "What is served is not copied", "What is served is copied again.")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Look while the block runs, on a thread of its own."""
        thread = threading.Thread(target=self._run, name="headrace-copy", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.stop()
            thread.join(_PATIENCE)

    def stop(self) -> None:
        """Look no more."""
        self._done.set()

    def _run(self) -> None:
        while not self._done.is_set():
            with self._alone() as mine:
                while mine and not self._done.wait(self._chance.uniform(*PAUSE)):
                    self.look()
            self._done.wait(self._chance.uniform(*PAUSE))

    def look(self) -> None:
        """Copy what is to be copied; what keeps it from being copied is logged, once."""
        try:
            self._open().catch_up(insist=True)
            self._trouble.tell("")
        except HeadraceError as error:
            self._trouble.tell(str(error))
        except Exception:  # noqa: BLE001 - it goes on: nobody else would look
            self._trouble.fail()
