"""The consistency report: what was compared, what agreed, and why the rest did not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.clock import DAY, HOUR, MINUTE, SECOND, format_instant
from headrace.definitions.span import Span
from headrace.monitoring.causes import CAUSES, UNEXPLAINED

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Consistency", "Example", "FeatureConsistency", "Lag", "ViewConsistency"]

_STEPS = tuple(
    each * unit
    for unit, of_it in (
        (SECOND, (1, 2, 5, 10, 15, 30)),
        (MINUTE, (1, 2, 5, 10, 15, 30)),
        (HOUR, (1, 2, 3, 6, 12)),
    )
    for each in of_it
)
"""Spans that people write."""


class Example(NamedTuple):
    """One mismatch.

    Attributes:
        feature: The feature.
        cause: Its cause.
        entity: The join keys.
        t: The instant it was answered for, microseconds UTC.
        served_at: The clock then.
        served: The value that was served.
        status: Its status.
        expected: The value history says.
        expected_status: Its status.
    """

    feature: str
    cause: str
    entity: Mapping[str, Any]
    t: int
    served_at: int
    served: Any
    status: str
    expected: Any
    expected_status: str

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            **self._asdict(),
            "entity": {name: _plain(value) for name, value in self.entity.items()},
            "t": format_instant(self.t),
            "served_at": format_instant(self.served_at),
            "served": _plain(self.served),
            "expected": _plain(self.expected),
        }


class Lag(NamedTuple):
    """How long events took from their known instant until they were visible online, microseconds.

    Attributes:
        events: How many were measured.
        p50: Half of them took no longer; the next two likewise.
        p90: Nine in ten.
        p99: 99 in 100.
        max: The longest.
    """

    events: int
    p50: int
    p90: int
    p99: int
    max: int

    @property
    def serving_delay(self) -> str:
        """The `serving_delay` that models it: the p99, rounded up to what people write."""
        for step in _STEPS:
            if self.p99 <= step:
                return str(Span(step))
        return f"{math.ceil(self.p99 / DAY)}d"

    def to_dict(self) -> dict[str, Any]:
        """The same in seconds, and the delay proposed."""
        told = {name: each / SECOND for name, each in self._asdict().items() if name != "events"}
        return {"events": self.events, **told, "serving_delay": self.serving_delay}


@dataclass
class FeatureConsistency:
    """One feature.

    Attributes:
        feature: Its name in its view.
        compared: Values compared.
        equal: Those that agree.
        unanswered: Values that were INVALID for a reason that is no answer: a deadline, a rule, an error.
        largest_absolute: The largest difference of numbers that do not agree.
        largest_relative: The largest in proportion to the value expected; infinite where that is 0.
        causes: Cause -> mismatches.
    """

    feature: str
    compared: int = 0
    equal: int = 0
    unanswered: int = 0
    largest_absolute: float = 0.0
    largest_relative: float = 0.0
    causes: dict[str, int] = field(default_factory=dict)

    @property
    def mismatched(self) -> int:
        """Values that do not agree."""
        return self.compared - self.equal

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "feature": self.feature,
            **_counts(self.compared, self.equal),
            "unanswered": self.unanswered,
            "largest_absolute": _plain(self.largest_absolute),
            "largest_relative": _plain(self.largest_relative),
            "causes": _ordered(self.causes),
        }


@dataclass
class ViewConsistency:
    """One view.

    Attributes:
        view: `name@version`.
        source: Its source.
        objective: The share of values that may differ.
        judged_until: Answers for later instants wait: the batch may still lack what they should count.
        rows: Answers compared.
        waiting: Answers that wait.
        features: Its features by name.
        lag: How long the source's events took to be visible; None where no stream tells.
        serving_delay: What the source declares, microseconds.
        examples: Some mismatches of each cause.
    """

    view: str
    source: str
    objective: float
    judged_until: int
    rows: int = 0
    waiting: int = 0
    features: dict[str, FeatureConsistency] = field(default_factory=dict)
    lag: Lag | None = None
    serving_delay: int = 0
    examples: list[Example] = field(default_factory=list)

    @property
    def compared(self) -> int:
        """Values compared."""
        return sum(each.compared for each in self.features.values())

    @property
    def equal(self) -> int:
        """Those that agree."""
        return sum(each.equal for each in self.features.values())

    @property
    def mismatched(self) -> int:
        """Those that do not."""
        return self.compared - self.equal

    @property
    def causes(self) -> dict[str, int]:
        """Cause -> mismatches."""
        found: dict[str, int] = {}
        for each in self.features.values():
            for cause, many in each.causes.items():
                found[cause] = found.get(cause, 0) + many
        return _ordered(found)

    @property
    def met(self) -> bool:
        """Whether no more values differ than may, and none without a cause."""
        return self.mismatched <= self.objective * self.compared and not self.causes.get(UNEXPLAINED)

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "view": self.view,
            "source": self.source,
            "objective": self.objective,
            "met": self.met,
            "judged_until": format_instant(self.judged_until),
            "rows": self.rows,
            "waiting": self.waiting,
            **_counts(self.compared, self.equal),
            "causes": self.causes,
            "lag": None if self.lag is None else self.lag.to_dict(),
            "declared_serving_delay": self.serving_delay / SECOND,
            "features": [self.features[name].to_dict() for name in sorted(self.features)],
            "examples": [each.to_dict() for each in self.examples],
        }


@dataclass
class Consistency:
    """What the replay of a span of the served log found.

    Attributes:
        since: The first instant of serving, microseconds UTC.
        until: The first instant after.
        views: The views that were served.
        not_replayed: What was served and cannot be replayed, and why.
    """

    since: int
    until: int
    views: list[ViewConsistency] = field(default_factory=list)
    not_replayed: dict[str, str] = field(default_factory=dict)

    @property
    def compared(self) -> int:
        """Values compared."""
        return sum(each.compared for each in self.views)

    @property
    def equal(self) -> int:
        """Those that agree."""
        return sum(each.equal for each in self.views)

    @property
    def mismatched(self) -> int:
        """Those that do not."""
        return self.compared - self.equal

    @property
    def unexplained(self) -> int:
        """Mismatches that no data explain."""
        return sum(each.causes.get(UNEXPLAINED, 0) for each in self.views)

    @property
    def met(self) -> bool:
        """Whether every view meets its objective, and no mismatch is without a cause."""
        return all(each.met for each in self.views)

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "since": format_instant(self.since),
            "until": format_instant(self.until),
            "met": self.met,
            "rows": sum(each.rows for each in self.views),
            "waiting": sum(each.waiting for each in self.views),
            **_counts(self.compared, self.equal),
            "unexplained": self.unexplained,
            "views": [each.to_dict() for each in self.views],
            "not_replayed": dict(sorted(self.not_replayed.items())),
        }


def _counts(compared: int, equal: int) -> dict[str, Any]:
    mismatched = compared - equal
    share = mismatched / compared if compared else 0.0
    return {"compared": compared, "equal": equal, "mismatched": mismatched, "share": share}


def _ordered(causes: Mapping[str, int]) -> dict[str, int]:
    return {cause: causes[cause] for cause in CAUSES if cause in causes}


def _plain(value: Any) -> Any:
    """A value as JSON has it: what is no finite number is text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value)
