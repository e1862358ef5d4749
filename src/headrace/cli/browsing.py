"""`headrace features`, `headrace show` and `headrace lineage`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headrace.cli import output
from headrace.cli.completing import feature_names
from headrace.cli.store import opened
from headrace.cli.verb import DONE, verb
from headrace.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from headrace.cli.store import Store

__all__ = ["features", "lineage", "show"]

COLUMNS = ("reference", "value_type", "type", "tags", "owner", "description")


@verb
@click.argument("words", nargs=-1)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="With this tag; again for any of several.")
@click.option("--all-tags", is_flag=True, help="With all of the tags, not any.")
@click.option("--owner", help="Of this owner.")
@click.option("--type", "kind", help="numerical, categorical, binary, embedding or list.")
def features(
    *,
    project: Path,
    as_json: bool,
    words: Sequence[str],
    tags: Sequence[str],
    all_tags: bool,
    owner: str | None,
    kind: str | None,
) -> int:
    """List features; with WORDS those that have all of them in name, description, tags or columns."""
    some, every = ((), tags) if all_tags else (tags, ())
    with opened(project) as store:
        found = store.list_features(tags=some, all_tags=every, owner=owner, type=kind, text=" ".join(words))
    rows = [each.to_dict() for each in found]
    _listed(rows, as_json=as_json)
    return DONE


@verb
@click.argument("name", shell_complete=feature_names)
def show(*, project: Path, as_json: bool, name: str) -> int:
    """Tell everything about the feature NAME, as in user_ads:ctr_7d; of a view, list its features."""
    with opened(project) as store:
        if rows := _of_view(store, name):
            _listed(rows, as_json=as_json)
            return DONE
        about = _about(store, name)
    if as_json:
        output.document(about)
    else:
        output.table(("field", "value"), _facts(about))
    return DONE


@verb
@click.argument("name", shell_complete=feature_names)
def lineage(*, project: Path, as_json: bool, name: str) -> int:
    """Draw what NAME comes from, and what comes from it: a feature, view, source, entity or service."""
    with opened(project) as store:
        graph = store.lineage(name).to_dict()
    if as_json:
        output.document(graph)
    else:
        output.table(("kind", "name", "comes from"), _sources(graph))
    return DONE


def _listed(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print features, a line each."""
    if as_json:
        output.document({"features": rows})
    elif rows:
        output.table(COLUMNS, [[row.get(name) or None for name in COLUMNS] for row in rows])
    else:
        output.note("No feature matches.")


def _of_view(store: Store, name: str) -> list[dict[str, Any]]:
    """The features of the view NAME, `view` or `view@2`; none if it is no view."""
    view, _, version = name.partition("@")
    every = store.list_features(tags=(), all_tags=(), owner=None, type=None, text="")
    rows = [each.to_dict() for each in every]
    return [row for row in rows if row["view"] == view and version.removeprefix("v") in {"", row["version"]}]


def _about(store: Store, name: str) -> dict[str, Any]:
    """What is known of a feature.

    Raises:
        UnknownNameError: There is none; the remedy says what to type for a definition of another kind.
    """
    try:
        about: dict[str, Any] = store.get_feature(name).to_dict()
    except UnknownNameError:
        if ":" in name:
            raise
        store.lineage(name)  # raises the error that offers names of every kind
    else:
        return about
    raise UnknownNameError(
        f"{name!r} is no feature and no view.",
        asked=name,
        remedy=f"Type `headrace lineage {name}` to see what it comes from and what comes from it.",
    )


def _facts(about: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What is known, the reference first, instants as people write them."""
    from headrace.clock import format_instant

    facts: list[tuple[str, Any]] = [("reference", about.get("reference"))]
    for name, value in about.items():
        if name in {"created_at", "updated_at"} and isinstance(value, int):
            facts.append((name, format_instant(value)))
        elif name != "reference" and value not in (None, "", [], {}):
            facts.append((name, value))
    return facts


def _sources(graph: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Every node with those it comes from; each after its own sources."""
    names = {node["id"]: node["name"] for node in graph["nodes"]}
    before: dict[str, list[str]] = {}
    for edge in graph["edges"]:
        before.setdefault(edge["to"], []).append(names[edge["from"]])
    return [(node["kind"], node["name"], ", ".join(before.get(node["id"], []))) for node in graph["nodes"]]
