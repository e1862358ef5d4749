"""What a shell completes: the names of features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headrace.errors import HeadraceError

if TYPE_CHECKING:
    import click

__all__ = ["feature_names"]


def feature_names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The features of the project that begin so; none when the project cannot be read."""
    from headrace.cli.store import opened

    try:
        with opened(Path(ctx.params.get("project") or ".")) as store:
            found = store.list_features(tags=(), all_tags=(), owner=None, type=None, text="")
    except HeadraceError:
        return []
    names = []
    for each in found:
        about = each.to_dict()
        names.append(f"{about['view']}:{about['name']}" if about.get("view") else str(about["name"]))
    return [name for name in names if name.startswith(incomplete)]
