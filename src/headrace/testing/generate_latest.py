"""Drawn cases of latest-value views: rows of a table, some newer, some late, some made again, and a spine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from headrace.schema import Schema
from headrace.testing.generate import DAY, MINUTE, event_rows
from headrace.testing.nasty import BASES, COLUMNS, KEYS, VALUES
from headrace.testing.oracle import accepted, latest

if TYPE_CHECKING:
    from headrace.testing.formulas import Answer, Event

__all__ = ["LatestCase", "filled_latest", "latest_cases", "latest_frames"]


@dataclass(frozen=True)
class LatestCase:
    """One drawn case.

    Attributes:
        schema: The source's frozen schema.
        key_columns: The entity's join keys; none for one global row.
        created_at: The column that decides between rows of one event time, if any.
        available_at: The column that says when a row could be known, if any.
        ttl: Microseconds a row is valid for; None for ever.
        serving_delay: Microseconds.
        features: The columns served.
        rows: Rows with all columns of the schema.
        spine: Rows with the key columns and `t`.
        timestamp: The column of event times.
    """

    schema: Schema
    key_columns: tuple[str, ...]
    created_at: str | None
    available_at: str | None
    ttl: int | None
    serving_delay: int
    features: tuple[str, ...]
    rows: list[dict[str, Any]] = field(hash=False)
    spine: list[dict[str, Any]] = field(hash=False)
    timestamp: str = "ts"

    def accepted(self) -> list[Event]:
        """The rows that are not quarantined."""
        return accepted(self.rows, self.key_columns, self.timestamp, self.schema, self.available_at)

    def expected(self) -> list[dict[str, Answer]]:
        """What the oracle says of each row of the spine."""
        return latest(
            self.features,
            self.rows,
            self.spine,
            key_columns=self.key_columns,
            timestamp=self.timestamp,
            schema=self.schema,
            created_at=self.created_at,
            available_at=self.available_at,
            ttl=self.ttl,
            serving_delay=self.serving_delay,
        )


@st.composite
def latest_cases(draw: st.DrawFn) -> LatestCase:
    """A latest-value view, its rows and a spine; ties in all that decides but the bytes are frequent."""
    return draw(filled_latest(draw(latest_frames())))


@st.composite
def latest_frames(draw: st.DrawFn) -> LatestCase:
    """A latest-value view without rows and spine."""
    key_columns = draw(st.sampled_from([("user",), ("user", "item"), ()]))
    values = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=3, unique=True))
    created_at = draw(st.sampled_from(["created", None]))
    available_at = draw(st.sampled_from(["received", None]))
    columns = {**KEYS, **COLUMNS, "created": "timestamp"}
    names = [*key_columns, "ts", *values, *(name for name in (created_at, available_at) if name)]
    schema = Schema({name: columns[name] for name in draw(st.permutations(names))})
    ttl = draw(st.sampled_from([None, 0, 1, MINUTE, DAY]))
    delay = draw(st.sampled_from([0, 0, MINUTE]))
    return LatestCase(schema, key_columns, created_at, available_at, ttl, delay, tuple(values), [], [])


@st.composite
def filled_latest(draw: st.DrawFn, frame: LatestCase) -> LatestCase:
    """The frame with rows and a spine."""
    base = draw(st.sampled_from(BASES["UTC"]))
    instants = [base, base + 1, base + (frame.ttl or MINUTE), base - DAY, base + MINUTE]
    row = event_rows(frame.schema, frame.key_columns, frame.available_at, None, instants, lag=MINUTE)
    made = st.sampled_from([None, base, base, base + 1])
    size = draw(st.sampled_from([3, 8, 20, 0]))
    one = st.builds(_created, row, st.just(frame.created_at), made)
    case = replace(frame, rows=draw(st.lists(one, min_size=size, max_size=size)), spine=[])
    case.spine.extend(draw(_spines(case, base)))
    return case


def _created(row: dict[str, Any], created_at: str | None, made: int | None) -> dict[str, Any]:
    return row if created_at is None else {**row, created_at: made}


@st.composite
def _spines(draw: st.DrawFn, case: LatestCase, base: int) -> list[dict[str, Any]]:
    log = case.accepted()
    moments = [base, *(event.time for event in log), *(event.known + case.serving_delay for event in log)]
    t = st.builds(
        lambda at, age, jitter: at + age + jitter,
        st.sampled_from(moments),
        st.sampled_from([0, 0, case.ttl or 0, DAY]),
        st.sampled_from([1, 0, 1, -1, MINUTE]),
    )
    keys = {key: st.sampled_from([*VALUES[KEYS[key]].usual, None]) for key in case.key_columns}
    seen = [{key: event.row[key] for key in case.key_columns} for event in log]
    key = st.one_of([st.sampled_from(seen or [{}])] * 3 + [st.fixed_dictionaries(keys)])
    key = key if seen else st.fixed_dictionaries(keys)
    return draw(st.lists(st.builds(lambda k, at: {**k, "t": at}, key, t), min_size=1, max_size=10))
