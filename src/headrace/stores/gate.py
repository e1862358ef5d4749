"""A gate: many may be inside at once, or one alone."""

from __future__ import annotations

import threading
from collections import Counter

__all__ = ["Gate", "GateBusyError"]


class GateBusyError(Exception):
    """Nobody can be alone inside now: others stay, or the thread itself does."""


class Gate:
    """Lets many threads in at once, or one alone.

    While one waits to be alone, newcomers wait outside; but a thread that stays inside (it says so when it
    enters) may enter again, or it could never come to its end and leave.
    """

    def __init__(self) -> None:
        """An open gate with nobody inside."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._inside = 0
        self._closed = False
        self._staying: Counter[int] = Counter()

    def enter(self, *, stay: int | None = None) -> None:
        """Go inside; wait while somebody is alone there, or waits to be.

        Args:
            stay: The thread, if it comes back to its caller before it leaves.
        """
        with self._lock:
            if self._closed and threading.get_ident() not in self._staying:
                self._changed.wait_for(lambda: not self._closed)
            self._inside += 1
            if stay is not None:
                self._staying[stay] += 1

    def leave(self, *, stay: int | None = None) -> None:
        """Go outside, as often and in the same way as entered."""
        with self._lock:
            self._inside -= 1
            if stay is not None:
                self._staying[stay] -= 1
                if not self._staying[stay]:
                    del self._staying[stay]
            if self._closed:
                self._changed.notify_all()

    def shut(self, patience: float) -> None:
        """Close the gate and wait until everybody has left.

        Args:
            patience: The longest wait, seconds.

        Raises:
            GateBusyError: Somebody stayed longer than that, or this thread itself stays inside. The gate is
            open.
        """
        with self._lock:
            if threading.get_ident() in self._staying:
                raise GateBusyError
            if not self._changed.wait_for(lambda: not self._closed, patience):
                raise GateBusyError
            self._closed = True
            if not self._changed.wait_for(lambda: not self._inside, patience):
                self._closed = False
                self._changed.notify_all()
                raise GateBusyError

    def reopen(self) -> None:
        """Let the others in again."""
        with self._lock:
            self._closed = False
            self._changed.notify_all()
