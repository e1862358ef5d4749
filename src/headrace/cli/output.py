"""Answers on stdout, words and progress on stderr; rich where a person looks, plain where a program reads."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["document", "note", "progress", "table"]


def document(value: Any) -> None:
    """Print JSON: indented for people, one line for programs."""
    indent = 2 if sys.stdout.isatty() else None
    click.echo(json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False, default=str))


def note(text: str) -> None:
    """Say something beside the answer."""
    click.echo(text, err=True)


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table: lines and colours on a terminal, aligned columns, nothing cut, in a pipe."""
    from headrace.rendering import is_number, plain_table, written

    if not sys.stdout.isatty():
        click.echo(plain_table(names, rows))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for at, name in enumerate(names):
        values = [row[at] for row in rows if row[at] is not None]
        right = bool(values) and all(map(is_number, values))
        drawn.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(_unmarked(written(value)) for value in row))
    Console().print(drawn)


@contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
    """Show how far work is, on stderr, if somebody looks there; yields a function of (what, share done)."""
    if not sys.stderr.isatty():
        yield lambda _what, _share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(what: str, share: float) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(_unmarked(what), total=1.0)
            bars.update(tasks[what], completed=share)

        yield show


def _unmarked(text: str) -> str:
    """The text with nothing in it that rich would take for markup."""
    from rich.markup import escape

    return escape(text)
