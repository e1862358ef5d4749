"""Looking ahead: whether a training set knows anything that was not known at its rows' instants.

The proof: for some rows, every event with `known >= t` is taken away and the features are made again
(`headrace.offline.again`); they must be the same. The rest is suspicion, and a person decides: a source may
say in another column that its rows were not known so early; features may read the label's own events; a
column of the spine may be later than `t`, or tell the label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.offline.again import Again
from headrace.offline.telling import tells
from headrace.tables import without_views

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headrace.aggregations.states import Array
    from headrace.definitions.source import Source
    from headrace.kernel.binding import Binding
    from headrace.kernel.label_binding import LabelBinding
    from headrace.offline.dataset import HistoricalFeatures
    from headrace.offline.historical import Making
    from headrace.offline.spine import Spine
    from headrace.retrieval.plan import RetrievalPlan

__all__ = ["Finding", "LooksAhead", "looks_ahead"]

_CERTAIN = {"future_events", "spine_instant"}


class Finding(NamedTuple):
    """Something that looks ahead, or may.

    Attributes:
        kind: `future_events`: a feature changes where events not known at `t` are taken away.
            `spine_instant`: a column of the spine is after `t`. `later_column`: a feature changes where rows
            are taken away whose other time is not before `t`. `label_source`: it is made of the label's own
            events. `tells_label`: it alone tells the label.
        column: The column of the training set.
        rows: In how many of the rows looked at; 0 where none need be looked at.
        message: What it is, and what to do.
    """

    kind: str
    column: str
    rows: int
    message: str

    @property
    def certain(self) -> bool:
        """Whether it is a leak for certain; else a person has to judge."""
        return self.kind in _CERTAIN

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {**self._asdict(), "certain": self.certain}


@dataclass(frozen=True)
class LooksAhead:
    """What was found.

    Attributes:
        findings: What looks ahead, or may; the certain ones first.
        rows: How many rows were made again.
    """

    findings: tuple[Finding, ...]
    rows: int

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {"rows": self.rows, "findings": [each.to_dict() for each in self.findings]}


def looks_ahead(
    dataset: HistoricalFeatures,
    plan: RetrievalPlan,
    labels: Sequence[tuple[LabelBinding, Array, Array]],
    made: Making,
    rows: int,
    seed: int,
) -> LooksAhead:
    """What of a training set looks ahead.

    Args:
        dataset: The training set.
        plan: Its features.
        labels: Each label with its outcome (bool, n rows) and whether that is known (bool, n rows).
        made: What computes.
        rows: How many of its rows are made again.
        seed: Which ones.

    Raises:
        DataError: A source cannot be read.
    """
    spine = dataset.origin.spine
    chosen = np.sort(np.random.default_rng(seed).permutation(len(spine))[:rows])
    again = Again(dataset, plan, made, chosen)
    findings = [
        *_future_events(again),
        *_later_columns(again, plan),
        *_label_sources(plan, [binding for binding, _, _ in labels]),
        *_spine_instants(spine),
        *_telling(dataset, plan, labels),
    ]
    return LooksAhead(tuple(sorted(findings, key=lambda each: not each.certain)), len(chosen))


def _future_events(again: Again) -> Iterator[Finding]:
    """Features that change where events with `known >= t` are taken away."""
    for column, count in again.changed({}).items():
        message = (
            f"{column} changes in {count} of {len(again)} rows when events that were not known at the row's "
            "instant are taken away, or from one time it is made to the next."
        )
        yield Finding("future_events", column, count, message)


def _later_columns(again: Again, plan: RetrievalPlan) -> Iterator[Finding]:
    """Features that change where rows are taken away that another column says are not before `t`."""
    times = [(each.binding.source.name, name) for each in plan.views for name in _other_times(each.binding)]
    for source, name in dict.fromkeys(times):
        for column, count in again.changed({source: name}).items():
            message = (
                f"{column} changes in {count} of {len(again)} rows when rows of source {source!r} are taken "
                f"away whose {name!r} is not before the row's instant. If that is when they were known, "
                f"declare available_at={name!r}."
            )
            yield Finding("later_column", column, count, message)


def _other_times(binding: Binding) -> list[str]:
    """Columns of instants that play no part in when a row counts."""
    known = {binding.source.timestamp, binding.source.available_at}
    return [name for name, of in binding.schema.items() if of.name == "timestamp" and name not in known]


def _label_sources(plan: RetrievalPlan, labels: Sequence[LabelBinding]) -> Iterator[Finding]:
    """Features of the label's own events that count from another instant on than the label's, or at once."""
    for place, each in enumerate(plan.views):
        for label in labels:
            mine, its = each.binding.source, label.events.source
            if not _same_data(mine, its) or (mine.available_at and mine.available_at == its.available_at):
                continue
            what = f"known by available_at={mine.available_at!r}, the label's by {its.available_at!r}"
            if mine.available_at == its.available_at:
                what = "and without available_at they count as known in the instant they happen"
            for member in plan.members:
                if member.view == place:
                    message = f"{member.output} is made of the events of label {label.id}, {what}."
                    yield Finding("label_source", member.output, 0, message)


def _same_data(one: Source, other: Source) -> bool:
    if one.name == other.name:
        return True
    return one.batch is not None and (one.batch is other.batch or one.batch == other.batch)


def _spine_instants(spine: Spine) -> Iterator[Finding]:
    """Columns of the spine that are after the row's instant."""
    for name in spine.table.column_names:
        of = spine.table.schema.field(name).type
        if name == spine.timestamp or not (pa.types.is_timestamp(of) or pa.types.is_date(of)):
            continue
        at = spine.table[name].cast(pa.timestamp("us", tz="UTC"), safe=False).cast(pa.int64())
        count = pc.sum(pc.greater(at, pa.array(spine.t))).as_py()
        if count:
            message = f"{name}, a column of the spine, is after the row's instant in {count} rows."
            yield Finding("spine_instant", name, count, message)


def _telling(
    dataset: HistoricalFeatures,
    plan: RetrievalPlan,
    labels: Sequence[tuple[LabelBinding, Array, Array]],
) -> Iterator[Finding]:
    """Columns that alone tell an outcome."""
    spine, table = dataset.origin.spine, without_views(dataset.to_arrow())
    keys = {spine.timestamp, *plan.keys, *(key for binding, _, _ in labels for key in binding.keys)}
    names = [name for name in spine.table.column_names if name not in keys]
    for name in [*names, *(member.output for member in plan.members)]:
        for binding, outcome, known in labels:
            share = tells(table[name].filter(pa.array(known)), outcome[known])
            if share is not None:
                message = (
                    f"{name} alone tells label {binding.id}: of the pairs of a row with and a row without an "
                    f"outcome it ranks {share:.1%} right. Was it known at the row's instant?"
                )
                yield Finding("tells_label", name, int(known.sum()), message)
