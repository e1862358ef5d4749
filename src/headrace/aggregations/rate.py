"""rate: one count over another, smoothed by a prior."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

from headrace.aggregations.base import Aggregation, Measure, Output
from headrace.aggregations.count import Count
from headrace.aggregations.states import Array, Finished, States
from headrace.lazy import numpy as np
from headrace.schema import DOUBLE, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Rate"]


@dataclass(frozen=True)
class Rate(Aggregation):
    """(numerator + a) / (denominator + a + b) for a Beta prior (a, b); the prior's mean without any event.

    Without a prior it is the plain ratio, null where the denominator is 0.

    Attributes:
        numerator: The name of a count of the same view.
        denominator: The name of a count of the same view.
        prior: (a, b): a imagined successes and b imagined failures.
    """

    _: KW_ONLY
    numerator: str
    denominator: str
    prior: tuple[float, float] | None = None
    kind: ClassVar[str] = "rate"

    def __post_init__(self) -> None:
        """Check the prior."""
        super().__post_init__()
        if self.where is not None:
            raise self.error(
                "a rate has no filter of its own.", remedy="Put where= on the counts it divides."
            )
        if self.prior is None:
            return
        try:
            a, b = (float(each) for each in self.prior)
        except (TypeError, ValueError):
            a = b = math.nan
        if not (min(a, b) >= 0 and 0 < a + b < math.inf):
            raise self.error(
                f"prior={self.prior!r} is not a Beta prior.",
                asked=self.prior,
                remedy="Give (a, b), both at least 0 and one of them above.",
            )
        object.__setattr__(self, "prior", (a, b))

    @property
    def references(self) -> tuple[str, ...]:
        """The two counts."""
        return (self.numerator, self.denominator)

    def _measures(
        self, types: Mapping[str, Type], siblings: Mapping[str, Aggregation]
    ) -> tuple[Measure, ...]:
        """The states of the two counts."""
        counts = sorted(name for name, each in siblings.items() if isinstance(each, Count) and not each.by)
        for name in self.references:
            if name not in counts:
                raise self.error(
                    f"there is no count named {name!r} in its view.",
                    asked=name,
                    available=counts,
                    remedy="Define the count beside the rate; a rate divides two counts.",
                )
        return tuple(siblings[name].measures(types, siblings)[0] for name in self.references)

    def _outputs(self, types: Mapping[str, Type]) -> tuple[Output, ...]:
        """A double."""
        return (Output("", DOUBLE),)

    def _finish(
        self, states: tuple[States, ...], t: Array, types: Mapping[str, Type]
    ) -> tuple[Finished, ...]:
        """The smoothed ratio."""
        numerator, denominator = (state.fixed[0].astype(np.float64) for state in states)
        if self.prior is None:
            present = denominator > 0
            return (Finished(numerator / np.where(present, denominator, 1.0), present),)
        a, b = self.prior
        return (Finished((numerator + a) / (denominator + a + b)),)
