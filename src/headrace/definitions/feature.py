"""Features: views spelled out, one record a column, with all that the registry tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.aggregations.base import Aggregation
    from headrace.definitions.rules import Rule
    from headrace.schema import Type
    from headrace.windows import Window

__all__ = ["FEATURE_TYPES", "FeatureDefinition", "infer_feature_type"]

FEATURE_TYPES = ("numerical", "categorical", "binary", "embedding", "list")


@dataclass(frozen=True)
class FeatureDefinition:
    """One output column.

    Attributes:
        name: The column.
        view: The view it belongs to; empty for an on-demand feature.
        version: The view's or on-demand feature's version.
        stem: The aggregation's name, or the source's column.
        window: What it is taken over; lifetime for decay and recency; None for latest values and on-demand
            features.
        type: The type of its values.
        aggregation: What computes it; None for latest values and on-demand features.
        companion: What the name has beyond the feature's own, such as `ts`; empty for the feature itself.
        feature_type: numerical, categorical, binary, embedding or list.
        description: What it means, in words.
        entity: What it is about; empty for an on-demand feature.
        source: Where its rows come from; empty for an on-demand feature.
        logic: How it is computed, readable.
        update_frequency: real_time, hourly, daily or weekly.
        owner: Who answers for it.
        tags: Words to find it by, the view's and its own.
        dependencies: What it is made from: `source`, `source.column`, `view:feature`.
        rules: What its values have to be.
        is_active: Whether it is served.
        written: File and line.
    """

    name: str
    view: str
    version: str
    stem: str
    window: Window | None
    type: Type
    aggregation: Aggregation | None = None
    companion: str = ""
    feature_type: str = ""
    description: str = ""
    entity: str = ""
    source: str = ""
    logic: str = ""
    update_frequency: str = "daily"
    owner: str = ""
    tags: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    is_active: bool = True
    written: str = field(default="", compare=False, repr=False)

    @property
    def reference(self) -> str:
        """How it is asked for: `view@version:feature`, or `name@version` for an on-demand feature."""
        return f"{self.view}@{self.version}:{self.name}" if self.view else f"{self.name}@{self.version}"


def infer_feature_type(of: Type, *, latest: bool = False) -> str:
    """The feature type of a value type.

    Args:
        of: The type of the values.
        latest: Whether it is a stored value; a stored list of doubles is an embedding, a computed one a list.
    """
    if of.items:
        return "embedding" if latest and of.name == "list" and of.items[0].name == "double" else "list"
    return {"bool": "binary", "string": "categorical", "binary": "categorical"}.get(of.name, "numerical")
