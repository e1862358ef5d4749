"""The online path of a feature test: a store loaded up to some K, pushed to after it, and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.clock import FixedClock
from headrace.online.materialize import Load, materialize
from headrace.online.serve import Served
from headrace.online.source import SourceStream
from headrace.resolution import EPOCH, has_stream
from headrace.wiring import open_trial_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from headrace.kernel.binding import Binding
    from headrace.online.answer import OnlineFeatures
    from headrace.ports.engine import Engine
    from headrace.retrieval.plan import RetrievalPlan

__all__ = ["served_at"]


def served_at(
    plan: RetrievalPlan,
    engine: Engine,
    t: int,
    entities: Sequence[Mapping[str, Any]],
    known_between: Callable[[Binding, int, int], Sequence[Mapping[str, Any]]],
) -> OnlineFeatures:
    """What a store would answer at an instant that was loaded at the last edge of an epoch before it.

    A source with a stream is loaded up to the beginning of the day, and what was known since is pushed; one
    without is loaded up to `t`.

    Args:
        plan: The features.
        engine: Reads the events.
        t: The instant.
        entities: Who asks: keys and request fields.
        known_between: The events of a view's source that were known from one instant on and before another.
    """
    store = open_trial_store(FixedClock(t))
    of_source: dict[str, list[Binding]] = {}
    for each in plan.views:
        of_source.setdefault(each.binding.source.name, []).append(each.binding)
    for bindings in of_source.values():
        source = bindings[0].source
        streamed = has_stream(source)
        known = t // EPOCH * EPOCH if streamed else t
        stream = SourceStream(source, bindings, EPOCH) if streamed else None
        ingest = None if stream is None else stream.ingest
        for binding in bindings:
            materialize(store, engine, Load(binding, known, t, EPOCH, ingest=ingest), _silent)
        if stream is not None and (rows := known_between(bindings[0], known, t)):
            stream.push_rows(store, rows, t)
    with store.snapshot() as snapshot:
        return Served(plan, EPOCH).answer(snapshot, list(entities), {}, t, t)


def _silent(what: str, share: float) -> None:
    """Nobody watches."""
