"""Running on-demand features: the same functions over the rows of a training set and of a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.kernel.columns import INVALID, NULL_VALUE, PRESENT, ArrowColumn, Column, reason_of
from headrace.retrieval.calling import compute_row
from headrace.retrieval.deadline import DEADLINE
from headrace.telemetry import span
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from headrace.aggregations.states import Array
    from headrace.definitions.on_demand import OnDemandFeature
    from headrace.retrieval.deadline import Deadline
    from headrace.retrieval.enforcing import FeatureJudge
    from headrace.retrieval.isolated import IsolatedFunctions
    from headrace.retrieval.plan import RetrievalPlan
    from headrace.retrieval.result_cache import Recall

__all__ = ["run_functions"]


def run_functions(
    plan: RetrievalPlan,
    columns: Sequence[Mapping[str, Column]],
    request: Mapping[str, Sequence[Any]],
    t: Array,
    judges: Mapping[str, FeatureJudge] = MappingProxyType({}),
    deadline: Deadline | None = None,
    recall: Recall | None = None,
    isolated: IsolatedFunctions | None = None,
) -> dict[str, Column]:
    """The plan's on-demand features, n rows each.

    Args:
        plan: What to run.
        columns: For each of the plan's views, feature -> values.
        request: Request field -> n values.
        t: The rows' instants.
        judges: The functions' own rules, by `name@version`.
        deadline: When to give up, looked at before and after each call; None for never.
        recall: What was returned before and may be taken for it; None to call every function.
        isolated: Where functions that say `isolate` run; None for here.

    Returns:
        Name -> values of those that are asked for, which differ in their names; INVALID where a function
        raises, returns what its type cannot hold or what an enforced rule forbids, would read a null that
        is INVALID itself, or has not returned by the deadline.
    """
    done: dict[str, Column] = {}
    read: dict[tuple[int, str], list[Any]] = {}
    for function in plan.functions:
        own = str(function.reference)
        values: dict[str, Sequence[Any]] = {}
        failed: dict[int, str] = {}
        arrays: dict[str, pa.Array] = {}
        for parameter, place in plan.inputs[own].items():
            column = done[place[1]] if place[0] < 0 else columns[place[0]][place[1]]
            if place not in read:
                read[place] = column.to_list()
            if function.isolate:
                arrays[parameter] = column.values
            values[parameter] = _own(read[place], column.values.type)
            spoiled = np.flatnonzero(_spoiled(column)).tolist()
            failed = {**{row: reason_of(column, row) for row in spoiled}, **failed}
        for name, of in function.request.items():
            values[name] = _own(request[name], of.arrow())
            if function.isolate:
                arrays[name] = pa.array(request[name], of.arrow())
        if function.isolate and isolated is not None:
            call = _apart(function, arrays, t, deadline, isolated)
        else:
            call = _here(function, t, deadline)
        with span(f"function {function.name}"):
            column = _run(function, values, t, failed, call, recall)
        done[own] = judges[own].judge(column) if own in judges else column
    asked = (member.reference for member in plan.members if member.view < 0)
    return {each.name: done[str(each)] for each in asked}


def _spoiled(column: Column) -> Array:
    """Where a value is null because something went wrong, not because there is none."""
    invalid: Array = column.status == INVALID
    return invalid & column.values.is_null().to_numpy(zero_copy_only=False) if invalid.any() else invalid


def _own(values: Sequence[Any], of: pa.DataType) -> Sequence[Any]:
    """Values that a function may change without another seeing it."""
    return deepcopy(values) if pa.types.is_nested(of) else values


def _run(
    function: OnDemandFeature,
    values: Mapping[str, Sequence[Any]],
    t: Array,
    failed: dict[int, str],
    call: _Call,
    recall: Recall | None,
) -> Column:
    """The function's results; a row that failed before, for the reason given, is not computed."""
    reason = next(iter(failed.values()), "")
    results: list[Any] = [None] * len(t)
    rows, givens, keys = [], [], []
    for row in range(len(t)):
        if row in failed:
            continue
        given = {name: column[row] for name, column in values.items()}
        key = None if recall is None else recall.key(function, row, given)  # before a function can change it
        kept = None if recall is None or key is None else recall.cache.get(key)
        if kept is not None:
            results[row] = kept.value
            continue
        rows.append(row)
        givens.append(given)
        keys.append(key)
    for row, key, (result, why) in zip(rows, keys, call(rows, givens), strict=True):
        results[row] = result
        if why:
            reason = failed[row] = why
        elif recall is not None and key is not None:
            recall.cache.put(key, result, recall.lifetimes[str(function.reference)])
    array = pa.array(results, type=function.output.arrow())
    status = np.full(len(t), PRESENT, dtype=np.uint8)
    status[array.is_null().to_numpy(zero_copy_only=False)] = NULL_VALUE
    status[list(failed)] = INVALID
    return ArrowColumn(array, status, np.full(len(t), FOREVER_AGO, dtype=np.int64), reason, failed)


_Call = Callable[[list[int], list[dict[str, Any]]], Iterable[tuple[Any, str]]]
"""From rows' places, and what each is given, to what a function returns, and why there is nothing."""


def _here(function: OnDemandFeature, t: Array, deadline: Deadline | None) -> _Call:
    """Calls in this process."""
    instants = t.tolist()

    def call(rows: list[int], givens: list[dict[str, Any]]) -> Iterable[tuple[Any, str]]:
        for row, given in zip(rows, givens, strict=True):
            yield _called(function, given, instants[row], deadline)

    return call


def _apart(
    function: OnDemandFeature,
    arrays: Mapping[str, pa.Array],
    t: Array,
    deadline: Deadline | None,
    isolated: IsolatedFunctions,
) -> _Call:
    """Calls in the function's own process."""

    def call(rows: list[int], _: list[dict[str, Any]]) -> Iterable[tuple[Any, str]]:
        if not rows:
            return []
        wanted = {name: array.take(pa.array(rows)) for name, array in arrays.items()}
        return isolated.call(function, wanted, t[rows].tolist(), deadline)

    return call


def _called(
    function: OnDemandFeature, values: Mapping[str, Any], at: int, deadline: Deadline | None
) -> tuple[Any, str]:
    """What one call returned as the output's type has it, or None and why there is nothing."""
    if deadline is None:
        return compute_row(function, values, at)
    if deadline.passed:
        return None, DEADLINE
    began = deadline.clock.now()
    result, why = compute_row(function, values, at)
    return (None, DEADLINE) if deadline.missed_by(str(function.reference), began) else (result, why)
