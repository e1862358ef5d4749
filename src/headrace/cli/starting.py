"""`headrace init` and `headrace demo`."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import output
from headrace.cli.verb import DONE, FOUND, verb

__all__ = ["demo", "init"]

NEXT = """
Next, in {directory}:
  headrace plan                                   what will be registered
  headrace apply                                  register it
  headrace test                                   what the features mean, as examples that run
  headrace train data/spine.csv -s ctr_model -o train.parquet
                                                  features as they were at each row's instant
  headrace materialize                            load the online store
  headrace get -s ctr_model -e user_id=u001       features now
  headrace push ad_interactions data/new_events.jsonl
                                                  new events; get again to see them
"""


@verb
@click.argument("directory", type=click.Path(path_type=Path), required=False)
@click.option("--name", help="The project's name; by default the directory's.")
def init(*, project: Path, as_json: bool, directory: Path | None, name: str | None) -> int:
    """Make a project in DIRECTORY (or here) that works at once: settings, definitions, a little data."""
    from headrace.cli.starter_project import write_project
    from headrace.clock import SystemClock

    place = (directory or project).expanduser()
    files = write_project(place, name or place.resolve().name, SystemClock().now())
    if as_json:
        output.document(
            {"project": name or place.resolve().name, "directory": str(place.resolve()), "files": files}
        )
    else:
        for file in files:
            click.echo(place / file)
        output.note(NEXT.format(directory=place))
    return DONE


@verb
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    default="headrace-demo",
    show_default=True,
    help="Where to leave the project of the demo.",
)
@click.option(
    "--synthetic", type=click.IntRange(min=1), metavar="N", help="Make up N receipt lines, not the real ones."
)
def demo(*, project: Path, as_json: bool, directory: Path, synthetic: int | None) -> int:
    """Tell the whole story on real data: define, apply, train, load, push, read, and check that all agree."""
    from headrace.demo.story import tell

    say = output.note if as_json else click.echo
    figures = tell(project / directory, synthetic=synthetic, say=say, watch=output.progress)
    if as_json:
        output.document(figures)
    return FOUND if figures["mismatches"] else DONE
