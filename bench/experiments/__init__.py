"""The experiments, a module for each line of the design's goals; `all_of` lists them for a size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.experiments import (
    from_redis,
    growth,
    hot_key,
    known,
    latest,
    layouts,
    loads,
    online,
    serving,
    startup,
    streaming,
    windowed,
)

if TYPE_CHECKING:
    from bench.experiment import Experiment, Size


def all_of(size: Size) -> tuple[Experiment, ...]:
    """Every experiment, in the order of the table."""
    modules = (
        windowed,
        known,
        hot_key,
        latest,
        online,
        from_redis,
        serving,
        streaming,
        layouts,
        startup,
        loads,
        growth,
    )
    return tuple(experiment for module in modules for experiment in module.experiments(size))
