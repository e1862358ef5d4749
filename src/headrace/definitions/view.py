"""Views: features of one entity from one source, versioned together."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.definitions.base import METADATA, UPDATE_FREQUENCIES, Definition, Versioned
from headrace.definitions.entity import Entity
from headrace.definitions.source import Source
from headrace.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.definitions.feature import FeatureDefinition
    from headrace.schema import Type

__all__ = ["FeatureSelection", "View"]


@dataclass(frozen=True)
class FeatureSelection:
    """Some features of a view: what `view["ctr_7d", "clicks_1d"]` is.

    Attributes:
        view: The view.
        features: Names of its features, in the order asked.
    """

    view: View
    features: tuple[str, ...]


@dataclass(frozen=True)
class View(Versioned):
    """What aggregate and latest-value views have in common.

    Attributes:
        entity: What the features are about.
        source: Where the rows come from.
        features: What is made of them.
        update_frequency: How often new values are expected: real_time, hourly, daily or weekly.
    """

    _: KW_ONLY
    entity: Entity
    source: Source
    features: tuple[Any, ...] = ()
    update_frequency: str = field(default="daily", metadata=METADATA)

    kind: ClassVar[str] = "view"

    def __post_init__(self) -> None:
        """Check entity, source and frequency; the features are the forms' own business."""
        super().__post_init__()
        if not isinstance(self.entity, Entity):
            raise self.error(
                f"entity is an hr.Entity, not {self.entity!r}.",
                asked=self.entity,
                remedy="Pass the entity itself.",
            )
        if not isinstance(self.source, Source):
            raise self.error(
                f"source is an hr.EventSource or hr.TableSource, not {self.source!r}.",
                asked=self.source,
                remedy="Pass the source itself.",
            )
        self.one_of("update_frequency", UPDATE_FREQUENCIES)
        for key, of in self.entity.join_keys.items():
            if key in self.source.columns:
                raise self.error(
                    f"the join key {key!r} is a derived column of source {self.source.name!r}.",
                    asked=key,
                    remedy="Keys are read from the data; name a column of the schema.",
                )
            schema = self.source.schema
            if schema is None:
                continue
            if key not in schema:
                raise self.error(
                    f"the join key {key!r} is not in the schema of source {self.source.name!r}.",
                    asked=key,
                    available=list(schema),
                    remedy="Declare it there.",
                )
            if schema[key] != of:
                raise self.error(
                    f"the join key {key!r} is of type {of}, but {schema[key]} in {self.source.name!r}.",
                    asked=key,
                    remedy="Declare both alike; every reader casts to the declared type.",
                )

    @property
    def uses(self) -> tuple[Definition, ...]:
        """Its entity and its source."""
        return (self.entity, self.source)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The output columns, companions included."""
        raise AssertionError(self.form)

    @property
    def ingredients(self) -> Mapping[str, tuple[Any, ...]]:
        """What each feature's values depend on beside the view itself, for its own fingerprint."""
        raise AssertionError(self.form)

    def outputs(self, types: Mapping[str, Type]) -> tuple[FeatureDefinition, ...]:
        """The features spelled out, one record an output column.

        Args:
            types: The source's columns, derived ones included.

        Raises:
            DefinitionError: A column is missing or of a type that cannot be used.
        """
        raise AssertionError(self.form)

    def __getitem__(self, names: str | tuple[str, ...]) -> FeatureSelection:
        """Some of the features, for services.

        Raises:
            UnknownNameError: There is no such feature.
        """
        wanted = (names,) if isinstance(names, str) else names
        if not isinstance(wanted, tuple) or not wanted or not all(isinstance(name, str) for name in wanted):
            raise self.error(
                f"{names!r} names no feature.", asked=names, remedy=f'Write {self.name}["feature"].'
            )
        known = self.feature_names
        for name in wanted:
            if name not in known:
                unknown = UnknownNameError.of("feature", name, known)
                raise UnknownNameError(
                    f"{self.written}: view {self.name!r}: {unknown.message}",
                    asked=name,
                    available=unknown.available,
                    remedy=unknown.remedy,
                )
        if len(set(wanted)) < len(wanted):
            raise self.error("a feature is asked for twice.", asked=names, remedy="Leave one out.")
        return FeatureSelection(self, wanted)

    def __iter__(self) -> Any:
        """Views are not walked through; without this, `list(view)` would try `view[0]`."""
        raise TypeError(f"View {self.name!r} is not iterable; its features are in .features.")
