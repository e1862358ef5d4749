"""`headrace train`: training sets, made and made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.cli import output
from headrace.cli.choosing import features_of, which_features
from headrace.cli.store import opened
from headrace.cli.verb import DONE, FOUND, verb
from headrace.errors import DataError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from headrace.cli.store import Dataset

__all__ = ["train"]


def _which_labels(function: Callable[..., int]) -> Callable[..., int]:
    """Add what is asked of labels."""
    options = [
        click.option(
            "--label", "-l", "labels", multiple=True, metavar="NAME", help="This label; again for several."
        ),
        click.option("--as-of", metavar="TIME", help="Labels as they were known before this instant."),
        click.option(
            "--immature",
            type=click.Choice(["null", "keep", "drop"]),
            default="null",
            show_default=True,
            help="Rows whose label may still change: hide it, show it as it is, or leave the rows out.",
        ),
        click.option("--negatives", type=float, metavar="SHARE", help="Keep this share of rows without one."),
        click.option("--seed", type=int, default=0, show_default=True, help="Which of them."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@verb
@click.argument("spine", type=click.Path(path_type=Path), required=False)
@which_features
@_which_labels
@click.option("--timestamp", default="ts", show_default=True, help="The spine's column of instants.")
@click.option("--out", "-o", type=click.Path(path_type=Path), help="Write the rows to this Parquet file.")
@click.option(
    "--manifest", type=click.Path(path_type=Path), help="Write how the rows were made to this JSON file."
)
@click.option(
    "--looks-ahead",
    is_flag=True,
    help="Check that nothing was known too early; exit code 2 if it may have been.",
)
@click.option(
    "--rebuild",
    type=click.Path(path_type=Path),
    metavar="MANIFEST",
    help="Make the rows of a manifest, or of a Parquet file that was written here, again.",
)
def train(
    *,
    project: Path,
    as_json: bool,
    spine: Path | None,
    features: Sequence[str],
    service: str | None,
    out: Path | None,
    rebuild: Path | None,
    **asked: Any,
) -> int:
    """Compute features, and labels, for every row of SPINE as they were at its instant.

    SPINE is a Parquet, CSV or JSON Lines file with the entities' keys and a time column. --rebuild makes a
    set again, byte for byte, or says what it was made of that has changed.
    """
    manifest, looks_ahead = asked.pop("manifest"), asked.pop("looks_ahead")
    _check_usage(spine, rebuild, given=bool(features or service or asked["labels"]))
    chosen = {} if rebuild else features_of(features, service)
    if out is not None:
        _check_target(out)
    with opened(project) as store, output.progress() as progress:
        if rebuild is not None:
            dataset = store.rebuild_training_set(rebuild, spine, progress=progress)
        else:
            dataset = store.get_training_set(spine, **chosen, **asked, progress=progress)
        if out is not None:
            dataset.to_parquet(out)
        looked = store.looks_ahead(dataset) if looks_ahead else None
    facts = dataset.manifest
    if manifest is not None:
        _write(manifest, facts)
    if as_json:
        output.document(facts if looked is None else {**facts, "looks_ahead": looked.to_dict()})
    else:
        _tell(dataset, out)
        if looked is not None:
            _tell_leaks(looked.to_dict())
    return FOUND if facts["quarantined"] or (looked and looked.to_dict()["findings"]) else DONE


def _check_usage(spine: Path | None, rebuild: Path | None, *, given: bool) -> None:
    if rebuild is None and spine is None:
        raise click.UsageError("Give a SPINE, or --rebuild with a manifest.")
    if rebuild is not None and given:
        raise click.UsageError("A manifest says which features and labels; leave them out with --rebuild.")


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


def _write(path: Path, facts: Mapping[str, Any]) -> None:
    try:
        path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}.", asked=path, remedy="Choose another place."
        ) from None


def _tell(dataset: Dataset, out: Path | None) -> None:
    facts = dataset.manifest
    if out is None:
        click.echo(f"{dataset!r}\n")
    click.echo(_counted(facts))
    if facts["labels"]:
        click.echo(f"\n{_labels(facts)}")
    output.note(f"{out} written." if out else "Nothing was kept: say --out train.parquet to keep the rows.")
    for label in facts["labels"]:
        if label["without_touch"]:
            output.note(f"{label['without_touch']} row(s) are no touch of {label['label']}: no label.")
    for reason, count in facts["quarantined"].items():
        output.note(f"{count} row(s) left out, {reason}.")


def _tell_leaks(looked: Mapping[str, Any]) -> None:
    for finding in looked["findings"]:
        output.note(f"{'Leak' if finding['certain'] else 'Perhaps a leak'}: {finding['message']}")
    if not looked["findings"]:
        output.note(f"Nothing looks ahead: {looked['rows']} row(s) were made again of what was known before.")


def _labels(facts: Mapping[str, Any]) -> str:
    """How many rows have what outcome."""
    from headrace.rendering import plain_table

    counts = ["positive", "negative", "immature", "without_touch"]
    rows = [[each["columns"][0], *(each[name] for name in counts)] for each in facts["labels"]]
    return plain_table(["label", *counts], rows)


def _counted(manifest: Mapping[str, Any]) -> str:
    """How many values of each status every feature has."""
    from headrace.rendering import plain_table

    statuses = list(dict.fromkeys(status for counts in manifest["statuses"].values() for status in counts))
    rows = [
        [name, *(counts.get(status, 0) for status in statuses)]
        for name, counts in manifest["statuses"].items()
    ]
    return plain_table(["feature", *statuses], rows)
