"""What a measurement reads, as plain data: an event log, a spine, a table of slowly changing values.

This module imports nothing heavy: the harness describes inputs, only its children draw and read them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, Final

CACHE: Final = Path(".bench")
FORMAT: Final = 2  # part of every cache key: raise it when the same parameters draw other rows
US_PER_SECOND: Final = 1_000_000
US_PER_DAY: Final = 86_400 * US_PER_SECOND
START_US: Final = 1_767_225_600 * US_PER_SECOND  # 2026-01-01T00:00:00Z, a day's edge


@dataclasses.dataclass(frozen=True)
class Log:
    """What an event log looks like; the same value gives the same rows.

    Attributes:
        events: Rows before re-delivery.
        users: Number of distinct users that may occur.
        span_days: Length of the log, from 2026-01-01T00:00:00Z.
        seed: Root seed.
        sigma: Spread of the users' lognormal popularity; 0 makes them equal.
        hot_share: Share of all rows given to one user (user 0), or None.
        ads: Number of advertisements, Zipf-like.
        click_share: Share of rows whose `event` is `click`.
        knowledge: Also write `event_id` and `available_at`, and re-deliver some rows.
        late_share: With `knowledge`, share of rows that arrive late (log-normal delay, tail of days).
        redelivered: With `knowledge`, share of rows that occur a second time, known later.
        string_keys: Write `user_id` and `ad_id` as strings instead of int64.
        tick_us: Times are floored to this many microseconds; above 1 it makes ties and window edges frequent.
    """

    events: int
    users: int
    span_days: int = 90
    seed: int = 7
    sigma: float = 1.2
    hot_share: float | None = None
    ads: int = 1_000
    click_share: float = 0.05
    knowledge: bool = False
    late_share: float = 0.3
    redelivered: float = 0.005
    string_keys: bool = False
    tick_us: int = 1

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that name these parameters."""
        canonical = json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The files of one measurement; they exist once `bench.generate.write` has seen this value.

    Attributes:
        log: Whose users, popularity and span everything is drawn from.
        spine_rows: Rows of the spine; 0 for none.
        profile_rows: Rows of the table of slowly changing values; 0 for none.
        profile_columns: Its number of double columns.
        with_events: Whether the event log itself is read.
        cache: Directory of the files.
    """

    log: Log
    spine_rows: int = 0
    profile_rows: int = 0
    profile_columns: int = 50
    with_events: bool = True
    cache: Path = CACHE

    @property
    def events(self) -> Path:
        """Columns `user_id, ts, price, event, ad_id`, and with `knowledge` `event_id, available_at`."""
        return self.cache / f"events-{self.log.events}-{self.log.digest}.parquet"

    @property
    def spine(self) -> Path:
        """Columns `request_id` (0, 1, ..), `user_id`, `ts`."""
        return self.cache / f"spine-{self.spine_rows}-{self.log.digest}.parquet"

    @property
    def profiles(self) -> Path:
        """Columns `user_id, updated_at, v00, v01, ..`."""
        shape = f"{self.profile_rows}x{self.profile_columns}"
        return self.cache / f"profiles-{shape}-{self.log.digest}.parquet"

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {**dataclasses.asdict(self), "cache": str(self.cache)}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Inputs:
        """The inverse of `to_dict`."""
        return cls(**{**document, "log": Log(**document["log"]), "cache": Path(document["cache"])})
