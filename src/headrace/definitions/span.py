"""Lengths of time in definitions: written as `"7d"`, kept as microseconds."""

from __future__ import annotations

import datetime as dt
import re

from headrace.clock import DAY, HOUR, MINUTE, SECOND
from headrace.errors import DefinitionError
from headrace.windows import bounded, duration

__all__ = ["Span", "span"]


class Span(int):
    """Microseconds; an int of its own, so that a bare number is never mistaken for a duration."""

    __slots__ = ()

    def __str__(self) -> str:
        """The duration as it would be written, or in microseconds where nothing coarser will do."""
        if not self:
            return "0s"
        units = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND))
        return next((f"{self // size}{unit}" for unit, size in units if self % size == 0), f"{int(self)}us")


def span(given: str | dt.timedelta | Span) -> Span:
    """The length of time that is written.

    Raises:
        DefinitionError: It is no duration, negative, or longer than 100 years.
    """
    if isinstance(given, Span):
        return given
    if not isinstance(given, (str, dt.timedelta)):
        raise DefinitionError(
            f"{given!r} is not a duration.",
            asked=given,
            remedy="Write a whole number and s, m, h, d or w, like '7d'.",
        )
    exact = re.fullmatch(r"([0-9]{1,20})us", given) if isinstance(given, str) else None
    return Span(bounded(int(exact[1]), given) if exact else duration(given))
