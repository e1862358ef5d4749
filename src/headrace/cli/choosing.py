"""Saying which features and which entities: `--feature`, `--service`, `--entity`, `--context`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.completing import feature_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["context_of", "entities_of", "features_of", "which_features"]


def which_features(function: Callable[..., int]) -> Callable[..., int]:
    """Add `--feature`, `--service` and `--full-feature-names`."""
    options = [
        click.option("--service", "-s", help="All features of this service, as in ctr_model@1."),
        click.option(
            "--feature",
            "-f",
            "features",
            multiple=True,
            metavar="NAME",
            shell_complete=feature_names,
            help="This feature, as in user_ads:ctr_7d; again for several.",
        ),
        click.option("--full-feature-names", is_flag=True, help="Name columns view__feature."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def features_of(features: Sequence[str], service: str | None) -> dict[str, Any]:
    """The arguments `features` and `service`: exactly one of them is given.

    Raises:
        click.UsageError: None or both are.
    """
    if bool(features) == (service is not None):
        raise click.UsageError("Give --service or --feature, one of them.")
    return {"features": list(features) or None, "service": service}


def entities_of(given: Sequence[str]) -> dict[str, list[Any]]:
    """Entities from `user_id=u1,u2` or `user_id=["u,1"]`; the same key again adds to it.

    Raises:
        click.UsageError: A text has no `=`, is no JSON list though it begins like one, or one key has more
            values than another.
    """
    found: dict[str, list[Any]] = {}
    for text in given:
        name, value = _split(text, "--entity")
        values = _json(value, "--entity") if value.startswith("[") else value.split(",")
        found.setdefault(name, []).extend(values)
    if len({len(values) for values in found.values()}) > 1:
        counts = ", ".join(f"{name} has {len(values)}" for name, values in found.items())
        raise click.UsageError(f"Every key of --entity needs as many values: {counts}.")
    return found


def context_of(given: Sequence[str]) -> dict[str, Any]:
    """Request values from `hour=12` or `keywords=["shoes"]`: JSON where it is that, else text.

    Raises:
        click.UsageError: A text has no `=`.
    """
    found = {}
    for text in given:
        name, value = _split(text, "--context")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _split(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.UsageError(f"{option} takes NAME=VALUE, not {text!r}.")
    return name.strip(), value


def _json(text: str, option: str) -> list[Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{option} {text!r} is not a JSON list: {error}.") from None
    assert isinstance(value, list)  # noqa: S101 - JSON that begins with [ is a list
    return value
