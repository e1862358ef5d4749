"""The two parts of the demo, and the instants at which batch and stream meet in each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from headrace.clock import instant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["HOUSEHOLDS", "SHOP", "Part", "Stream"]

AT_ONCE = 2_000
"""Rows of one push."""


class Stream(NamedTuple):
    """Events that are pushed.

    Attributes:
        source: The name of their source.
        file: The stem of the file that holds all its events.
        known: The column that says from when an event could be known.
    """

    source: str
    file: str
    known: str


class Part(NamedTuple):
    """A data set of the demo.

    Attributes:
        views: The views on it.
        tag: The tag of its features.
        keys: The columns that name an entity of its finest view.
        file: The stem of the file that holds all entities.
        end: K: what was known before is loaded, what is known from then on is pushed.
        as_of: The instant that is asked about, after the last event.
        streams: What is pushed.
    """

    views: tuple[str, ...]
    tag: str
    keys: tuple[str, ...]
    file: str
    end: str
    as_of: str
    streams: tuple[Stream, ...]

    def entities(self, data: Path) -> pa.Table:
        """Every entity of the data, one row each, in order.

        Args:
            data: The directory of the files.
        """
        whole = parquet.read_table(data / f"{self.file}.parquet", columns=list(self.keys))
        each = whole.group_by(list(self.keys)).aggregate([])
        return each.sort_by([(name, "ascending") for name in self.keys])

    def last_day(self, data: Path, stream: Stream) -> pa.Table:
        """The events of a stream that are known from `end` on, in the order they become known."""
        path = data / f"{stream.file}.parquet"
        edge = pa.scalar(instant(self.end), pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        return parquet.read_table(path, filters=pc.field(stream.known) >= edge).sort_by(stream.known)

    def pushes(self, data: Path) -> Iterator[tuple[str, pa.Table, float]]:
        """The last day in small pushes: source, rows, and how much of the day is pushed with them."""
        days = [(stream.source, self.last_day(data, stream)) for stream in self.streams]
        whole, done = sum(rows.num_rows for _, rows in days), 0
        for source, rows in days:
            for start in range(0, rows.num_rows, AT_ONCE):
                some = rows.slice(start, AT_ONCE)
                done += some.num_rows
                yield source, some, done / whole

    def spine(self, entities: pa.Table) -> pa.Table:
        """The entities, all at the instant that is asked about."""
        t: Any = pa.array([instant(self.as_of)] * entities.num_rows, pa.int64())
        return entities.append_column("ts", t.cast(pa.timestamp("us", tz="UTC")))


HOUSEHOLDS = Part(
    views=("shopping", "coupons", "reached", "profile"),
    tag="household",
    keys=("household_id",),
    file="transactions",
    end="2017-12-31T00:00:00Z",
    as_of="2018-01-01T06:00:00Z",
    streams=(
        Stream("purchases", "transactions", "ts"),
        Stream("redemptions", "redemptions", "received_at"),
    ),
)
SHOP = Part(
    views=("item_ctr", "slot_ctr"),
    tag="item",
    keys=("campaign", "item_id", "position"),
    file="open_bandit",
    end="2019-11-30T00:00:00Z",
    as_of="2019-12-01T00:00:00Z",
    streams=(Stream("impressions", "open_bandit", "ts"),),
)
