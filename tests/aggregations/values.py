"""Values straight through lift, merge and finish, without a kernel around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.schema import Schema
from headrace.testing.lifting import lift_python, read_finished
from headrace.testing.oracle import accepted

if TYPE_CHECKING:
    from headrace.aggregations.base import Aggregation

SCHEMA = Schema(
    {
        "ts": "timestamp",
        "x": "int64",
        "y": "double",
        "d": "decimal(18,18)",
        "p": "decimal(12,4)",
        "w": "decimal(18,0)",
    }
)


def finished(feature: Aggregation, column: str, values: list[Any], rounds: int = 1) -> Any:
    """The feature's value over the values, doubled by merging it with itself `rounds - 1` times."""
    rows = [{**dict.fromkeys(SCHEMA), "ts": n, column: value} for n, value in enumerate(values)]
    log = accepted(rows, (), "ts", SCHEMA)
    measures, states = feature.measures(SCHEMA, {}), []
    for measure in measures:
        keys = {event.place: n.to_bytes(4) for n, event in enumerate(log)}
        lifted = lift_python(measure, log, SCHEMA, keys)
        state = measure.algebra.reduce(lifted, np.array([0, lifted.n]))
        for _ in range(rounds - 1):
            state = measure.algebra.merge(state, state)
        states.append(state)
    algebras = tuple(measure.algebra for measure in measures)
    (made,) = feature.finish(tuple(states), np.array([10**9]), SCHEMA, algebras)
    [(value, invalid)] = read_finished(made, feature.outputs(SCHEMA)[0].type, 1)
    return "INVALID" if invalid else value
