"""Training sets: a spine with labels, and features for the rows that are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.clock import format_instant
from headrace.errors import DataError, DefinitionError
from headrace.kernel.columns import PRESENT
from headrace.offline.dataset import HistoricalFeatures, spine_facts
from headrace.offline.digest import table_digest
from headrace.offline.historical import historical
from headrace.offline.inputs import Inputs, inputs_of
from headrace.offline.sampling import WEIGHT, Negatives
from headrace.ports.engine import AskedLabel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from headrace.aggregations.states import Array
    from headrace.kernel.label_binding import LabelBinding
    from headrace.offline.dataset import Origin
    from headrace.offline.historical import Making
    from headrace.offline.spine import Spine
    from headrace.ports.engine import Extracted, Progress
    from headrace.retrieval.plan import RetrievalPlan
    from headrace.schema import Type

__all__ = ["IMMATURE", "Labels", "TrainingSet", "label_columns", "training_set"]

IMMATURE = ("null", "keep", "drop")
"""What becomes of rows whose label is not mature: its value is null, as known so far, or the row goes."""


class LabelNames(NamedTuple):
    """The columns of a label."""

    value: str
    mature: str
    delay: str


@dataclass(frozen=True)
class Labels:
    """What is asked of labels.

    Attributes:
        bindings: The labels, and the semantic fingerprint of each.
        as_of: What was not known before this instant counts for no label, microseconds UTC.
        immature: One of `IMMATURE`.
        negatives: Which rows without an outcome are kept; None for all, without weights.
    """

    bindings: Sequence[tuple[LabelBinding, str]]
    as_of: int
    immature: str = "null"
    negatives: Negatives | None = None

    def __post_init__(self) -> None:
        """Check what may be chosen.

        Raises:
            DataError: A choice is none, or needs a label and there is none.
        """
        if self.immature not in IMMATURE:
            raise DataError(
                f"{self.immature!r} says not what becomes of immature rows.",
                asked=self.immature,
                available=IMMATURE,
                remedy="Choose one.",
            )
        if self.negatives is not None and not self.bindings:
            raise DataError(
                "Without a label no row is negative.", remedy="Give labels=[...], or --label NAME."
            )

    @property
    def keys(self) -> dict[str, Type]:
        """The columns that a spine needs for them."""
        return {name: of for binding, _ in self.bindings for name, of in binding.keys.items()}

    @property
    def touch_ids(self) -> dict[str, Type]:
        """The columns by which a spine may name touches."""
        return dict(binding.touch_id for binding, _ in self.bindings if binding.touch_id is not None)


@dataclass(frozen=True, eq=False, repr=False)
class TrainingSet(HistoricalFeatures):
    """The rows kept of a spine: its columns, the features, the labels, and weights where rows were sampled.

    Attributes:
        facts: The manifest.
        labels: Each label with its outcome and whether that is known, n bool each.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    labels: Sequence[tuple[LabelBinding, Array, Array]] = ()

    @property
    def manifest(self) -> dict[str, Any]:
        """How the rows were made; enough to make them again."""
        return dict(self.facts)


class _Made(NamedTuple):
    """A label of every row of the spine.

    Attributes:
        value: Null where there is no touch.
        delay: Seconds; null where there is no event.
        touched: Where there is a touch.
        mature: Where nothing can be added any more.
        horizon: The instant up to which events are known, microseconds UTC.
        sources: What was read.
    """

    value: pa.Array
    delay: pa.Array
    touched: Array
    mature: Array
    horizon: int
    sources: Mapping[str, Extracted]

    @property
    def outcome(self) -> Array:
        """Where there is an event."""
        found: Array = self.delay.is_valid().to_numpy(zero_copy_only=False)
        return found


def training_set(
    plan: RetrievalPlan,
    spine: Spine,
    asked: Labels,
    made: Making,
    progress: Progress,
    inputs: Inputs | None = None,
) -> TrainingSet:
    """Labels of all rows of the spine, then features of those that are kept, in its order.

    Args:
        plan: The features.
        spine: Keys and instants.
        asked: The labels.
        made: What computes, and what the manifest says of it.
        progress: Hears how far the work is.
        inputs: What is read, where that is known already (`inputs_read`).

    Raises:
        DataError: A source cannot be read.
        DefinitionError: A label's column would have the name of another.
    """
    columns = label_columns([binding.label.name for binding, _ in asked.bindings])
    _check_names(plan, spine, asked, columns)
    # Before anything is read: a file that changes meanwhile is then seen not to be the one that was read.
    inputs = inputs or inputs_read(plan, asked, made.directory)
    labels = [_made(binding, spine, asked.as_of, made, progress) for binding, _ in asked.bindings]
    kept, weights = _kept(spine, asked, labels)
    features = historical(plan, spine.kept(kept), made, progress, inputs)
    table = features.table
    for names, each in zip(columns, labels, strict=True):
        table = _with_label(table, names, each, kept, asked.immature)
    if weights is not None:
        table = table.append_column(WEIGHT, weights.filter(pa.array(kept)))
    table = _bare(table)
    outcomes = [
        (binding, each.outcome[kept], (each.touched & each.mature)[kept])
        for (binding, _), each in zip(asked.bindings, labels, strict=True)
    ]
    facts = _manifest(table, features.origin, spine, made, asked, labels)
    return TrainingSet(table, features.origin, facts, outcomes)


def inputs_read(plan: RetrievalPlan, asked: Labels, directory: Path) -> Inputs:
    """What features and labels are made of, with hashes of what it holds.

    Raises:
        DataError: Files are missing, or cannot be read.
    """
    sides = [side for binding, _ in asked.bindings for side in binding.sides]
    return inputs_of([*(each.binding for each in plan.views), *sides], directory, contents=True)


def label_columns(names: Sequence[str]) -> list[LabelNames]:
    """The columns of labels: `label_mature` and `label_delay` beside one alone, else by the label's name."""
    if len(names) == 1:
        return [LabelNames(names[0], "label_mature", "label_delay")]
    return [LabelNames(name, f"{name}_mature", f"{name}_delay") for name in names]


def _check_names(plan: RetrievalPlan, spine: Spine, asked: Labels, columns: Sequence[LabelNames]) -> None:
    taken = dict.fromkeys(spine.table.column_names, "a column of the spine")
    taken |= {member.output: f"feature {member.reference}" for member in plan.members}
    names = [name for each in columns for name in each] + [WEIGHT] * (asked.negatives is not None)
    for name in names:
        if name in taken:
            raise DefinitionError(
                f"The column {name!r} of a label is there already: {taken[name]} has its name.",
                asked=name,
                remedy="Rename the label, or drop the other column.",
            )
        taken[name] = "another label"


def _made(binding: LabelBinding, spine: Spine, as_of: int, made: Making, progress: Progress) -> _Made:
    named = None
    if binding.touch_id is not None and spine.has(binding.touch_id[0]):
        named = spine.keys([binding.touch_id[0]]).column(0).combine_chunks()
    question = AskedLabel(binding, spine.keys(binding.keys), spine.t, named, as_of)
    answered = made.engine.labels(question, progress)
    ends = [side.complete_until for side in binding.sides]
    horizon = min([as_of, *(end for end in ends if end is not None)])
    value, delay = answered.columns["value"], answered.columns["delay"]
    mature = spine.t + binding.label.within + binding.label.reported_within <= horizon
    touched = np.asarray(value.status) == PRESENT
    return _Made(value.values, delay.values, touched, mature, horizon, answered.sources)


def _kept(spine: Spine, asked: Labels, labels: Sequence[_Made]) -> tuple[Array, pa.Array | None]:
    """Which rows of the spine are kept; and the weights of all, where negatives are sampled."""
    kept = np.ones(len(spine), dtype=bool)
    positive, negative = np.zeros((2, len(spine)), dtype=bool)
    for each in labels:
        told = each.touched if asked.immature == "keep" else each.touched & each.mature
        positive |= told & each.outcome
        negative |= told
        if asked.immature == "drop":
            kept &= each.mature
    negative &= ~positive
    if asked.negatives is None:
        return kept, None
    stays = asked.negatives.kept(spine, asked.keys, negative)
    return kept & stays, asked.negatives.weights(positive, negative)


def _with_label(table: pa.Table, names: LabelNames, label: _Made, kept: Array, immature: str) -> pa.Table:
    some, mature = pa.array(kept), pa.array(label.mature)
    for name, values in ((names.value, label.value), (names.delay, label.delay)):
        shown = values if immature == "keep" else pc.if_else(mature, values, None)
        if name == names.delay:
            table = table.append_column(names.mature, mature.filter(some))
        table = table.append_column(name, shown.filter(some))
    return table


def _bare(table: pa.Table) -> pa.Table:
    """The rows in one piece, without what the spine's file or frame said beside its values."""
    fields = [pa.field(field.name, field.type) for field in table.schema]
    return pa.table(table.combine_chunks().columns, schema=pa.schema(fields))


def _manifest(
    table: pa.Table, origin: Origin, spine: Spine, made: Making, asked: Labels, labels: Sequence[_Made]
) -> dict[str, Any]:
    """All that decides the rows, and what they came to, as JSON values."""
    facts = origin.manifest()
    path = spine.path and _shown(spine.path, made.directory)
    facts["spine"] = {**spine_facts(spine), "path": path}
    for each in labels:
        for source, read in each.sources.items():
            _add_source(facts, source, read)
    sampled = asked.negatives
    share = None if sampled is None else {"share": sampled.share, "seed": sampled.seed, "weight": WEIGHT}
    return {
        **facts,
        "labels": _told(asked, labels),
        "as_of": format_instant(asked.as_of),
        "immature": asked.immature,
        "negatives": share,
        "full_feature_names": made.full,
        "pyarrow_version": pa.__version__,
        "rows": table.num_rows,
        "sha256": table_digest(table),
    }


def _shown(path: Path, directory: Path) -> str:
    whole = path.resolve()
    base = directory.resolve()
    return (whole.relative_to(base) if whole.is_relative_to(base) else whole).as_posix()


def _add_source(facts: dict[str, Any], source: str, read: Extracted) -> None:
    """What was read of a label's source, beside what views read of it."""
    if source in facts["sources"]:
        newest = None if read.newest is None else format_instant(read.newest)
        facts["sources"][source].setdefault("newest", newest)
    for reason, count in read.left_out.items():
        name = f"{source}: {reason}"
        facts["quarantined"][name] = max(facts["quarantined"].get(name, 0), count)


def _told(asked: Labels, labels: Sequence[_Made]) -> list[dict[str, Any]]:
    """What the manifest says of each label."""
    told = []
    columns = label_columns([binding.label.name for binding, _ in asked.bindings])
    for (binding, fingerprint), names, each in zip(asked.bindings, columns, labels, strict=True):
        label, known = binding.label, each.touched & each.mature
        told.append(
            {
                "label": binding.id,
                "columns": list(names),
                "type": str(binding.type),
                "fingerprint": fingerprint,
                "within": str(label.within),
                "reported_within": str(label.reported_within),
                "attribution": label.attribution,
                "horizon": format_instant(each.horizon),
                "positive": int((known & each.outcome).sum()),
                "negative": int((known & ~each.outcome).sum()),
                "immature": int((each.touched & ~each.mature).sum()),
                "without_touch": int((~each.touched).sum()),
            }
        )
    return told
