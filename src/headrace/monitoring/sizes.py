"""How far doubles may lie off, exactly: sizes of section 4's agreement, from the events behind a value.

A sum that cancels out allows more than its own value tells. Sizes are features too, so the kernel computes
them: of sums and means the same over absolute values, of variances and the like means and variances.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.aggregations.agreement import NEAR, slack
from headrace.aggregations.mean import Mean
from headrace.aggregations.moments import Variance
from headrace.kernel.plan import compile_view
from headrace.monitoring.replayed import over_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.aggregations.states import Array
    from headrace.kernel.binding import AggregateBinding
    from headrace.kernel.plan import FeaturePlan

__all__ = ["slacks"]


def slacks(
    binding: AggregateBinding, name: str, events: pa.Table, sets: Sequence[Array], t: Array
) -> Array | None:
    """How far a feature's doubles may lie off; None where its values allow all there is.

    Args:
        binding: The view.
        name: The feature.
        events: See `features_over`, like the next two.
        sets: The events that count for each of n questions.
        t: The questions' instants.
    """
    (feature,) = binding.plan.only([name]).features
    kind = feature.aggregation.kind
    if feature.names[0] != name or feature.types[0].name != "double" or kind not in NEAR:
        return None
    if NEAR[kind] == "absolute":
        sizes = _absolute(binding, feature, events, sets, t)
    elif NEAR[kind] == "moments":
        sizes = _moments(binding, feature, events, sets, t)
    else:
        return None
    none, one = slack(kind, 0.0), slack(kind, 1.0)
    allowed: Array = none + (one - none) * np.nan_to_num(sizes, nan=0.0, posinf=np.inf)
    return allowed


def _absolute(
    binding: AggregateBinding, feature: FeaturePlan, events: pa.Table, sets: Sequence[Array], t: Array
) -> Array:
    column = getattr(feature.aggregation, "column", None)
    if column is not None:
        place = events.column_names.index(column)
        events = events.set_column(place, column, pc.abs(events.column(column)))
    plan = binding.plan.only([feature.names[0]]).trimmed()
    return _doubles(over_plan(binding, plan, events, sets, t)[feature.names[0]].values)


def _moments(
    binding: AggregateBinding, feature: FeaturePlan, events: pa.Table, sets: Sequence[Array], t: Array
) -> Array:
    of = feature.aggregation
    names = [each for each in (getattr(of, "column", None), getattr(of, "other", None)) if each]
    if len(names) == 2:  # only events with both values count
        both = pc.and_(events.column(names[0]).is_valid(), events.column(names[1]).is_valid())
        for name in names:
            place = events.column_names.index(name)
            events = events.set_column(place, name, pc.if_else(both, events.column(name), None))
    mean_square, spread = [], []
    for name in names:
        mean, variance = (
            _one(binding, kind("x", name, where=of.where, windows=[feature.window]), events, sets, t)
            for kind in (Mean, Variance)
        )
        mean_square.append(mean**2)
        spread.append(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        if of.kind == "correlation":
            sizes = [1 + square / wide for square, wide in zip(mean_square, spread, strict=True)]
            return _product(*sizes)
        sizes = [square + wide for square, wide in zip(mean_square, spread, strict=True)]
    if of.kind == "variance":
        return sizes[0]
    return np.sqrt(sizes[0]) if of.kind == "stddev" else np.sqrt(_product(*sizes))


def _product(one: Array, other: Array) -> Array:
    found: Array = one * other
    return found


def _one(
    binding: AggregateBinding, of: Mean | Variance, events: pa.Table, sets: Sequence[Array], t: Array
) -> Array:
    plan = compile_view([of], binding.plan.columns, binding.plan.zone)
    (column,) = over_plan(binding, plan, events, sets, t).values()
    return _doubles(column.values)


def _doubles(values: pa.Array) -> Array:
    found: Array = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return found
