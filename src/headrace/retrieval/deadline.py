"""The deadline of a request: what is not computed by then is INVALID, the rest is answered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from headrace.clock import SECOND
from headrace.errors import DataError
from headrace.kernel.columns import INVALID, ArrowColumn, Column
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from headrace.clock import Clock
    from headrace.schema import Type

__all__ = ["DEADLINE", "Deadline", "Overrun", "overdue"]

DEADLINE = "deadline"
"""Why a value that was not computed in time is INVALID."""


class Overrun(NamedTuple):
    """A function that was running when the deadline passed.

    Attributes:
        function: `name@version`.
        took: Microseconds that the call which overran took.
    """

    function: str
    took: int


class Deadline:
    """An instant of a monotonic clock, of one request.

    Attributes:
        clock: The clock, in microseconds.
        overran: The functions that were running when it passed; it is filled while the request is answered.
    """

    def __init__(self, at: int, clock: Clock) -> None:
        """A deadline.

        Args:
            at: The instant, by that clock; at it the deadline has passed.
            clock: A clock that never goes back.
        """
        self._at = at
        self.clock = clock
        self.overran: list[Overrun] = []

    @classmethod
    def after(cls, timeout: float, clock: Clock) -> Deadline:
        """The deadline so many seconds from now.

        Raises:
            DataError: That is no length of time.
        """
        is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
        if not (is_number and 0 <= timeout < math.inf):
            raise DataError(
                f"{timeout!r} is no timeout.",
                asked=timeout,
                remedy="Give seconds, 0 or more; None to wait as long as it takes.",
            )
        return cls(clock.now() + round(timeout * SECOND), clock)

    @property
    def passed(self) -> bool:
        """Whether it is too late."""
        return self.clock.now() >= self._at

    @property
    def left(self) -> float:
        """Seconds until it has passed; negative afterwards."""
        return (self._at - self.clock.now()) / SECOND

    def missed_by(self, function: str, began: int) -> bool:
        """Whether a call came back too late; it is remembered then.

        Args:
            function: What was called, `name@version`.
            began: When, by the deadline's clock.
        """
        now = self.clock.now()
        if now < self._at:
            return False
        self.overran.append(Overrun(function, now - began))
        return True


def overdue(n: int, of: Type) -> Column:
    """The column of a feature that was not computed in time, for n entities."""
    status = np.full(n, INVALID, dtype=np.uint8)
    return ArrowColumn(pa.nulls(n, of.arrow()), status, np.full(n, FOREVER_AGO, dtype=np.int64), DEADLINE)
