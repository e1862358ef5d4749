"""`headrace forget`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headrace.cli import output
from headrace.cli.choosing import entities_of
from headrace.cli.store import opened
from headrace.cli.verb import DONE, FOUND, verb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["forget"]

_WHERE = {
    "records": "online store",
    "events": "logs of pushes",
    "late": "late events",
    "quarantined": "quarantine",
    "served": "served log",
}


@verb
@click.argument("entity")
@click.argument("keys", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.option("--dry-run", is_flag=True, help="Only tell what would be removed.")
def forget(*, project: Path, as_json: bool, entity: str, keys: Sequence[str], dry_run: bool) -> int:
    """Remove people from all that the project keeps, as in: forget user user_id=u1,u2.

    A composite key takes one KEY=VALUE for each part.
    """
    wanted = entities_of(keys)
    with opened(project) as store:
        found = store.forget(entity, wanted, dry_run=dry_run).to_dict()
    if as_json:
        output.document(found)
    else:
        _show(found)
    return FOUND if found["left"] else DONE


def _show(found: Mapping[str, Any]) -> None:
    output.table(
        ["where", "would be removed" if found["dry_run"] else "removed"],
        [[where, found[name]] for name, where in _WHERE.items()],
    )
    for each in found["left"]:
        output.note(f"Left: {each}")
    for each in found["outside"]:
        output.note(f"Not touched: {each}")
