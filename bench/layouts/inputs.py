"""Entities and views to compare layouts over: their events, lifted and tiled by Headrace itself."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace import agg
from headrace.clock import DAY
from headrace.kernel.clean import KNOWN, TIME, condition_column
from headrace.kernel.events import rows_of_events
from headrace.kernel.plan import compile_view
from headrace.kernel.tiles import tile, tile_starts
from headrace.schema import Schema

if TYPE_CHECKING:
    from headrace.aggregations.base import Aggregation
    from headrace.kernel.plan import ViewPlan
    from headrace.kernel.rows import Rows

K: Final = 20_500 * DAY
"""The end of the load: an epoch's edge."""

FOUR: Final = ("1h", "1d", "7d", "30d")
CLICKED: Final = "event = 'click'"
SCHEMA: Final = Schema(
    {
        "ad_id": "int64",
        "event": "string",
        "event_id": "string",
        "price": "double",
        "ts": "timestamp",
        "user_id": "int64",
    }
)
ORDER: Final = Schema({name: of for name, of in SCHEMA.items() if name not in {"ts", "user_id"}})
"""What settles ties between a user's events, as a binding has it."""


@dataclasses.dataclass(frozen=True)
class Entities:
    """Entities that are alike.

    Attributes:
        name: What the table calls them.
        count: How many.
        events: Events of each.
        days: How long before K they are spread over, evenly.
    """

    name: str
    count: int
    events: int
    days: int


@dataclasses.dataclass(frozen=True)
class View:
    """A view.

    Attributes:
        name: What the table calls it.
        kinds: Its aggregations.
        windows: The windows of each.
        event_id: Whether the source says which column identifies an event.
    """

    name: str
    kinds: str = "ten"
    windows: tuple[str, ...] = FOUR
    event_id: bool = False

    def plan(self) -> ViewPlan:
        """The compiled view."""
        return compile_view(_features(self.kinds, list(self.windows)), SCHEMA)


def _features(kinds: str, windows: list[str]) -> list[Aggregation]:
    """One count; or ten aggregates; or those of them that keep no order key."""
    events = agg.count("events", windows=windows)
    if kinds == "one":
        return [events]
    eight = [
        events,
        agg.count("clicks", windows=windows, where=CLICKED),
        agg.sum("spend", "price", windows=windows),
        agg.mean("mean", "price", windows=windows),
        agg.min("least", "price", windows=windows),
        agg.max("most", "price", windows=windows),
        agg.stddev("spread", "price", windows=windows),
        agg.rate("ctr", numerator="clicks", denominator="events", prior=(1, 50), windows=windows),
    ]
    if kinds == "eight":
        return eight
    return [*eight, agg.first("first", "price", windows=windows), agg.last("last", "price", windows=windows)]


def lifted(view: View, of: Entities, seed: int = 7) -> Rows:
    """The events of some entities as rows, each by itself."""
    draw = np.random.default_rng(seed)
    n = of.count * of.events
    entity = np.repeat(np.arange(of.count, dtype=np.int64), of.events)
    time = K - 1 - draw.integers(0, of.days * DAY, n)
    event = pa.array(np.array(["view", "click"])[(draw.random(n) < 0.05).astype(int)])
    order = np.lexsort((time, entity))
    table = pa.table(
        {
            TIME: time,
            KNOWN: time,
            "ad_id": draw.integers(0, 1_000, n),
            "event": event,
            "event_id": [raw.hex() for raw in np.frombuffer(draw.bytes(16 * n), "V16").tolist()],
            "price": np.round(draw.lognormal(0.0, 1.0, n), 4),
            "ts": pa.array(time).cast(pa.timestamp("us", tz="UTC")),
            "user_id": entity,
            condition_column(CLICKED): pc.equal(event, "click"),
        }
    ).take(pa.array(order))
    event_id = "event_id" if view.event_id else None
    return rows_of_events(view.plan(), table, entity, ORDER, event_id, deduplicated=True)


def tiled(plan: ViewPlan, rows: Rows, *, cascade: bool = True) -> Rows:
    """The rows as tiles for all instants from K on; without the cascade all of the finest hop."""
    if cascade:
        return tile(plan, rows, K)
    _, reached = tile_starts(plan, rows.time, K)
    return tile(plan, rows.take(np.flatnonzero(reached)))
