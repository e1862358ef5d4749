"""References: how features, services and other definitions are named.

`view:feature` (the active version), `view@2:feature` (also `view@v2:feature`), `service@1`, and on-demand
features by bare name. Output columns are bare feature names, or `view__feature` with full names; no view's
name holds `__` or ends in `_`, so that a full name splits in one way only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headrace.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Reference", "output_name", "output_names", "parse_reference", "split_full_name"]

_REFERENCE = re.compile(r"(?P<name>[^\s:@]+)(?:@(?P<version>[A-Za-z0-9_.-]+))?(?::(?P<feature>[^\s:@]+))?")


@dataclass(frozen=True, order=True)
class Reference:
    """The name of a definition, or of a feature of a view.

    Attributes:
        kind: entity, source, view, on_demand, service or label.
        name: Its name.
        version: Its version; empty for the active one, and for kinds without versions.
        feature: A feature of the view; empty for the definition itself.
    """

    kind: str
    name: str
    version: str = ""
    feature: str = ""

    def __str__(self) -> str:
        """The reference as it is written."""
        version = f"@{self.version}" if self.version else ""
        return f"{self.name}{version}:{self.feature}" if self.feature else f"{self.name}{version}"

    @property
    def definition(self) -> Reference:
        """The definition the feature belongs to."""
        return Reference(self.kind, self.name, self.version)


def parse_reference(text: str, kind: str = "on_demand") -> Reference:
    """A reference from its text.

    Args:
        text: `view:feature`, `view@2:feature`, `name` or `name@2`.
        kind: What a name without a feature means: "on_demand", "service", "view".

    Raises:
        DefinitionError: The text is no reference.

    Examples:
        >>> str(parse_reference("user_ads@v2:ctr_7d"))
        'user_ads@2:ctr_7d'
        >>> parse_reference("ctr_model@1", "service")
        Reference(kind='service', name='ctr_model', version='1', feature='')
    """
    match = _REFERENCE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise DefinitionError(
            f"{text!r} is not a reference.",
            asked=text,
            remedy="Write 'view:feature', 'view@2:feature', 'service@1' or the name of an on-demand feature.",
        )
    version = match["version"] or ""
    if re.fullmatch(r"v\d+", version):
        version = version[1:]
    return Reference("view" if match["feature"] else kind, match["name"], version, match["feature"] or "")


def output_name(of: Reference, *, full: bool = False) -> str:
    """The column a feature is returned in: its bare name, or `view__feature` where it has a view."""
    if not of.feature:
        return of.name
    return f"{of.name}__{of.feature}" if full else of.feature


def split_full_name(text: str) -> tuple[str, str]:
    """The (view, feature) of a full name; a name without `__` is an on-demand feature, its view empty.

    Examples:
        >>> split_full_name("user_ads__recent_7d__ts")
        ('user_ads', 'recent_7d__ts')
    """
    view, found, feature = text.partition("__")
    return (view, feature) if found else ("", text)


def output_names(
    features: Sequence[Reference], *, full: bool = False, keys: Iterable[str] = ()
) -> tuple[str, ...]:
    """The output columns of features, in their order.

    Args:
        features: What is asked for, resolved.
        full: Whether full names are wanted (`full_feature_names=True`).
        keys: Columns that are there already: join keys, request fields, the spine's columns.

    Raises:
        DefinitionError: A feature is named twice; or two features, or a feature and a key, would have the
            same column.
    """
    taken: dict[str, Reference | None] = dict.fromkeys(keys)
    for each in features:
        name = output_name(each, full=full)
        if name in taken:
            raise _collision(name, taken[name], each, full=full)
        taken[name] = each
    return tuple(output_name(each, full=full) for each in features)


def _collision(name: str, first: Reference | None, second: Reference, *, full: bool) -> DefinitionError:
    """The error for two that would be one column; the first may be a key."""
    if first == second:
        return DefinitionError(f"The feature {second} is named twice.", asked=second, remedy="Leave one out.")
    versions = first is not None and replace(first, version=second.version) == second
    if versions:
        remedy = "No column tells versions apart: ask for each version by itself."
    elif full or output_name(second, full=True) == (output_name(first, full=True) if first else name):
        remedy = "Rename one of them."
    else:
        remedy = "Ask with full_feature_names=True, or rename one of them."
    told = str(first) if first else f"the column {name!r}"
    return DefinitionError(
        f"{told} and {second} would both be the column {name!r}.", asked=name, remedy=remedy
    )
