"""What is measured, as data: sides that do the same work, and the goals their figures are held against."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from bench.inputs import Inputs

Stage = Literal["at first", "must end", "for scale"]
Quantity = Literal["seconds", "peak_mb"]


class NotThereYetError(Exception):
    """A side cannot be measured, for what it calls does not exist so far; the text says what is missing."""


@dataclasses.dataclass(frozen=True)
class Side:
    """One way to do the work; it runs in a process of its own.

    Attributes:
        name: What the table calls it.
        entry: `module:function`; the function takes inputs and options and returns the call to be timed.
        inputs: What it reads, or None.
        options: Further arguments of the function, as JSON can carry them.
        calls: How often one process makes the call; above 1 its seconds are the median of the calls.
        ours: Whether this is Headrace.
    """

    name: str
    entry: str
    inputs: Inputs | None = None
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    calls: int = 1
    ours: bool = False


@dataclasses.dataclass(frozen=True)
class Goal:
    """One line of the table: a figure of ours, alone or as a multiple of (or in excess of) another side's.

    Attributes:
        stage: When it is due; `for scale` has no limit.
        ours: Name of the side that is judged.
        limit: The most the figure may be; None for `for scale`.
        against: Names of the sides it is divided by: the fastest of them counts. Empty: the figure itself.
        over: Subtract the other side instead of dividing by it.
        quantity: Seconds, or the peak memory in megabytes.
    """

    stage: Stage
    ours: str
    limit: float | None
    against: tuple[str, ...] = ()
    over: bool = False
    quantity: Quantity = "seconds"

    @property
    def unit(self) -> str:
        """`x` for multiples, else the unit of the quantity."""
        if self.against and not self.over:
            return "x"
        return "MB" if self.quantity == "peak_mb" else "s"


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Sides measured in turn, A B A B, and the goals that hold among them.

    Attributes:
        name: Key in `results.json` and on the command line.
        what: One sentence for the table.
        sides: In the order they take turns.
        goals: What is compared.
        agree: Groups of sides whose results must be equal, by name.
        rounds: How many turns each side has, unless the command line says otherwise.
        note: What a reader of the table should know.
    """

    name: str
    what: str
    sides: tuple[Side, ...]
    goals: tuple[Goal, ...]
    agree: tuple[tuple[str, ...], ...] = ()
    rounds: int = 3
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Size:
    """How large a run is.

    Attributes:
        name: `full` or `quick`.
        events: Rows of the event logs.
        spine: Rows of the spines and of the table of slowly changing values.
        growth: Rows of the logs of the growth experiment, each twice the one before.
        read_users: Users of the log behind the online reads, each with events in nearly every tile.
    """

    name: str
    events: int
    spine: int
    growth: tuple[int, ...]
    read_users: int

    @property
    def users(self) -> int:
        """Fifty events for a user, on average."""
        return max(1, self.events // 50)


FULL = Size("full", 10_000_000, 1_000_000, tuple(1_000_000 << i for i in range(7)), 100)
QUICK = Size("quick", 1_000_000, 100_000, tuple(500_000 << i for i in range(3)), 100)
