"""What the server says on its error stream: as people read it, or a JSON object a line."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from headrace.clock import format_instant
from headrace.server.tracks import ABOUT, REQUESTS, request_id

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["speak"]

_LOGGERS = ("headrace", "uvicorn")
_TEXT = "%(levelname)s %(name)s: %(message)s"


class _AsJson(logging.Formatter):
    """One object a record: when, how bad, who says it, in which request, and what."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": format_instant(round(record.created * 1e6)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request := request_id():
            line["request"] = request
        line |= getattr(record, ABOUT, {})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def speak(form: str, *, tell_requests: bool, to: TextIO | None = None) -> None:
    """Say what this process has to say, from now on.

    Args:
        form: "text" or "json".
        tell_requests: Whether a line is said for each request.
        to: Where; the error stream by default.
    """
    handler = logging.StreamHandler(to or sys.stderr)
    handler.setFormatter(_AsJson() if form == "json" else logging.Formatter(_TEXT))
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
    REQUESTS.setLevel(logging.INFO if tell_requests else logging.WARNING)
