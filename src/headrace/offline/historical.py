"""Historical features: for every row of a spine, what serving would have answered at its instant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from headrace.errors import DataError
from headrace.kernel.columns import Column
from headrace.ports.engine import Asked
from headrace.retrieval.on_demand import run_functions

if TYPE_CHECKING:
    from headrace.offline.spine import Spine
    from headrace.ports.engine import Engine, Progress
    from headrace.retrieval.plan import RetrievalPlan

__all__ = ["Historical", "historical"]


class Historical(NamedTuple):
    """Features beside a spine.

    Attributes:
        table: The spine's columns, then the features.
        columns: Output column -> values with statuses.
        left_out: How many rows of each source were not usable, by `source: reason`.
    """

    table: pa.Table
    columns: Mapping[str, Column]
    left_out: Mapping[str, int]


def historical(plan: RetrievalPlan, spine: Spine, engine: Engine, progress: Progress) -> Historical:
    """The plan's features for every row of the spine, in its order.

    Args:
        plan: What is asked for.
        spine: Keys and instants, and request fields where on-demand features read them.
        engine: What reads and computes.
        progress: Hears how far the work is.

    Raises:
        DataError: The spine lacks a key or request field, or a source cannot be read.
    """
    found: list[Mapping[str, Column]] = []
    left_out: dict[str, int] = {}
    for each in plan.views:
        binding = each.binding
        keys = spine.keys(binding.keys)
        columns, rejected = engine.features(Asked(binding, each.names, keys, spine.t), progress)
        found.append(columns)
        for reason, count in rejected.items():
            name = f"{binding.source.name}: {reason}"
            left_out[name] = max(left_out.get(name, 0), count)
    functions = run_functions(plan, found, _request(plan, spine), spine.t) if plan.functions else {}
    outputs = {
        member.output: functions[member.reference.name]
        if member.view < 0
        else found[member.view][member.reference.feature]
        for member in plan.members
    }
    table = spine.table
    for name, column in outputs.items():
        table = table.append_column(name, column.values)
    return Historical(table, outputs, left_out)


def _request(plan: RetrievalPlan, spine: Spine) -> dict[str, list[Any]]:
    """Request fields, which in training are columns of the spine."""
    values = {}
    for name, of in plan.request.items():
        if name not in spine.table.column_names:
            raise DataError(
                f"The spine has no column {name!r}, which an on-demand feature takes from the request.",
                asked=name,
                available=spine.table.column_names,
                remedy=f"Add a column {name!r} of type {of}.",
            )
        values[name] = spine.table.column(name).cast(of.arrow()).to_pylist()
    return values
