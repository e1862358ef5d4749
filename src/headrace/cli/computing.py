"""`headrace materialize` and `headrace push`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.cli import output
from headrace.cli.rows import read_rows
from headrace.cli.store import opened
from headrace.cli.verb import DONE, FOUND, verb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["materialize", "push"]


@verb
@click.option(
    "--end",
    metavar="TIME",
    help="Load what was known before this instant; by default, all that should be complete.",
)
@click.option("--view", "views", multiple=True, metavar="VIEW", help="Only this view; again for several.")
@click.option("--full", is_flag=True, help="Load everything anew, not only what is new.")
@click.option("--refill", is_flag=True, help="Load nothing: fill a Redis that was lost or emptied again.")
def materialize(
    *, project: Path, as_json: bool, end: str | None, views: Sequence[str], full: bool, refill: bool
) -> int:
    """Load features into the online store: what is new since the load before, switched to at once."""
    if refill:
        return _refill(project, as_json=as_json, alone=end is None and not views and not full)
    with opened(project) as store, output.progress() as progress:
        loads = store.materialize(end, views=views or None, full=full, progress=progress)
    loaded = [each.to_dict() for each in loads]
    if as_json:
        output.document({"loads": loaded})
    elif loaded:
        names = ("view", "known", "entities", "events", "rejected", "full")
        output.table(names, [[each[name] for name in names] for each in loaded])
        for each in loaded:
            _tell(each)
    else:
        output.note("There is no view to load: run `headrace apply` first.")
    return FOUND if any(each["rejected"] for each in loaded) else DONE


def _refill(project: Path, *, as_json: bool, alone: bool) -> int:
    """Fill the copy that is served from."""
    if not alone:
        raise click.UsageError("--refill copies all that is served: it goes with no other option.")
    with opened(project) as store:
        records = store.refill()
    if as_json:
        output.document({"records": records})
    else:
        output.note(f"{records:,} records copied.")
    return DONE


def _tell(load: Mapping[str, Any]) -> None:
    """Say how many rows and values break which rule."""
    view, sampled = load["view"], load["sampled"]
    for rule, count in load["rules"].items():
        output.note(f"{view}: {count:,} rows break {rule}.")
    for feature, counts in load["values"].items():
        for rule, count in counts.items():
            if count:
                output.note(f"{view}: {feature} of {count:,} of {sampled:,} entities breaks {rule}.")


@verb
@click.argument("source")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), required=False)
@click.option(
    "--row", "rows", multiple=True, metavar="JSON", help="An event as a JSON object; again for several."
)
def push(*, project: Path, as_json: bool, source: str, file: Path | None, rows: Sequence[str]) -> int:
    """Push events of SOURCE: they are durable and visible when this ends.

    FILE holds JSON Lines, CSV or Parquet; - reads JSON Lines from standard input.
    """
    if (file is None) == (not rows):
        raise click.UsageError("Give a FILE or --row, one of them.")
    with opened(project) as store:
        pushed = store.push(source, read_rows(file, rows))
    counts = {
        name: getattr(pushed, name) for name in ("accepted", "duplicates", "late", "rejected", "warned")
    }
    if as_json:
        output.document(counts)
    else:
        warned = counts.pop("warned")
        output.table(list(counts), [list(counts.values())])
        if warned:
            output.note(f"{warned:,} rows count though they break a rule.")
        if pushed.rejected:
            output.note(f"Why rows were rejected: headrace validate --quarantine --source {source}")
    return FOUND if pushed.rejected else DONE
