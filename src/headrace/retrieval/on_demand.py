"""Running on-demand features: the same functions over the rows of a training set and of a request."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.kernel.columns import INVALID, NULL_VALUE, PRESENT, ArrowColumn, Column, reason_of
from headrace.retrieval.returned import fitting
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.aggregations.states import Array
    from headrace.definitions.on_demand import OnDemandFeature
    from headrace.retrieval.enforcing import FeatureJudge
    from headrace.retrieval.plan import RetrievalPlan

__all__ = ["run_functions"]


def run_functions(
    plan: RetrievalPlan,
    columns: Sequence[Mapping[str, Column]],
    request: Mapping[str, Sequence[Any]],
    t: Array,
    judges: Mapping[str, FeatureJudge] = MappingProxyType({}),
) -> dict[str, Column]:
    """The plan's on-demand features, n rows each.

    Args:
        plan: What to run.
        columns: For each of the plan's views, feature -> values.
        request: Request field -> n values.
        t: The rows' instants.
        judges: The functions' own rules, by `name@version`.

    Returns:
        Name -> values of those that are asked for, which differ in their names; INVALID where a function
        raises, returns what its type cannot hold or what an enforced rule forbids, or would read a null that
        is INVALID itself.
    """
    done: dict[str, Column] = {}
    read: dict[tuple[int, str], list[Any]] = {}
    for function in plan.functions:
        own = str(function.reference)
        values: dict[str, Sequence[Any]] = {}
        failed: dict[int, str] = {}
        for parameter, place in plan.inputs[own].items():
            column = done[place[1]] if place[0] < 0 else columns[place[0]][place[1]]
            if place not in read:
                read[place] = column.to_list()
            values[parameter] = read[place]
            spoiled = np.flatnonzero(_spoiled(column)).tolist()
            failed = {**{row: reason_of(column, row) for row in spoiled}, **failed}
        values.update({name: request[name] for name in function.request})
        column = _run(function, values, t, failed)
        done[own] = judges[own].judge(column) if own in judges else column
    asked = (member.reference for member in plan.members if member.view < 0)
    return {each.name: done[str(each)] for each in asked}


def _spoiled(column: Column) -> Array:
    """Where a value is null because something went wrong, not because there is none."""
    invalid: Array = column.status == INVALID
    return invalid & column.values.is_null().to_numpy(zero_copy_only=False) if invalid.any() else invalid


def _run(
    function: OnDemandFeature, values: Mapping[str, Sequence[Any]], t: Array, failed: dict[int, str]
) -> Column:
    """The function's results; a row that failed before, for the reason given, is not computed."""
    reason = next(iter(failed.values()), "")
    results: list[Any] = []
    names = list(values)
    for row, at in enumerate(t.tolist()):
        if row in failed:
            results.append(None)
            continue
        try:
            result = function.compute({name: values[name][row] for name in names}, at)
            results.append(fitting(result, function.output))
        except Exception as error:  # noqa: BLE001 - whatever a user's function raises spoils its own value only
            results.append(None)
            reason = failed[row] = f"{function.name}: {type(error).__name__}: {error}"
    array = pa.array(results, type=function.output.arrow())
    status = np.full(len(t), PRESENT, dtype=np.uint8)
    status[array.is_null().to_numpy(zero_copy_only=False)] = NULL_VALUE
    status[list(failed)] = INVALID
    return ArrowColumn(array, status, np.full(len(t), FOREVER_AGO, dtype=np.int64), reason, failed)
