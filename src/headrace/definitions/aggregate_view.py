"""Aggregate views: aggregations over windows of an entity's events."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.aggregations.base import Aggregation
from headrace.definitions.feature import FEATURE_TYPES, FeatureDefinition, infer_feature_type
from headrace.definitions.logic import describe_aggregation
from headrace.definitions.rules import Rule
from headrace.definitions.source import EventSource
from headrace.definitions.view import View
from headrace.errors import UnknownNameError
from headrace.schema import DOUBLE, Type
from headrace.windows import Series, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.definitions.entity import Entity

__all__ = ["AggregateView"]


@dataclass(frozen=True)
class AggregateView(View):
    """Aggregations over windows of an entity's events.

    Attributes:
        features: The aggregations.
        timezone: IANA name of the zone of calendar windows and of `local(ts)`; None for the project's.
    """

    _: KW_ONLY
    source: EventSource
    features: tuple[Aggregation, ...] = ()
    timezone: str | None = None

    form: ClassVar[str] = "aggregate"

    if TYPE_CHECKING:

        def __init__(  # noqa: PLR0913 - what may be written; the fields say what is kept
            self,
            name: str,
            *,
            entity: Entity,
            source: EventSource,
            features: Sequence[Aggregation],
            version: str = "1",
            update_frequency: str = "daily",
            timezone: str | None = None,
            is_active: bool = True,
            description: str = "",
            owner: str = "",
            tags: Sequence[str] = (),
            written: str = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        """Check the aggregations by themselves and against each other."""
        super().__post_init__()
        if not isinstance(self.source, EventSource):
            raise self.error(
                f"an aggregate view needs events, and {self.source.name!r} is a table source.",
                asked=self.source.name,
                remedy="Use an hr.EventSource, or an hr.LatestView of the table.",
            )
        self._check_timezone()
        features = self.sequence("features", "a list of aggregations")
        if not features:
            raise self.error("it has no features.", remedy="Give at least one aggregation.")
        for each in features:
            if not isinstance(each, Aggregation):
                raise self.error(
                    f"{each!r} is not an aggregation.", asked=each, remedy="Make it with headrace.agg."
                )
        self._set(features=features)
        self._check_names()
        siblings = {each.name: each for each in self.features}
        for each in self.features:
            self._check_aggregation(each, siblings)

    def _check_timezone(self) -> None:
        if self.timezone is None:
            return
        try:
            zoneinfo.ZoneInfo(self.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError):
            unknown = UnknownNameError.of("time zone", str(self.timezone), zoneinfo.available_timezones())
            raise self.error(
                f"{self.timezone!r} is not an IANA time zone.",
                asked=self.timezone,
                available=unknown.available,
                remedy="Give a name such as 'Europe/Berlin'.",
            ) from None

    def _check_names(self) -> None:
        """No stem and no output name twice, none that an entity's key has."""
        stems: dict[str, Aggregation] = {}
        for each in self.features:
            if each.name in stems:
                raise each.error(
                    f"view {self.name!r} has another feature of that name, at {stems[each.name].written}.",
                    asked=each.name,
                    remedy="Rename one of them.",
                )
            stems[each.name] = each
        taken: dict[str, str] = {key: f"the join key {key!r}" for key in self.entity.join_keys}
        for each, _, name, _ in self._columns():
            if name in taken:
                raise each.error(
                    f"its feature {name!r} would have the name of {taken[name]} in view {self.name!r}.",
                    asked=name,
                    remedy="Rename one of them.",
                )
            taken[name] = f"a feature of aggregation {each.name!r}"

    def _check_aggregation(self, of: Aggregation, siblings: Mapping[str, Aggregation]) -> None:
        """The aggregation's metadata and references, and its columns as far as their types are declared."""
        if of.type and of.type not in FEATURE_TYPES:
            raise of.error(f"{of.type!r} is not a feature type.", asked=of.type, available=FEATURE_TYPES)
        for rule in of.rules:
            if not isinstance(rule, Rule):
                raise of.error(f"{rule!r} is not a rule.", asked=rule, remedy="Make it with hr.rules.")
            if rule.column:
                raise of.error(
                    f"the rule {rule} names a column, but speaks of the feature's value.",
                    asked=rule.column,
                    remedy="Leave the column out, or put the rule on the source.",
                )
        for name in of.references:
            if name not in siblings:
                unknown = UnknownNameError.of("feature", name, siblings)
                raise of.error(
                    f"it refers to {name!r}, which view {self.name!r} does not have.",
                    asked=name,
                    available=unknown.available,
                    remedy="Refer to an aggregation of the same view by its name.",
                )
        read = {
            column for each in (of, *(siblings[name] for name in of.references)) for column in each.columns
        }
        if self.source.schema is not None and not read & set(self.source.columns):
            of.measures(self.source.schema, siblings)
            of.outputs(self.source.schema)

    def _columns(self) -> Iterator[tuple[Aggregation, Window, str, str]]:
        """(aggregation, window, output name, companion) of each output column.

        What companions there are does not depend on the columns' types, so any will do to ask.
        """
        for each in self.features:
            companions = [output.companion for output in each.outputs(_ANY_COLUMN)]
            for window in each.windows:
                for companion in companions:
                    yield each, window, _output_name(each, window, companion), companion

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The output columns, companions included."""
        return tuple(name for _, _, name, _ in self._columns())

    @property
    def ingredients(self) -> Mapping[str, tuple[Any, ...]]:
        """Of each feature its aggregation, its window, and the aggregations it refers to."""
        siblings = {each.name: each for each in self.features}
        return {
            name: (each, window, companion, *(siblings[other] for other in each.references))
            for each, window, name, companion in self._columns()
        }

    def outputs(self, types: Mapping[str, Type]) -> tuple[FeatureDefinition, ...]:
        """The features spelled out: for each aggregation and window the feature, then its companions."""
        return tuple(
            self._feature(each, window, output.companion, output.type)
            for each in self.features
            for window in each.windows
            for output in each.outputs(types)
        )

    def _feature(self, of: Aggregation, window: Window, companion: str, type_: Type) -> FeatureDefinition:
        type_ = Type("list", items=(type_,)) if isinstance(window, Series) else type_
        logic = describe_aggregation(of, window, self.timezone)
        source = self.source.name
        return FeatureDefinition(
            name=_output_name(of, window, companion),
            view=self.name,
            version=self.version,
            stem=of.name,
            window=window,
            type=type_,
            aggregation=of,
            companion=companion,
            feature_type=of.type if of.type and not companion else infer_feature_type(type_),
            description=of.description or self.description,
            entity=self.entity.name,
            source=source,
            logic=f"{companion} of {logic}" if companion else logic,
            update_frequency=self.update_frequency,
            owner=of.owner or self.owner,
            tags=tuple(dict.fromkeys((*self.tags, *of.tags))),
            dependencies=(
                source,
                *(f"{source}.{column}" for column in of.columns),
                *(f"{self.name}:{name}" for name in of.references),
            ),
            rules=() if companion else of.rules,
            is_active=self.is_active,
            written=of.written,
        )


def _output_name(of: Aggregation, window: Window, companion: str) -> str:
    name = of.feature_name(window)
    return f"{name}__{companion}" if companion else name


class _AnyColumn(Mapping[str, Type]):
    """Every column there could be, a double."""

    def __getitem__(self, name: str) -> Type:
        return DOUBLE

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


_ANY_COLUMN = _AnyColumn()
