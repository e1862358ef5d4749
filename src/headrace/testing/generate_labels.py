"""Drawn cases of labels: touches, conversions and a spine around a few instants, small but nasty.

Conversions lie on touches, one microsecond beside them, and at the end of the span in which they count;
touches of one key share instants; both repeat under their ids, arrive late, come from the future and lack
keys. The spine has some of the touches, twice now and then, and rows that are none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from hypothesis import strategies as st

from headrace.clock import DAY, HOUR, SECOND
from headrace.definitions.label import ATTRIBUTIONS, Label
from headrace.definitions.source import EventSource
from headrace.definitions.span import Span
from headrace.kernel.columns import PRESENT
from headrace.testing.agreement import agree
from headrace.testing.formulas import Answer
from headrace.testing.generate import complete, event_rows
from headrace.testing.labels import LabelAnswer, labelled
from headrace.testing.nasty import BASES, COLUMNS, CONDITIONS, KEYS, VALUES
from headrace.testing.oracle import accepted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.kernel.columns import Column
    from headrace.schema import Schema

__all__ = ["LabelCase", "label_cases"]

_VALUES = ("amount", "price", "score")
_EVER = 400_000 * DAY


@dataclass(frozen=True)
class LabelCase:
    """One drawn case.

    Attributes:
        label: The definition; its sources have schemas and no batch.
        conversions: Rows of its source, with a verdict for each condition.
        touches: Rows of its touches.
        spine: Rows with the keys and `t`, and the touches' event id where `named`.
        named: Whether the spine names touches.
        as_of: What was not known before it does not count.
    """

    label: Label
    conversions: list[dict[str, Any]] = field(hash=False)
    touches: list[dict[str, Any]] = field(hash=False)
    spine: list[dict[str, Any]] = field(hash=False)
    named: bool
    as_of: int

    def expected(self) -> list[LabelAnswer]:
        """What the oracle says of each row of the spine."""
        return labelled(self.label, self.conversions, self.touches, self.spine, self.as_of)

    def differences(self, columns: Mapping[str, Column]) -> list[str]:
        """Where an engine's `value` and `delay` disagree with the oracle, one line each."""
        value, delay = columns["value"], columns["delay"]
        touched = [status == PRESENT for status in value.status]
        found = []
        given = zip(self.expected(), value.to_list(), delay.to_list(), touched, strict=True)
        for row, (expected, *got) in enumerate(given):
            same = agree(Answer(expected.value, "", None, expected.slack), got[0])
            if not same or [expected.delay, expected.touched] != got[1:]:
                found.append(f"row {row}: {expected} expected, got {got}")
        return found

    def table(self, source: EventSource, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Rows of a source in Arrow, as they are before cleaning."""
        assert source.schema is not None
        types = source.schema.items()
        return pa.table({name: pa.array([row[name] for row in rows], of.arrow()) for name, of in types})

    def spine_table(self, timestamp: str = "t") -> pa.Table:
        """The spine in Arrow."""
        assert self.label.source.schema is not None
        names = [*self.label.keys, *(["event"] if self.named else [])]
        types = {**self.label.source.schema, **((self.label.touches and self.label.touches.schema) or {})}
        columns = {name: pa.array([row[name] for row in self.spine], types[name].arrow()) for name in names}
        at = pa.array([row["t"] for row in self.spine], pa.timestamp("us", "UTC"))
        return pa.table({**columns, timestamp: at})


@st.composite
def label_cases(draw: st.DrawFn) -> LabelCase:
    """A case."""
    keys = draw(st.sampled_from([("user",), ("user", "item")]))
    within = draw(st.sampled_from([SECOND, HOUR, 7 * DAY]))
    base = draw(st.sampled_from(BASES["UTC"]))
    near = [0, 1, within // 3, within // 2, within - 1, within, within + 1]
    starts = st.lists(st.sampled_from([*near, 3 * within]), min_size=2, max_size=4)
    instants = [base + each for each in draw(starts)]
    ends = sorted({t + each for t in instants for each in near})
    source = draw(_sources("conversions", keys))
    clicks = draw(st.one_of(_sources("clicks", keys), _sources("clicks", keys), st.none()))
    label = draw(_labels(source, clicks, keys, within))
    conversions = draw(_logs(source, keys, ends, within))
    touches = [] if clicks is None else draw(_logs(clicks, keys, instants, within))
    named = clicks is not None and clicks.event_id is not None and draw(st.booleans())
    spine = draw(_spines(label, touches, instants, named=named))
    moments = [base + _EVER, *(t + within for t in instants), *ends]
    logs = [(source, conversions)] if clicks is None else [(source, conversions), (clicks, touches)]
    for side, rows in logs:
        moments += [event.known for event in _accepted(side, rows, keys)]
    as_of = draw(st.sampled_from(moments)) + draw(st.sampled_from([_EVER, _EVER, 0, 1]))
    return LabelCase(label, conversions, touches, spine, named, as_of)


@st.composite
def _sources(draw: st.DrawFn, name: str, keys: Sequence[str]) -> EventSource:
    values = draw(st.lists(st.sampled_from([*_VALUES, "flag", "word"]), min_size=1, max_size=3, unique=True))
    available_at = draw(st.sampled_from(["received", None]))
    event_id = draw(st.sampled_from(["event", "event", None]))
    names = [*keys, "ts", *values, *(each for each in (available_at, event_id) if each)]
    schema = {each: {**KEYS, **COLUMNS}[each] for each in names}
    until = draw(st.sampled_from([None, None, BASES["UTC"][0], BASES["UTC"][1] + DAY]))
    return EventSource(
        name,
        schema=schema,
        timestamp="ts",
        available_at=available_at,
        event_id=event_id,
        complete_until=until,
    )


@st.composite
def _labels(
    draw: st.DrawFn, source: EventSource, clicks: EventSource | None, keys: Sequence[str], within: int
) -> Label:
    def condition(side: EventSource | None) -> str | None:
        known = [] if side is None else [sql for sql, each in CONDITIONS.items() if each.reads(_schema(side))]
        return draw(st.none() | st.sampled_from(known)) if known else None

    value = draw(st.sampled_from([None, None, *(each for each in _VALUES if each in _schema(source))]))
    return Label(
        "outcome",
        source=source,
        touches=clicks,
        keys=draw(st.permutations(keys)),
        within=Span(within),
        attribution=draw(st.sampled_from(ATTRIBUTIONS)),
        where=condition(source),
        touches_where=condition(clicks),
        value=value,
        count=value is None and draw(st.booleans()),
        reported_within=Span(draw(st.sampled_from([0, 0, HOUR]))),
    )


@st.composite
def _logs(
    draw: st.DrawFn, source: EventSource, keys: Sequence[str], instants: Sequence[int], within: int
) -> list[dict[str, Any]]:
    schema = _schema(source)
    vile = draw(st.integers(0, 3)) == 0
    row = event_rows(schema, keys, source.available_at, source.event_id, instants, lag=within, vile=vile)
    hot = {key: VALUES[KEYS[key]].usual[0] for key in keys}
    row = st.builds(
        lambda each, other: each if other else {**each, **hot}, row, st.sampled_from([0, 0, 0, 1])
    )
    size = draw(st.sampled_from([3, 6, 12, 20, 0]))
    rows = draw(st.lists(row, min_size=size, max_size=size))
    for place in draw(st.lists(st.integers(0, max(len(rows) - 1, 0)), max_size=3)) if rows else []:
        other, taken = draw(row), draw(st.lists(st.sampled_from(sorted(schema)), max_size=2))
        rows.append({**rows[place], **{name: other[name] for name in taken if name != source.event_id}})
    return [complete(each, schema, {}) for each in draw(st.permutations(rows))]


@st.composite
def _spines(
    draw: st.DrawFn,
    label: Label,
    touches: Sequence[Mapping[str, Any]],
    instants: Sequence[int],
    *,
    named: bool,
) -> list[dict[str, Any]]:
    ids = st.sampled_from(["e1", "e2", "", None])
    keys = {key: st.sampled_from([*VALUES[KEYS[key]].usual[:2], None]) for key in label.keys}
    row = st.fixed_dictionaries({**keys, "t": st.sampled_from(instants), **({"event": ids} if named else {})})
    there = [
        {
            **{key: touch[key] for key in label.keys},
            "t": touch["ts"],
            **({"event": touch["event"]} if named else {}),
        }
        for touch in touches
        if touch["ts"] is not None
    ]
    one = st.one_of(st.sampled_from(there), st.sampled_from(there), row) if there else row
    return draw(st.lists(one, min_size=1, max_size=8)) + there[: draw(st.sampled_from([4, 0]))]


def _schema(source: EventSource) -> Schema:
    assert source.schema is not None
    return source.schema


def _accepted(source: EventSource, rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[Any]:
    return accepted(rows, keys, source.timestamp, _schema(source), source.available_at, source.event_id)
