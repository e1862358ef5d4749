"""`headrace train`, `headrace materialize` and `headrace push`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.cli import output
from headrace.cli.choosing import features_of, which_features
from headrace.cli.rows import read_rows
from headrace.cli.store import opened
from headrace.cli.verb import DONE, FOUND, verb
from headrace.errors import DataError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["materialize", "push", "train"]


@verb
@click.argument("spine", type=click.Path(path_type=Path))
@which_features
@click.option("--timestamp", default="ts", show_default=True, help="The spine's column of instants.")
@click.option("--out", "-o", type=click.Path(path_type=Path), help="Write the rows to this Parquet file.")
def train(
    *,
    project: Path,
    as_json: bool,
    spine: Path,
    features: Sequence[str],
    service: str | None,
    full_feature_names: bool,
    timestamp: str,
    out: Path | None,
) -> int:
    """Compute features for every row of SPINE as they were at its instant.

    SPINE is a Parquet, CSV or JSON Lines file with the entities' keys and a time column.
    """
    asked = features_of(features, service)
    if out is not None:
        _check_target(out)
    with opened(project) as store, output.progress() as progress:
        dataset = store.get_historical_features(
            spine,
            **asked,
            timestamp=timestamp,
            full_feature_names=full_feature_names,
            progress=progress,
        )
        if out is not None:
            dataset.to_parquet(out)
    manifest = dataset.manifest
    if as_json:
        output.document(manifest)
    else:
        if out is None:
            click.echo(f"{dataset!r}\n")
        click.echo(_counted(manifest))
        output.note(
            f"{out} written." if out else "Nothing was kept: say --out train.parquet to keep the rows."
        )
        _left_out(manifest["quarantined"])
    return FOUND if manifest["quarantined"] else DONE


@verb
@click.option(
    "--end",
    metavar="TIME",
    help="Load what was known before this instant; by default, all that should be complete.",
)
@click.option("--view", "views", multiple=True, metavar="VIEW", help="Only this view; again for several.")
@click.option("--full", is_flag=True, help="Load everything anew, not only what is new.")
def materialize(*, project: Path, as_json: bool, end: str | None, views: Sequence[str], full: bool) -> int:
    """Load features into the online store: what is new since the load before, switched to at once."""
    with opened(project) as store, output.progress() as progress:
        loads = store.materialize(end, views=views or None, full=full, progress=progress)
    loaded = [each.to_dict() for each in loads]
    if as_json:
        output.document({"loads": loaded})
    elif loaded:
        output.table(list(loaded[0]), [list(each.values()) for each in loaded])
    else:
        output.note("There is no view to load: run `headrace apply` first.")
    return FOUND if any(each["rejected"] for each in loaded) else DONE


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
    counts = {name: getattr(pushed, name) for name in ("accepted", "duplicates", "late", "rejected")}
    if as_json:
        output.document(counts)
    else:
        output.table(list(counts), [list(counts.values())])
    return FOUND if pushed.rejected else DONE


def _check_target(out: Path) -> None:
    """Check what can be known of a file to write before anything is computed.

    Raises:
        DataError: Its name is not that of a Parquet file.
        StoreError: Its directory is not there.
    """
    from headrace.reading.locate import kind_of, suffixes_of

    if kind_of(out) != "parquet":
        raise DataError(
            f"{out} cannot be written: rows are written as Parquet only.",
            asked=out.suffix or out.name,
            available=suffixes_of("parquet"),
            remedy="Give the file one of these endings; pandas and DuckDB make other forms of it.",
        )
    if not out.parent.is_dir():
        raise StoreError(
            f"{out} cannot be written: there is no directory {str(out.parent)!r}.",
            asked=out,
            remedy="Make the directory, or choose another.",
        )


def _counted(manifest: Mapping[str, Any]) -> str:
    """How many values of each status every feature has."""
    from headrace.rendering import plain_table

    statuses = list(dict.fromkeys(status for counts in manifest["statuses"].values() for status in counts))
    rows = [
        [name, *(counts.get(status, 0) for status in statuses)]
        for name, counts in manifest["statuses"].items()
    ]
    return plain_table(["feature", *statuses], rows)


def _left_out(quarantined: Mapping[str, int]) -> None:
    for reason, count in quarantined.items():
        output.note(f"{count} row(s) left out, {reason}.")
