"""Loading views: each from its source into a new generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.online.materialize import Loaded, default_end, materialize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from headrace.kernel.binding import Binding
    from headrace.online.ingest import Ingest
    from headrace.ports.engine import Engine, Progress
    from headrace.ports.key_value import OneHost

__all__ = ["load_views"]


def load_views(
    store: OneHost,
    engine: Engine,
    bindings: Sequence[Binding],
    end: int | None,
    now: int,
    epoch_length: int,
    ingest_of: Callable[[str], Ingest | None],
    progress: Progress,
) -> Iterator[Loaded]:
    """Load views, one after another; each is served before the next begins.

    Args:
        store: The online store.
        engine: Reads their sources.
        bindings: The views.
        end: K; None for the last edge by which, after each source's lateness, all is there.
        now: The clock.
        epoch_length: Microseconds of an epoch.
        ingest_of: The ingestion of a source, to replay its log; None for a source without a stream.
        progress: Hears how far the loads are.

    Raises:
        DataError: `end` is after now or no epoch's edge, or a source cannot be read.
    """
    for binding in bindings:
        known = end
        if known is None:
            known = default_end(now, int(getattr(binding.source, "lateness", 0)), epoch_length)
        parts = engine.parts(binding, known)
        ingest = ingest_of(binding.source.name)
        yield materialize(store, binding, parts, known, now, epoch_length, progress, ingest)
