"""Latest-value views: the newest row of an entity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.definitions.base import METADATA
from headrace.definitions.feature import FEATURE_TYPES, FeatureDefinition, infer_feature_type
from headrace.definitions.frozen import FrozenMapping
from headrace.definitions.rules import Rule
from headrace.definitions.span import Span, span
from headrace.definitions.view import View

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from headrace.definitions.entity import Entity
    from headrace.definitions.source import Source
    from headrace.schema import Type

__all__ = ["LatestView"]


@dataclass(frozen=True)
class LatestView(View):
    """Columns of an entity's newest row, while it is young enough.

    Attributes:
        features: Names of the source's columns, derived ones included.
        ttl: Microseconds for which a row holds after its timestamp; None for ever.
        descriptions: What single features mean, in words.
        feature_types: The feature types of single features; inferred where they are missing.
        rules: What the values have to be; each rule names a feature.
    """

    _: KW_ONLY
    features: tuple[str, ...] = ()
    ttl: Span | None = None
    descriptions: FrozenMapping[str] = field(default_factory=lambda: FrozenMapping({}), metadata=METADATA)
    feature_types: FrozenMapping[str] = field(default_factory=lambda: FrozenMapping({}), metadata=METADATA)
    rules: tuple[Rule, ...] = field(default=(), metadata=METADATA)

    form: ClassVar[str] = "latest"

    if TYPE_CHECKING:

        def __init__(  # noqa: PLR0913 - what may be written; the fields say what is kept
            self,
            name: str,
            *,
            entity: Entity,
            source: Source,
            features: Sequence[str],
            ttl: str | dt.timedelta | Span | None = None,
            version: str = "1",
            update_frequency: str = "daily",
            is_active: bool = True,
            description: str = "",
            descriptions: Mapping[str, str] = ...,
            feature_types: Mapping[str, str] = ...,
            rules: Sequence[Rule] = (),
            owner: str = "",
            tags: Sequence[str] = (),
            written: str = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        """Check the columns, the ttl and what is said of single features."""
        super().__post_init__()
        features = self.sequence("features", "a list of column names")
        if not features:
            raise self.error("it has no features.", remedy="Name at least one column.")
        for i, name in enumerate(features):
            self._check_feature(name, features[:i])
        self._set(features=features)
        if self.ttl is not None:
            with self.located("ttl"):
                self._set(ttl=span(self.ttl))
            if not self.ttl:
                raise self.error(
                    "ttl is nothing.", asked=self.ttl, remedy="Give a duration, or leave it out."
                )
        self._check_details()

    def _check_feature(self, name: Any, before: Sequence[str]) -> None:
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("__"):
            raise self.error(
                f"{name!r} cannot be a feature's name.",
                asked=name,
                remedy='Derive a column of another name in the source: columns={"name": "\\"the column\\""}.',
            )
        if name in before:
            raise self.error(f"the feature {name!r} is given twice.", asked=name, remedy="Leave one out.")
        if name in self.entity.join_keys:
            raise self.error(
                f"{name!r} is the entity's join key and would be in the result twice.",
                asked=name,
                remedy="Leave it out.",
            )
        known = None if self.source.schema is None else [*self.source.schema, *self.source.columns]
        if known is not None and name not in known:
            raise self.error(
                f"source {self.source.name!r} has no column {name!r}.",
                asked=name,
                available=known,
                remedy="Name one of the source's columns.",
            )

    def _check_details(self) -> None:
        for words in ("descriptions", "feature_types"):
            given: Any = getattr(self, words)
            if not isinstance(given, Mapping):
                raise self.error(
                    f"{words} maps features to texts.", asked=given, remedy=f'Give {words}={{"age": "..."}}.'
                )
            for name, text in given.items():
                self._require_feature(name, words)
                if not isinstance(text, str):
                    raise self.error(f"{words} of {name!r} is a text, not {text!r}.", asked=text)
            self._set(**{words: FrozenMapping(given)})
        for name, word in self.feature_types.items():
            if word not in FEATURE_TYPES:
                raise self.error(
                    f"{word!r}, the type of {name!r}, is not a feature type.",
                    asked=word,
                    available=FEATURE_TYPES,
                )
        rules = self.sequence("rules")
        for rule in rules:
            if not isinstance(rule, Rule):
                raise self.error(f"{rule!r} is not a rule.", asked=rule, remedy="Make it with hr.rules.")
            self._require_feature(rule.column, f"the rule {rule}")
        self._set(rules=rules)

    def _require_feature(self, name: str, what: str) -> None:
        if name not in self.features:
            raise self.error(
                f"{what} speaks of {name!r}, which is not one of its features.",
                asked=name,
                available=self.features,
            )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The output columns."""
        return self.features

    @property
    def ingredients(self) -> Mapping[str, tuple[Any, ...]]:
        """Of each feature its column."""
        return {name: (name,) for name in self.features}

    def outputs(self, types: Mapping[str, Type]) -> tuple[FeatureDefinition, ...]:
        """The features spelled out."""
        return tuple(self._feature(name, types) for name in self.features)

    def _feature(self, name: str, types: Mapping[str, Type]) -> FeatureDefinition:
        if name not in types:
            raise self.error(
                f"source {self.source.name!r} has no column {name!r}.",
                asked=name,
                available=sorted(types),
                remedy="Name one of the source's columns, or derive it in the source's columns=.",
            )
        source = self.source.name
        valid = f" while it is at most {self.ttl} old" if self.ttl else ""
        return FeatureDefinition(
            name=name,
            view=self.name,
            version=self.version,
            stem=name,
            window=None,
            type=types[name],
            feature_type=self.feature_types.get(name) or infer_feature_type(types[name], latest=True),
            description=self.descriptions.get(name) or self.description,
            entity=self.entity.name,
            source=source,
            logic=f"{name} of the newest row{valid}",
            update_frequency=self.update_frequency,
            owner=self.owner,
            tags=self.tags,
            dependencies=(source, f"{source}.{name}"),
            rules=tuple(rule for rule in self.rules if rule.column == name),
            is_active=self.is_active,
            written=self.written,
        )
