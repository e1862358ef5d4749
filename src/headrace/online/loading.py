"""Loading views: each from its source into a new generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.online.earlier_layouts import clear_earlier
from headrace.online.materialize import Load, Loaded, default_end, materialize
from headrace.online.quarantined_batch import reading_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from headrace.kernel.binding import Binding
    from headrace.online.ingest import Ingest
    from headrace.ports.engine import Engine, Progress
    from headrace.ports.key_value import OneHost

__all__ = ["load_views", "loads_of"]


def loads_of(
    bindings: Sequence[Binding],
    end: int | None,
    now: int,
    epoch_length: int,
    ingest_of: Callable[[str], Ingest | None],
    *,
    full: bool = False,
    live: Sequence[Binding] = (),
) -> Iterator[Load]:
    """What is to be loaded.

    Args:
        bindings: The views.
        end: K; None for the last edge by which, after each source's lateness, all is there.
        now: The clock.
        epoch_length: Microseconds of an epoch.
        ingest_of: The ingestion of a source, to replay its log; None for a source without a stream.
        full: Whether to load all, not only what is new.
        live: All live views; those that are loaded if there are no others.
    """
    readings = frozenset(reading_of(each.source) for each in live)
    for binding in bindings:
        known = default_end(binding.source, now, epoch_length) if end is None else end
        # Which of two rows with one value stays may change with what comes later: nothing can be added to.
        anew = full or any(rule.kind == "unique" for rule in binding.source.rules)
        yield Load(binding, known, now, epoch_length, anew, ingest_of(binding.source.name), readings)


def load_views(
    store: OneHost, engine: Engine, loads: Iterable[Load], progress: Progress, threads: int = 1
) -> Iterator[Loaded]:
    """Load views, one after another; each is served before the next begins.

    Args:
        store: The online store.
        engine: Reads their sources.
        loads: What is to be loaded.
        progress: Hears how far the loads are.
        threads: How many parts of a view are put together at once.

    Raises:
        DataError: An end is after now or no epoch's edge, or a source cannot be read.
    """
    for load in loads:
        yield materialize(store, engine, load, progress, threads)
    clear_earlier(store)
