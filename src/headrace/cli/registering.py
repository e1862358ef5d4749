"""`headrace plan` and `headrace apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headrace.cli import output
from headrace.cli.store import opened
from headrace.cli.verb import DONE, FOUND, verb

if TYPE_CHECKING:
    from pathlib import Path

    from headrace.cli.store import Plan

__all__ = ["apply", "plan"]

COLUMNS = ("", "kind", "object", "change", "what it means")


@verb
def plan(*, project: Path, as_json: bool) -> int:
    """Show what `apply` would change; exit code 2 if anything."""
    with opened(project) as store:
        planned = store.plan()
    if as_json:
        output.document(planned.to_dict())
    else:
        _show(planned, "No changes: the registry holds what is defined.")
    return DONE if planned.is_empty else FOUND


@verb
@click.option("--allow-destructive", is_flag=True, help="Go on even if something stored is lost.")
def apply(*, project: Path, as_json: bool, allow_destructive: bool) -> int:
    """Register the definitions: do what `plan` shows, all of it or nothing."""
    with opened(project) as store:
        applied = store.apply(allow_destructive=allow_destructive)
    if as_json:
        output.document({**applied.plan.to_dict(), "counter": applied.counter})
    else:
        _show(applied.plan, "Nothing to do: the registry holds what is defined.")
    return DONE


def _show(planned: Plan, otherwise: str) -> None:
    rows = planned.rows()
    if rows:
        output.table(COLUMNS, rows)
    elif planned.is_empty:
        output.note(otherwise)
    for text in planned.notes:
        output.note(text)
