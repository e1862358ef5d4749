"""How the demo speaks: chapters with a number and a time, words, small tables."""

from __future__ import annotations

import textwrap
import time
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.rendering import plain_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["Progress", "Showing", "Telling", "readable", "unwatched"]

WIDTH, WIDEST_CELL = 100, 48
INDENT = "   "

if TYPE_CHECKING:
    Progress = Callable[[str, float], None]
    Showing = Callable[[], AbstractContextManager[Progress]]
    """Opens a display of progress, and yields what tells it how far the work is."""


def readable(values: Mapping[str, Any]) -> list[Any]:
    """Values as a table shows them: what is called `since_..` is seconds, and days are easier to read."""
    return [
        f"{value / 86_400:.1f} days" if name.startswith("since_") and value is not None else value
        for name, value in values.items()
    ]


def unwatched() -> AbstractContextManager[Progress]:
    """Progress nobody watches."""
    return nullcontext(lambda _what, _share: None)


@dataclass
class Telling:
    """Tells the story to whoever listens.

    Attributes:
        say: Takes a line of text, or several.
        watch: Shows the progress of long steps.
        seconds_now: A clock that only goes forward, seconds.
        steps: The chapters told so far, with the seconds each took.
        figures: What the chapters found, as JSON values.
    """

    say: Callable[[str], Any]
    watch: Showing
    seconds_now: Callable[[], float] = time.perf_counter
    steps: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def chapter(self, title: str) -> Iterator[None]:
        """A step of the story: its number and title before, its time after."""
        begun = self.seconds_now()
        self.say(f"\n{len(self.steps) + 1}. {title}")
        yield
        seconds = self.seconds_now() - begun
        self.steps.append({"step": title, "seconds": round(seconds, 2)})
        self.say(f"\n{INDENT}({seconds:.1f} s)")

    def words(self, text: str) -> None:
        """A paragraph."""
        whole = " ".join(text.split())
        self.say("\n" + textwrap.fill(whole, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT))

    def table(self, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """A small table."""
        self.say("\n" + textwrap.indent(plain_table(names, rows, width=WIDEST_CELL), INDENT * 2))

    def lines(self, *lines: str) -> None:
        """Lines as they are, such as commands."""
        self.say("\n" + "\n".join(INDENT * 2 + line for line in lines))
