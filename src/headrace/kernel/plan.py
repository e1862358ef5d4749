"""The plan of a view: which states it keeps, over which spans they merge, what each feature makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from headrace.aggregations.algebra import Ragged
from headrace.aggregations.base import Aggregation, Measure
from headrace.aggregations.recency import Recent
from headrace.kernel.together import Together
from headrace.schema import Type
from headrace.windows import Calendar, Lifetime, Series, Sliding, Window, parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.aggregations.algebra import Algebra

__all__ = ["PRESENCE", "FeaturePlan", "Span", "ViewPlan", "compile_view"]

Span = Sliding | Calendar | Lifetime

PRESENCE = Measure(Recent())
"""The newest event time of the entity, whatever the filters: it tells "no event" from "no value"."""


@dataclass(frozen=True)
class FeaturePlan:
    """One aggregation over one window.

    Attributes:
        names: Its output columns: the feature, then its companions.
        types: Their types.
        aggregation: What finishes it.
        window: The window as written.
        measures: Positions of the measures it reads.
        spans: Positions of the spans: one, or a series' members oldest first.
    """

    names: tuple[str, ...]
    types: tuple[Type, ...]
    aggregation: Aggregation
    window: Window
    measures: tuple[int, ...]
    spans: tuple[int, ...]


class OutputPlan(NamedTuple):
    """One output column of an aggregation over one window.

    Attributes:
        type: Its type.
        finishing: Which of the plan's finishings makes it.
        place: Which of the aggregation's outputs it is.
        first: The place of its window's first span among those of the aggregation.
        members: How many spans it lists; 0 where it is no list of them.
    """

    type: Type
    finishing: int
    place: int
    first: int
    members: int


class Finishing(NamedTuple):
    """The features of one aggregation, finished together.

    Attributes:
        aggregation: What finishes them.
        measures: Positions of the measures it reads.
        spans: The spans of its windows, one window's after another's.
        types: The types of its outputs over one span.
        algebras: The measures' algebras.
    """

    aggregation: Aggregation
    measures: tuple[int, ...]
    spans: tuple[int, ...]
    types: tuple[Type, ...]
    algebras: tuple[Algebra, ...]


class SharedSpans(NamedTuple):
    """Measures that are merged over the same spans.

    Attributes:
        spans: Positions of the spans.
        places: Their places among the spans that are used.
        measures: Positions of the measures.
        together: Merges them.
    """

    spans: tuple[int, ...]
    places: list[int]
    measures: tuple[int, ...]
    together: Together


@dataclass(frozen=True)
class ViewPlan:
    """A compiled view.

    Attributes:
        measures: What is kept, each once.
        features: What is made of it.
        spans: The single windows there are, each once.
        zone: The calendar's zone.
        columns: Types of the source's columns, derived ones included.
    """

    measures: tuple[Measure, ...]
    features: tuple[FeaturePlan, ...]
    spans: tuple[Span, ...]
    zone: str
    columns: Mapping[str, Type] = field(hash=False)

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """The distinct filters, in order of first use."""
        return tuple(dict.fromkeys(m.where for m in self.measures if m.where is not None))

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The columns the measures lift, each once."""
        return tuple(dict.fromkeys(column for m in self.measures for column in m.columns))

    @cached_property
    def needs_order(self) -> bool:
        """Whether any measure reads the total order of events."""
        return any(m.algebra.needs_order for m in self.measures)

    @cached_property
    def presence(self) -> int:
        """The position of the presence measure."""
        return self.measures.index(PRESENCE)

    @cached_property
    def spans_of(self) -> dict[int, tuple[int, ...]]:
        """The spans each measure is merged over, in the order of `spans`."""
        found: dict[int, set[int]] = {}
        for feature in self.features:
            for measure in (*feature.measures, self.presence):
                found.setdefault(measure, set()).update(feature.spans)
        return {measure: tuple(sorted(spans)) for measure, spans in found.items()}

    @cached_property
    def shared_spans(self) -> tuple[SharedSpans, ...]:
        """The measures that are merged over the same spans."""
        found: dict[tuple[int, ...], list[int]] = {}
        for measure, spans in self.spans_of.items():
            found.setdefault(spans, []).append(measure)
        return tuple(
            SharedSpans(
                spans,
                [self.used_spans.index(span) for span in spans],
                tuple(measures),
                Together([self.measures[each].algebra for each in measures]),
            )
            for spans, measures in found.items()
        )

    @cached_property
    def used_spans(self) -> tuple[int, ...]:
        """The spans the features read, ascending."""
        return tuple(sorted({span for feature in self.features for span in feature.spans}))

    @cached_property
    def finishings(self) -> tuple[Finishing, ...]:
        """The features by aggregation."""
        return self._finishings[0]

    @cached_property
    def outputs(self) -> Mapping[str, OutputPlan]:
        """Output column -> how it is cut out of what the finishings make."""
        return self._finishings[1]

    @cached_property
    def _finishings(self) -> tuple[tuple[Finishing, ...], Mapping[str, OutputPlan]]:
        found: list[Finishing] = []
        outputs: dict[str, OutputPlan] = {}
        for _, of_one in groupby(self.features, key=lambda each: (id(each.aggregation), each.measures)):
            features = tuple(of_one)
            spans: tuple[int, ...] = ()
            for each in features:
                members = len(each.spans) if isinstance(each.window, Series) else 0
                for place, (name, of) in enumerate(zip(each.names, each.types, strict=True)):
                    outputs[name] = OutputPlan(of, len(found), place, len(spans), members)
                spans += each.spans
            first = features[0]
            listed = isinstance(first.window, Series)
            types = tuple(of.items[0] if listed else of for of in first.types)
            algebras = tuple(self.measures[measure].algebra for measure in first.measures)
            found.append(Finishing(first.aggregation, first.measures, spans, types, algebras))
        return tuple(found), outputs

    @cached_property
    def used(self) -> tuple[int, ...]:
        """The measures the features read, ascending."""
        return tuple(sorted({m for f in self.features for m in f.measures} | {self.presence}))

    @cached_property
    def ragged(self) -> tuple[int, ...]:
        """The measures the features read whose states have entries."""
        return tuple(each for each in self.used if isinstance(self.measures[each].algebra, Ragged))

    def only(self, names: Sequence[str]) -> ViewPlan:
        """The plan of some features, by any of their output names; measures and spans keep their places."""
        wanted = set(names)
        kept = tuple(f for f in self.features if wanted.intersection(f.names))
        return ViewPlan(self.measures, kept, self.spans, self.zone, self.columns)

    def trimmed(self) -> ViewPlan:
        """The same features over only the measures they read, for work that keeps no state."""
        used = self.used
        place = {old: new for new, old in enumerate(used)}
        features = tuple(
            FeaturePlan(
                f.names, f.types, f.aggregation, f.window, tuple(place[m] for m in f.measures), f.spans
            )
            for f in self.features
        )
        return ViewPlan(tuple(self.measures[m] for m in used), features, self.spans, self.zone, self.columns)


def compile_view(
    aggregations: Sequence[Aggregation], columns: Mapping[str, Type], zone: str = "UTC"
) -> ViewPlan:
    """The plan of a view.

    Args:
        aggregations: As written.
        columns: Types of the source's columns, derived ones included.
        zone: The view's zone.

    Raises:
        DefinitionError: An aggregation reads a column or sibling that is not there, or of a type it cannot
            take.
    """
    placed = [each.placed(zone) for each in aggregations]
    siblings = {each.name: each for each in placed}
    measures: dict[Measure, int] = {PRESENCE: 0}
    spans: dict[Span, int] = {}
    features = []
    for each in placed:
        read = tuple(measures.setdefault(m, len(measures)) for m in each.measures(columns, siblings))
        outputs = each.outputs(columns)
        for window in each.windows:
            name = each.feature_name(window)
            listed = isinstance(window, Series)
            features.append(
                FeaturePlan(
                    tuple(f"{name}__{o.companion}" if o.companion else name for o in outputs),
                    tuple(Type("list", items=(o.type,)) if listed else o.type for o in outputs),
                    each,
                    window,
                    read,
                    tuple(spans.setdefault(part, len(spans)) for part in parts(window)),
                )
            )
    return ViewPlan(tuple(measures), tuple(features), tuple(spans), zone, columns)
