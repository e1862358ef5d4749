"""What stands in the way of work that goes on by itself: told when it begins, and when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

__all__ = ["Trouble"]


class Trouble:
    """What stands in the way at present.

    Attributes:
        text: What it is; empty for nothing.
    """

    def __init__(self, log: logging.Logger, begins: str, over: str) -> None:
        """None yet.

        Args:
            log: Where it is told.
            begins: What the message says where it begins; `: ` and the trouble follow.
            over: What it says when it is over.
        """
        self.text = ""
        self._log = log
        self._begins = begins
        self._over = over

    def tell(self, text: str) -> None:
        """Tell of what stands in the way now; empty for nothing. What was told is not told again."""
        if text and not self.text:
            self._log.warning("%s: %s", self._begins, text)
        elif self.text and not text:
            self._log.warning("%s", self._over)
        self.text = text

    def fail(self, text: str = "failed") -> None:
        """Tell of the exception in hand, which nobody expects."""
        if not self.text:
            self._log.exception("%s.", self._begins)
        self.text = text
