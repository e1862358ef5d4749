"""What all verbs share: `--project`, `--json`, exit codes, and one block of text for an error."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.errors import HeadraceError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DONE", "FAILED", "FOUND", "Verb", "verb"]

DONE, FAILED, FOUND = 0, 1, 2

_WIDEST = 100


class Verb(click.Command):
    """A verb: its function returns the exit code; a HeadraceError becomes one block of text."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        """Add the options every verb has."""
        super().__init__(*args, **attributes)
        self.params += [
            click.Option(
                ["--project"],
                type=click.Path(path_type=Path),
                default=".",
                metavar="DIR",
                help="The project's directory; here by default.",
            ),
            click.Option(["--json", "as_json"], is_flag=True, help="Print JSON, for programs."),
        ]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb and leave with its exit code."""
        try:
            code = super().invoke(ctx)
        except HeadraceError as error:
            if os.environ.get("HEADRACE_DEBUG") == "1":
                raise
            click.echo(told(error, as_json=bool(ctx.params.get("as_json"))), err=True)
            code = FAILED
        ctx.exit(code or DONE)


def verb(function: Callable[..., int]) -> Verb:
    """Make a verb of a function; its docstring is the help."""
    return click.command(cls=Verb)(function)


def told(error: HeadraceError, *, as_json: bool) -> str:
    """An error as people or programs read it."""
    if as_json:
        return json.dumps(error.document(), ensure_ascii=False)
    lines = [click.style("Error: ", fg="red", bold=True) + error.message]
    details = {"asked": error.asked, "available": ", ".join(error.available), "remedy": error.remedy}
    indent = " " * 13
    for name, text in details.items():
        if text:
            wrapped = click.wrap_text(text, _WIDEST, f"  {name:<11}", indent)
            lines.append(wrapped)
    return "\n".join(lines)
