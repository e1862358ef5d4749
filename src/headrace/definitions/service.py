"""Feature services: what a model reads, as one versioned list."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.definitions.base import Definition, Versioned
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.references import Reference, output_names
from headrace.definitions.view import FeatureSelection, View

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FeatureService"]


@dataclass(frozen=True)
class FeatureService(Versioned):
    """What a model reads.

    Attributes:
        features: Selections of views' features and on-demand features, in the order of the output. Given as
            views (all their features), `view["a", "b"]` and on-demand features; neighbouring selections of
            one view are one.
    """

    _: KW_ONLY
    features: tuple[FeatureSelection | OnDemandFeature, ...] = ()

    kind: ClassVar[str] = "service"
    form: ClassVar[str] = "service"

    if TYPE_CHECKING:

        def __init__(  # what may be written; the fields say what is kept
            self,
            name: str,
            *,
            features: Sequence[View | FeatureSelection | OnDemandFeature],
            version: str = "1",
            is_active: bool = True,
            description: str = "",
            owner: str = "",
            tags: Sequence[str] = (),
            written: str = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        """Spell out the members and check that none is there twice."""
        super().__post_init__()
        members: list[FeatureSelection | OnDemandFeature] = []
        for given in self.sequence("features", "a list of views, selections and on-demand features"):
            each = self._member(given)
            last = members[-1] if members else None
            if (
                isinstance(each, FeatureSelection)
                and isinstance(last, FeatureSelection)
                and each.view == last.view
            ):
                members[-1] = FeatureSelection(last.view, (*last.features, *each.features))
            else:
                members.append(each)
        if not members:
            raise self.error("it has no features.", remedy="Give at least one.")
        self._set(features=tuple(members))
        seen = set()
        for reference in self.references:
            if reference in seen:
                raise self.error(
                    f"the feature {reference} is given twice.", asked=reference, remedy="Leave one out."
                )
            seen.add(reference)

    def _member(self, given: Any) -> FeatureSelection | OnDemandFeature:
        if isinstance(given, (FeatureSelection, OnDemandFeature)):
            return given
        if isinstance(given, View):
            return FeatureSelection(given, given.feature_names)
        raise self.error(
            f"{given!r} is neither a view, a selection of one, nor an on-demand feature.",
            asked=given,
            remedy='Pass the view itself, or view["feature"].',
        )

    @property
    def uses(self) -> tuple[Definition, ...]:
        """Its views and on-demand features."""
        return tuple(each if isinstance(each, OnDemandFeature) else each.view for each in self.features)

    @property
    def references(self) -> tuple[Reference, ...]:
        """Its members, each with its version, in the order of the output."""
        found = []
        for each in self.features:
            if isinstance(each, OnDemandFeature):
                found.append(each.reference)
            else:
                found += [replace(each.view.reference, feature=name) for name in each.features]
        return tuple(found)

    def output_names(self, *, full: bool = False) -> tuple[str, ...]:
        """The output columns, in order.

        Args:
            full: Whether full names (`view__feature`) are wanted.

        Raises:
            DefinitionError: Two members, or a member and a join key or request field, would have the same
                column.
        """
        keys: dict[str, None] = {}
        for each in self.features:
            keys |= dict.fromkeys(
                each.request if isinstance(each, OnDemandFeature) else each.view.entity.join_keys
            )
        with self.located("output"):
            return output_names(self.references, full=full, keys=keys)
