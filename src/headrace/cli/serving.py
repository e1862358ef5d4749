"""`headrace get`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headrace.cli import output
from headrace.cli.choosing import context_of, entities_of, features_of, which_features
from headrace.cli.store import opened
from headrace.cli.verb import DONE, FOUND, verb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["get"]

_UNUSUAL = {"NOT_FOUND", "OUTSIDE_MAX_AGE", "INVALID"}
"""Why a value may be missing, other than that it is null."""


@verb
@which_features
@click.option(
    "--entity",
    "-e",
    "entities",
    multiple=True,
    metavar="KEY=VALUE",
    help="Whom to ask about, as in user_id=u1,u2.",
)
@click.option(
    "--context", "-c", multiple=True, metavar="NAME=VALUE", help="A request value, the same for all."
)
@click.option("--as-of", metavar="TIME", help="The instant to answer for; now by default.")
def get(
    *,
    project: Path,
    as_json: bool,
    features: Sequence[str],
    service: str | None,
    full_feature_names: bool,
    entities: Sequence[str],
    context: Sequence[str],
    as_of: str | None,
) -> int:
    """Read features from the online store."""
    asked = features_of(features, service)
    keys, values = entities_of(entities), context_of(context)
    with opened(project) as store:
        answer = store.get_online_features(
            **asked,
            entities=keys,
            context=values or None,
            as_of=as_of,
            full_feature_names=full_feature_names,
        )
    document = answer.document()
    if as_json:
        output.document(document)
    else:
        _show(document)
    return FOUND if any("INVALID" in each["statuses"] for each in document["results"]) else DONE


def _show(document: Mapping[str, Any]) -> None:
    """A row for each feature and a column for each entity: features are many, entities few."""
    metadata, results = document["metadata"], document["results"]
    rows = [
        [name, *map(_cell, result["values"], result["statuses"])]
        for name, result in zip(metadata["feature_names"], results, strict=True)
    ]
    many = len(rows[0]) - 1 if rows else 0
    output.table(["feature", *(["value"] if many == 1 else map(str, range(1, many + 1)))], rows)
    output.note(f"As of {metadata['as_of']}.")
    for name, reason in (metadata.get("reasons") or {}).items():
        output.note(f"{name}: {reason}")


def _cell(value: Any, status: str) -> Any:
    """The value, or why there is none."""
    return f"({status.lower().replace('_', ' ')})" if value is None and status in _UNUSUAL else value
