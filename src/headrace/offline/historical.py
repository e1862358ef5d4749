"""Historical features: for every row of a spine, what serving would have answered at its instant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.clock import format_instant
from headrace.errors import DefinitionError
from headrace.kernel.columns import HeldColumns
from headrace.offline.dataset import HistoricalFeatures, Origin, OutputFeature
from headrace.offline.inputs import Inputs, inputs_of
from headrace.ports.engine import Asked
from headrace.retrieval.enforcing import Judged, Judges
from headrace.retrieval.on_demand import run_functions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from headrace.definitions.references import Reference
    from headrace.kernel.columns import Column, Columns
    from headrace.offline.spine import Spine
    from headrace.ports.engine import Engine, Progress
    from headrace.retrieval.plan import RetrievalPlan

__all__ = ["Making", "historical"]


class Making(NamedTuple):
    """How a data set is made, for its manifest.

    Attributes:
        engine: What reads and computes.
        name: What the engine is called.
        at: When, microseconds UTC.
        service: The service asked for; None where features were listed.
        fingerprints: The semantic fingerprint of each definition used.
        directory: What relative paths of sources are relative to.
        full: Whether columns are `view__feature`.
    """

    engine: Engine
    name: str
    at: int
    service: str | None
    fingerprints: Mapping[Reference, str]
    directory: Path
    full: bool = False


def historical(
    plan: RetrievalPlan, spine: Spine, made: Making, progress: Progress, inputs: Inputs | None = None
) -> HistoricalFeatures:
    """The plan's features for every row of the spine, in its order.

    Args:
        plan: What is asked for.
        spine: Keys and instants, and request fields where on-demand features read them.
        made: What computes them, and what the manifest says of it.
        progress: Hears how far the work is.
        inputs: What the plan's views read, and perhaps others after them; looked up if None.

    Raises:
        DataError: A source cannot be read.
        DefinitionError: A feature would have the name of one of the spine's columns.
    """
    _check_names(plan, spine)
    # Before anything is read: a file that changes meanwhile is then seen to be newer than the manifest says.
    sources, labels = inputs or inputs_of((each.binding for each in plan.views), made.directory)
    judges = Judges.of(plan, enforced=False)
    found: list[Columns] = []
    left_out: dict[str, int] = {}
    for each, label in zip(plan.views, labels, strict=False):
        binding = each.binding
        columns, rejected, newest = made.engine.features(
            Asked(binding, each.names, spine.keys(binding.keys), spine.t), progress
        )
        found.append(judges.columns(len(found), HeldColumns(columns)))
        sources[label]["newest"] = None if newest is None else format_instant(newest)
        for reason, count in rejected.items():
            name = f"{binding.source.name}: {reason}"
            left_out[name] = max(left_out.get(name, 0), count)
    functions: dict[str, Column] = {}
    if plan.functions:
        request: dict[str, list[Any]] = spine.keys(plan.request).to_pydict()
        functions = run_functions(plan, found, request, spine.t, judges.functions)
    table, outputs = spine.table, {}
    for member in plan.members:
        name, feature = member.reference.name, member.reference.feature
        outputs[member.output] = functions[name] if member.view < 0 else found[member.view][feature]
        table = table.append_column(member.output, outputs[member.output].values)
    features = [
        OutputFeature(m.output, str(m.reference), str(m.type), made.fingerprints[m.reference.definition])
        for m in plan.members
    ]
    statuses = {name: column.status for name, column in outputs.items()}
    broken = {name: column.broken for name, column in outputs.items() if isinstance(column, Judged)}
    origin = Origin(features, spine, statuses, sources, left_out, made.name, made.at, made.service, broken)
    return HistoricalFeatures(table, origin)


def _check_names(plan: RetrievalPlan, spine: Spine) -> None:
    for member in plan.members:
        if member.output in spine.table.column_names:
            raise DefinitionError(
                f"The spine has a column {member.output!r} already, the name of feature {member.reference}.",
                asked=member.output,
                remedy="Drop or rename the column, or ask with full_feature_names=True.",
            )
