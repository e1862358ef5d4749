"""A small source and views of it, with literal events: what the tests of online state are told with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import pyarrow as pa

from headrace import agg
from headrace.clock import DAY, HOUR, MINUTE, SECOND
from headrace.definitions.source import EventSource
from headrace.definitions.stream import Push
from headrace.intake.rejects import no_rejects
from headrace.kernel.binding import AggregateBinding, LatestBinding
from headrace.kernel.clean import KNOWN, TIME
from headrace.kernel.entities import key_column
from headrace.kernel.parts import BUCKETS
from headrace.kernel.plan import compile_view
from headrace.online.ingest import Evaluated, Ingest
from headrace.online.materialize import Load, Loaded, materialize
from headrace.online.read import Asked, read
from headrace.online.states import states_of
from headrace.ports.engine import Part
from headrace.schema import Schema
from headrace.testing.driving import answers_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from headrace.aggregations.base import Aggregation
    from headrace.kernel.binding import Binding
    from headrace.ports.engine import Progress

NOON = 20_000 * DAY + 12 * HOUR
"""An instant in the middle of a day."""
MIDNIGHT = NOON - 12 * HOUR
"""The day's first instant: an epoch's edge."""
EPOCH = DAY

SCHEMA = Schema(
    {
        "amount": "int64",
        "event": "string",
        "item": "string",
        "received": "timestamp",
        "ts": "timestamp",
        "user": "string",
    }
)
COUNTS = (
    agg.count("n", windows=["1h", "7d", "all"]),
    agg.sum("total", "amount", windows=["7d"]),
    agg.last("newest", "amount", windows=["7d"]),
)


class Click(NamedTuple):
    """One event; `known` is its event time unless given."""

    time: int
    user: str | None = "u"
    amount: int | None = 1
    event: str | None = None
    known: int | None = None
    item: str | None = "i"


def source(**options: Any) -> EventSource:
    """The source of clicks."""
    given: dict[str, Any] = {"event_id": "event", "dedup_horizon": "1h", **options}
    return EventSource(
        "clicks", schema=dict(SCHEMA), timestamp="ts", available_at="received", stream=Push(), **given
    )


def counting(
    features: Sequence[Aggregation] = COUNTS,
    *,
    name: str = "counts",
    version: str = "1",
    key: str = "user",
    **options: Any,
) -> AggregateBinding:
    """A view of aggregations over the clicks of a user, or of an item."""
    plan = compile_view(features, SCHEMA)
    keys = Schema({key: "string"})
    return AggregateBinding(name, version, keys, source(**options), SCHEMA, plan=plan)


def newest(ttl: int | None = None, **options: Any) -> LatestBinding:
    """A view of the newest click of a user."""
    features = Schema({"amount": "int64", "item": "string", "received": "timestamp"})
    keys = Schema({"user": "string"})
    return LatestBinding("newest", "1", keys, source(**options), SCHEMA, features=features, ttl=ttl)


def clicks(*events: Click) -> pa.Table:
    """The events, as intake hands them on."""
    known = [each.time if each.known is None else each.known for each in events]
    instants = pa.timestamp("us", "UTC")
    return pa.table(
        {
            TIME: pa.array([each.time for each in events], pa.int64()),
            KNOWN: pa.array(known, pa.int64()),
            "amount": pa.array([each.amount for each in events], pa.int64()),
            "event": pa.array([each.event for each in events], pa.string()),
            "item": pa.array([each.item for each in events], pa.string()),
            "received": pa.array([each.known for each in events], pa.int64()).cast(instants),
            "ts": pa.array([each.time for each in events], pa.int64()).cast(instants),
            "user": pa.array([each.user for each in events], pa.string()),
        }
    )


def ingest(*views: Binding, **options: Any) -> Ingest:
    """The ingestion of the clicks into some views; their expressions are plain columns."""
    return Ingest("clicks", [(view, Evaluated) for view in views], EPOCH, **options)


def load(
    store: Any, view: Binding, end: int, *events: Click, now: int | None = None, by: Ingest | None = None
) -> Loaded:
    """Materialize the events, those of them known before the end."""
    before = [each for each in events if (each.time if each.known is None else each.known) < end]
    nothing = no_rejects()
    at = end if now is None else now
    return load_parts(store, [Part(clicks(*before), nothing, BUCKETS)], Load(view, end, at, EPOCH, ingest=by))


class Fed:
    """An engine that reads what a test hands it: a table in memory, which every load reads whole."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts = parts

    def infer_schema(self, source: EventSource) -> Schema:
        return SCHEMA

    def files(self, source: EventSource) -> None:
        return None

    def parts(self, binding: Binding, before: int, held: object = None, done: int = 0) -> Iterator[Part]:
        return iter(self._parts)

    def features(self, asked: object, progress: object) -> NoReturn:
        raise AssertionError("loads ask for no features")


def load_parts(store: Any, parts: Iterable[Part], what: Load, progress: Progress = lambda *_: None) -> Loaded:
    """Materialize some parts."""
    return materialize(store, Fed(parts), what, progress)


def values(
    store: Any, view: Binding, users: Sequence[str | None] = ("u",), *, now: int = 0, as_of: int | None = None
) -> dict[str, list[Any]]:
    """Feature -> the users' values."""
    return {
        name: [each[0] for each in column]
        for name, column in answers(store, view, users, now=now, as_of=as_of).items()
    }


def answers(
    store: Any, view: Binding, users: Sequence[str | None] = ("u",), *, now: int = 0, as_of: int | None = None
) -> dict[str, list[Any]]:
    """Feature -> (value, status, newest event time) of each user."""
    asked = pa.table({name: pa.array(users, pa.string()) for name in view.keys})
    keys = key_column(asked, view.keys).to_pylist()
    with store.snapshot() as snapshot:
        found = read(snapshot, [Asked(view.id, states_of(view), keys, EPOCH)], now, as_of)
    return answers_of(found.columns[0])


__all__ = [
    "COUNTS",
    "DAY",
    "EPOCH",
    "HOUR",
    "MIDNIGHT",
    "MINUTE",
    "NOON",
    "SCHEMA",
    "SECOND",
    "Click",
    "answers",
    "clicks",
    "counting",
    "ingest",
    "load",
    "load_parts",
    "newest",
    "source",
    "values",
]
