"""One process of one side: prepare, make the timed call, print one line of JSON.

Run as `python -m bench.child DOCUMENT`, where DOCUMENT is the side as JSON. Exit code 0 also when the side is
not there yet; the line then says so.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from bench.experiment import NotThereYetError
from bench.inputs import Inputs

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

WARM_CALLS = 20


@runtime_checkable
class Answering(Protocol):
    """What a call returns that has measured more than its own time."""

    def answer(self) -> dict[str, Any]:
        """The sample."""
        ...


def main() -> None:
    """Do what the one argument says."""
    document: dict[str, Any] = json.loads(sys.argv[1])
    inputs = Inputs.from_dict(document["inputs"]) if document["inputs"] else None
    work = _draw if document["draw_only"] else _measure
    try:
        answer = work(document, inputs)
    except NotThereYetError as missing:
        answer = {"missing": str(missing)}
    print(json.dumps(answer))


def _draw(document: dict[str, Any], inputs: Inputs | None) -> dict[str, Any]:
    """Write the inputs' files, unless the side's module says (`require`) that there is nothing to measure."""
    require = getattr(importlib.import_module(document["entry"].partition(":")[0]), "require", None)
    if require is not None:
        require()
    if inputs is not None:
        from bench import generate

        generate.write(inputs)
    return {}


def _measure(document: dict[str, Any], inputs: Inputs | None) -> dict[str, Any]:
    module, _, function = document["entry"].partition(":")
    prepare: Callable[..., Callable[[], object]] = getattr(importlib.import_module(module), function)
    call = prepare(inputs, **document["options"]) if inputs is not None else prepare(**document["options"])
    if document["calls"] > 1:
        for _ in range(WARM_CALLS):
            call()
    busy, seconds, result = _processor_seconds(), [], None
    for _ in range(document["calls"]):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    if isinstance(result, Answering):
        return result.answer()
    busy = (_processor_seconds() - busy) / document["calls"]
    answer: dict[str, Any] = {"seconds": statistics.median(seconds), "processor_seconds": busy}
    if document["calls"] > 1:
        answer["p99"] = statistics.quantiles(seconds, n=100)[-1]
    if hasattr(result, "column_names"):
        answer["digest"] = digest(result)
    return answer


def _processor_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def digest(table: pa.Table) -> dict[str, list[float]]:
    """For each number column: its sum, for doubles the sum of absolute values (else 0), its nulls.

    Rows are weighted by their `request_id`: their order does not matter, a mix-up shows. A table without it
    has no digest.
    """
    import numpy as np
    import pyarrow as pa

    if "request_id" not in table.column_names:
        return {}
    weight = table["request_id"].to_numpy() * 7919 % 1009 + 1
    sums = {}
    for name in table.column_names:
        column = table[name]
        if name == "request_id" or not (
            pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        ):
            continue
        values = column.fill_null(0).to_numpy() * weight
        slack = 0.0 if pa.types.is_integer(column.type) else float(np.abs(values).sum())
        sums[name] = [float(values.sum()), slack, float(column.null_count)]
    return sums


if __name__ == "__main__":
    main()
