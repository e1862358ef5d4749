"""What names stand for by what the registry says now: made anew when it changes, and put in place at once."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace.errors import HeadraceError
from headrace.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headrace.online.serve import Served
    from headrace.registry.registry import Registry
    from headrace.served_requests import Request, ServedRequests

__all__ = ["Current"]

_LOG = logging.getLogger("headrace.registry")

PATIENCE = 0.5
"""Seconds for which requests go on with what they know of the registry before they look again."""
_PAUSE = 0.4
"""Seconds between two looks at a registry that is watched."""
_ENDING = 10.0
"""Seconds that a look under way is waited for in the end."""


class Current:
    """What names stand for, and what answers requests, at present.

    Each is of one state of the registry, and is never changed into one of another: whoever holds one goes on
    with it. Verbs ask for the state at this moment. Requests take a recent one; where the registry is
    watched they never look themselves, and what they ask for is ready before it is put in place.
    """

    def __init__(self, registry: Callable[[], Registry], make: Callable[[int], ServedRequests]) -> None:
        """Of a registry.

        Args:
            registry: Opens it.
            make: Makes what answers requests, at a state of its counter.
        """
        self._registry = registry
        self._make = make
        self._made: ServedRequests | None = None
        self._looked = 0.0
        self._making = threading.Lock()
        self._watched = False
        self._trouble = Trouble(
            _LOG, "Requests go on by what the registry said before", "The registry can be read again."
        )

    def now(self) -> ServedRequests:
        """By what the registry says at this moment.

        Raises:
            StoreError: It cannot be read.
        """
        counter = self._registry().counter()
        with self._making:
            made = self._made
            if made is None or made.names.counter != counter:
                new = self._make(counter)
                if made is not None and self._watched:
                    new.make_ready(made)
                self._made = made = new
            self._looked = time.monotonic()
        return made

    def request(self, request: Request) -> Served:
        """What answers a request, by what the registry said half a second ago, or since.

        Raises:
            StoreError: The registry cannot be read; not where it is watched and this was asked for before.
            DataError: Neither or both are given, or the list is empty.
            UnknownNameError: One does not exist.
            DefinitionError: A text is no reference, or two outputs share a name.
        """
        made = self._made
        if made is not None and (self._watched or time.monotonic() - self._looked <= PATIENCE):
            found = made.ready(request)
            if found is not None:
                return found
        return self.now().served(request)

    def forget(self) -> None:
        """Make all anew at the next use: the registry has changed."""
        self._made = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at the registry again and again, on a thread of its own, while the block runs."""
        done = threading.Event()
        thread = threading.Thread(target=self._watch, args=(done,), name="headrace-registry", daemon=True)
        self._watched = True
        thread.start()
        try:
            yield
        finally:
            self._watched = False
            done.set()
            thread.join(_ENDING)

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(_PAUSE):
            try:
                self.now()
                self._trouble.tell("")
            except HeadraceError as error:
                self._trouble.tell(str(error))
            except Exception:  # noqa: BLE001 - it goes on: nobody else would look
                self._trouble.fail()
