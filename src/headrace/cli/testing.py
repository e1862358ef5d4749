"""`headrace test`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli import output
from headrace.cli.store import opened
from headrace.cli.verb import DONE, FAILED, FOUND, verb

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["test"]

_COLOURS = {"passed": "green", "failed": "red", "error": "red"}


@verb
@click.argument("paths", type=click.Path(path_type=Path), nargs=-1)
@click.option("-k", "--keyword", default="", metavar="TEXT", help="Only tests whose file or name has TEXT.")
def test(*, project: Path, as_json: bool, paths: Sequence[Path], keyword: str) -> int:
    """Run feature tests: literal events in, expected values at some instants out, history and serving alike.

    PATHS are files or directories of the project; by default all YAML files and Python tests under tests/.
    """
    with opened(project) as store:
        report = store.test(paths, text=keyword)
    if as_json:
        output.document(report.to_dict())
    else:
        for each in report.outcomes:
            note = f" (offline only: {each.offline_only})" if each.offline_only else ""
            word = click.style(f"{each.word:<6}", fg=_COLOURS[each.word])
            click.echo(f"{word}  {each.test.written}  {each.test.name}{note}")
        for told in filter(None, (each.told() for each in report.outcomes)):
            click.echo(f"\n{told}")
        counts = [(report.count(word), word) for word in _COLOURS]
        click.echo("\n" + ", ".join(f"{count} {word}" for count, word in counts if count))
    if report.count("error"):
        return FAILED
    return FOUND if report.count("failed") else DONE
