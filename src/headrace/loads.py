"""Loads, from names to generations: the live views of a project are loaded, and each load is recorded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from headrace.errors import DataError
from headrace.online.layout import EPOCH
from headrace.online.loading import load_views, loads_of
from headrace.ports.catalog import Key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.online.materialize import Loaded
    from headrace.parts import Parts
    from headrace.ports.engine import Progress

__all__ = ["load"]


def load(
    parts: Parts, end: int | None, views: Sequence[str] | None, progress: Progress, *, full: bool
) -> list[Loaded]:
    """Load views of a project; see `FeatureStore.materialize`.

    Args:
        parts: The project's.
        end: K; None for the last edge of an epoch by which all is there.
        views: Names of views; None for all live ones that have a batch to load.
        progress: Hears how far the loads are.
        full: Whether to load all in any case.

    Raises:
        DataError: There is nothing to load, `end` cannot be K, or a source cannot be read or used.
        UnknownNameError: There is no live view of a name.
        ConflictError: Another load of a view has begun.
    """
    live = parts.names.live()
    bindings = (
        [each for each in live if each.source.batch is not None] if views is None else parts.names.live(views)
    )
    if not bindings:
        raise DataError("There is no view to load.", remedy="Define views and run: headrace apply.")
    loads = loads_of(bindings, end, parts.clock.now(), EPOCH, parts.names.ingest, full=full, live=live)
    settings = parts.settings
    if settings.serving.log is not None:
        loads = (each._replace(kept=settings.monitoring.keep) for each in loads)
    done = []
    loaded = load_views(parts.online, parts.engine, loads, progress, os.cpu_count() or 1)
    for binding, each in zip(bindings, loaded, strict=True):
        parts.registry.record_run(Key("view", binding.name, binding.version), each.known, each.to_dict())
        done.append(each)
    return done
