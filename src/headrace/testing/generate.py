"""Drawn cases, small but nasty: a source, a view, a log of events and a spine.

Event times lie on and one microsecond beside each other, hop edges and changes of clocks; rows repeat, come
late, come from the future, lack keys and values; spine rows fall on event times, known instants and the
instants at which an event enters or leaves a window. Values are clean, as the oracle takes them; `Case.table`
is the log in Arrow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from hypothesis import strategies as st

from headrace.agg import CATALOGUE
from headrace.schema import Schema
from headrace.testing.arguments import examples_of
from headrace.testing.nasty import BASES, COLUMNS, CONDITIONS, DERIVED, KEYS, SCALES, VALUES, Scale, moments
from headrace.testing.oracle import accepted, deduplicated, historical
from headrace.windows import Calendar, Lifetime, Series, Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from headrace.aggregations.base import Aggregation
    from headrace.schema import Type
    from headrace.testing.arguments import Example
    from headrace.testing.formulas import Answer, Event

__all__ = [
    "Case",
    "Frame",
    "cases",
    "dimensions",
    "event_rows",
    "features",
    "filled",
    "frames",
    "logs",
    "one_of",
]

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
MOST_EVENTS = 40


@dataclass(frozen=True)
class Case:
    """One drawn case.

    Attributes:
        schema: The source's frozen schema.
        key_columns: The entity's join keys; none for one global row.
        available_at: The column that says when an event could be known, if any.
        event_id: The column that names an event, if any.
        columns: Derived columns: name -> SQL.
        zone: The view's zone.
        serving_delay: Microseconds.
        features: The view's aggregations.
        events: Rows with all columns of the schema, the derived ones, and a verdict for each `where`.
        spine: Rows with the key columns and `t`.
        timestamp: The column of event times.
    """

    schema: Schema
    key_columns: tuple[str, ...]
    available_at: str | None
    event_id: str | None
    columns: Mapping[str, str] = field(hash=False)
    zone: str
    serving_delay: int
    features: tuple[Aggregation, ...]
    events: list[dict[str, Any]] = field(hash=False)
    spine: list[dict[str, Any]] = field(hash=False)
    timestamp: str = "ts"

    @property
    def derived(self) -> dict[str, Type]:
        """The types of the derived columns."""
        return {name: DERIVED[name].type for name in self.columns}

    @property
    def types(self) -> dict[str, Type]:
        """The types of all columns, derived ones included."""
        return {**self.schema, **self.derived}

    def expected(self, events: Sequence[Mapping[str, Any]] | None = None) -> list[dict[str, Answer]]:
        """What the oracle says of each row of the spine."""
        return historical(
            self.features,
            self.events if events is None else events,
            self.spine,
            key_columns=self.key_columns,
            timestamp=self.timestamp,
            schema=self.schema,
            available_at=self.available_at,
            event_id=self.event_id,
            derived=self.derived,
            zone=self.zone,
            serving_delay=self.serving_delay,
        )

    def accepted(self) -> list[Event]:
        """The events that are not quarantined, in the total order, copies included."""
        how = (self.key_columns, self.timestamp, self.schema, self.available_at, self.event_id)
        return accepted(self.events, *how)

    def counted(self) -> list[Event]:
        """The events that are not quarantined, in the total order, each once."""
        log = self.accepted()
        return log if self.event_id is None else deduplicated(log, self.key_columns, self.event_id)

    def table(self, rows: Sequence[Mapping[str, Any]] | None = None, *, raw: bool = False) -> pa.Table:
        """The source's columns of its events, or of some rows, in Arrow.

        Args:
            rows: Rows of the log; all by default.
            raw: Whether every other null double is NaN, and every other zero -0.0, as before cleaning.
        """
        given = self.events if rows is None else rows
        columns = {}
        for name, of in self.schema.items():
            values = [row[name] for row in given]
            if raw and of.name == "double":
                values = [_soiled(value) if place % 2 else value for place, value in enumerate(values)]
            columns[name] = pa.array(values, of.arrow())
        return pa.table(columns)

    def spine_table(self, timestamp: str = "t") -> pa.Table:
        """The spine in Arrow: key columns and the instants."""
        keys = {
            key: pa.array([row[key] for row in self.spine], self.schema[key].arrow())
            for key in self.key_columns
        }
        return pa.table(
            {**keys, timestamp: pa.array([row["t"] for row in self.spine], pa.timestamp("us", "UTC"))}
        )


def _soiled(value: float | None) -> float | None:
    if value is None:
        return math.nan
    return -0.0 if value == 0.0 else value


def dimensions(case: Case) -> Iterator[tuple[str, str, str]]:
    """What a case tries: (kind, kind of window, option) for each aggregation, window and option in force."""
    for feature in case.features:
        options = ["plain"]
        filters = [each.where for each in case.features if each.name in {feature.name, *feature.references}]
        options += ["where"] * any(filters)
        options += ["by"] * bool(getattr(feature, "by", None))
        options += ["known"] * bool(case.available_at)
        options += ["event_id"] * bool(case.event_id)
        options += ["serving_delay"] * bool(case.serving_delay)
        inputs = (column for column in feature.columns if column != feature.by)
        options += ["decimal"] * any(case.types[column].name == "decimal" for column in inputs)
        for window in feature.windows:
            for option in options:
                yield feature.kind, window_kind(window), option


def window_kind(window: Window) -> str:
    """`sliding`, `shifted`, `series`, `calendar`, `earlier` (calendar) or `lifetime`."""
    if isinstance(window, Lifetime):
        return "lifetime"
    if isinstance(window, Series):
        return "series"
    if isinstance(window, Calendar):
        return "earlier" if window.offset else "calendar"
    return "shifted" if window.offset else "sliding"


# --- strategies ---


class Frame(NamedTuple):
    """A case without its log and spine, which any number of drawn logs may fill.

    Attributes:
        case: The source and the view.
        scale: About how long the view's windows are.
    """

    case: Case
    scale: Scale


@st.composite
def cases(draw: st.DrawFn, kinds: Sequence[str] = tuple(CATALOGUE)) -> Case:
    """A case over some kinds of aggregations."""
    return draw(filled(draw(frames(kinds))))


@st.composite
def frames(draw: st.DrawFn, kinds: Sequence[str] = tuple(CATALOGUE), *, whole: bool = False) -> Frame:
    """A source and a view over some kinds of aggregations; `whole`: over all of them, and all columns."""
    keyed = [("user",), ("user",), ("user", "item")]
    key_columns = draw(st.sampled_from([*keyed * (2 if whole else 1), ()]))
    values = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=2, max_size=4, unique=True))
    values += [name for name in (draw(st.sampled_from(["price", "cost"])),) if name not in values]
    values = sorted(COLUMNS) if whole else values
    available_at = draw(st.sampled_from(["received", "received", None]))
    event_id = draw(st.sampled_from(["event", None]))
    names = [*key_columns, "ts", *values, *(name for name in (available_at, event_id) if name)]
    schema = Schema({name: {**KEYS, **COLUMNS}[name] for name in draw(st.permutations(names))})
    columns = {name: each.sql for name, each in DERIVED.items() if each.reads(schema) and draw(st.booleans())}
    zone = draw(st.sampled_from(sorted(BASES)))
    scale = SCALES[draw(st.sampled_from(sorted(SCALES)))]
    view = draw(features(schema, columns, scale, kinds, whole=whole))
    delay = draw(st.sampled_from([0, 1, scale.hop]))
    return Frame(Case(schema, key_columns, available_at, event_id, columns, zone, delay, view, [], []), scale)


@st.composite
def filled(draw: st.DrawFn, frame: Frame) -> Case:
    """The frame's case with a log and a spine."""
    case, scale = frame
    how = (case.schema, case.key_columns, case.available_at, case.event_id, case.columns, case.zone)
    case = replace(case, events=draw(logs(*how, scale)), spine=[])
    case.spine.extend(draw(_spines(case, scale)))
    return case


@st.composite
def features(
    draw: st.DrawFn,
    schema: Schema,
    columns: Mapping[str, str],
    scale: Scale,
    kinds: Sequence[str] = tuple(CATALOGUE),
    *,
    whole: bool = False,
) -> tuple[Aggregation, ...]:
    """The aggregations of a view: any kinds over any columns, windows and filters; `whole`: all kinds."""
    types = {name: of for name, of in schema.items() if name not in KEYS}
    types |= {name: DERIVED[name].type for name in columns}
    conditions = [sql for sql, each in CONDITIONS.items() if each.reads(schema)]
    made: list[Aggregation] = []
    few = min(len(kinds), 8)
    some = st.lists(st.sampled_from(list(kinds)), min_size=few, max_size=few + 3, unique=True)
    for place, kind in enumerate(kinds if whole else draw(some)):
        choices = [each for each in _examples(kind) if all(column in types for column in each.columns())]
        if not choices:
            continue
        decimals = [each for each in choices if any(types[name].name == "decimal" for name in each.columns())]
        if draw(st.booleans()) and decimals:
            choices = decimals
        example = draw(one_of(choices))
        sorts = draw(st.lists(st.sampled_from(sorted(scale.windows)), min_size=3, max_size=6, unique=True))
        chosen = [draw(st.sampled_from(scale.windows[sort])) for sort in sorts]
        alone = draw(st.integers(0, 7)) == 0
        where = draw(st.sampled_from(conditions)) if draw(st.booleans()) and conditions else None
        made += example.make(f"f{place}", chosen[:1] if alone else chosen, where, suffix=not alone)
    return tuple(made) or _examples("count")[0].make("f0", "1h")


def one_of(examples: Sequence[Example]) -> st.SearchStrategy[Example]:
    """One of some examples; a map every other time, though there are many more ways to write one."""
    maps = [each for each in examples if each.keyed]
    others = [each for each in examples if not each.keyed]
    if not maps or not others:
        return st.sampled_from(examples)
    return st.one_of(st.sampled_from(others), st.sampled_from(maps))


@lru_cache
def _examples(kind: str) -> list[Example]:
    """The examples of a kind over all columns that are ever drawn; a column has one type wherever it is."""
    return examples_of(kind, {**Schema(COLUMNS), **{name: each.type for name, each in DERIVED.items()}})


@st.composite
def logs(
    draw: st.DrawFn,
    schema: Schema,
    key_columns: Sequence[str],
    available_at: str | None,
    event_id: str | None,
    columns: Mapping[str, str],
    zone: str,
    scale: Scale,
) -> list[dict[str, Any]]:
    """A log of at most 40 events around one instant, with ties, copies and late ones."""
    base = draw(st.sampled_from(BASES[zone]))
    steps = [0, scale.hop, scale.length // 8, scale.length // 2, scale.length, 2 * scale.length]
    jitter = st.sampled_from([0, 0, -1, 1, 1_000_001])
    offset = st.builds(
        lambda a, sign, b: sign * a + b, st.sampled_from(steps), st.sampled_from([-1, 1]), jitter
    )
    instants = [base + each for each in draw(st.lists(offset, min_size=2, max_size=8))]
    vile = draw(st.integers(0, 3)) == 0
    row = event_rows(schema, key_columns, available_at, event_id, instants, lag=scale.length, vile=vile)
    size = draw(st.sampled_from([5, 8, 13, 2, 21, 34, 0]))
    rows = draw(st.lists(row, min_size=size, max_size=size))
    for place in draw(st.lists(st.integers(0, max(len(rows) - 1, 0)), max_size=4)) if rows else []:
        rows.append(draw(_copies(rows[place], row, event_id)))
    return [complete(each, schema, columns) for each in draw(st.permutations(rows[:MOST_EVENTS]))]


def complete(row: Mapping[str, Any], schema: Schema, columns: Mapping[str, str]) -> dict[str, Any]:
    """The row with its derived columns and the verdict of every condition that can be asked of it."""
    whole = dict(row)
    whole |= {name: DERIVED[name].of(row) for name in columns}
    return whole | {sql: each.of(row) for sql, each in CONDITIONS.items() if each.reads(schema)}


def event_rows(
    schema: Schema,
    key_columns: Sequence[str],
    available_at: str | None,
    event_id: str | None,
    instants: Sequence[int],
    *,
    lag: int = DAY,
    vile: bool = False,
) -> st.SearchStrategy[dict[str, Any]]:
    """Single events at some instants.

    Args:
        schema: The source's columns.
        key_columns: Drawn from few values, one in ten of them hot.
        available_at: Before, at and long after the event time.
        event_id: Drawn from few values.
        instants: The event times, microseconds UTC.
        lag: How late a late event is, microseconds.
        vile: Whether values reach the ends of their types.
    """
    columns: dict[str, st.SearchStrategy[Any]] = {}
    for name, of in schema.items():
        if name == "ts":
            columns[name] = st.sampled_from([*instants, *instants, *instants, *instants, None])
        elif name == available_at:
            late = [1, lag // 8, lag // 2, lag, 3 * lag, 4000 * DAY]
            columns[name] = st.sampled_from([None, 0, -1, -5 * MINUTE, -5 * MINUTE - 1, *late])
        elif name == event_id:
            columns[name] = st.sampled_from([None, "", "e1", "e2", "e3", "é", "e\x00"])
        elif name in key_columns:
            hot, *others = VALUES[KEYS[name]].usual
            columns[name] = st.sampled_from([hot] * 6 + [*others, None])
        else:
            pool = VALUES[of.name]
            columns[name] = st.sampled_from([None, *pool.usual, *(pool.vile if vile else ())])
    return st.fixed_dictionaries(columns).map(lambda row: _arrived(row, available_at))


def _arrived(row: dict[str, Any], available_at: str | None) -> dict[str, Any]:
    """The row with its lag made an instant."""
    if available_at is None or row[available_at] is None or row["ts"] is None:
        return row
    return {**row, available_at: row["ts"] + row[available_at]}


@st.composite
def _copies(
    draw: st.DrawFn, row: dict[str, Any], other: st.SearchStrategy[dict[str, Any]], event_id: str | None
) -> dict[str, Any]:
    """A second copy of an event: the same, or with some columns of another."""
    copy = {**row, event_id: row[event_id] or "e1"} if event_id else dict(row)
    if draw(st.booleans()):
        return copy
    changed = draw(other)
    taken = draw(st.lists(st.sampled_from(sorted(row)), max_size=3))
    return {**copy, **{name: changed[name] for name in taken if name != event_id}}


@st.composite
def _spines(draw: st.DrawFn, case: Case, scale: Scale) -> list[dict[str, Any]]:
    """Up to 12 rows, duplicates among them, at the instants at which something changes."""
    log = case.accepted()
    edges: dict[str, set[int]] = {"": {0}}
    for window in (window for each in case.features for window in each.windows):
        edges.setdefault(window_kind(window), set()).update(moments(window))
    times = [event.time for event in log] or [BASES[case.zone][0]]
    instants = st.sampled_from(times + [event.known for event in log])
    moment = st.builds(
        lambda at, edge, hop, jitter: -(-(at + edge) // hop) * hop + jitter,
        st.one_of(st.just(max(times)), st.sampled_from(times), instants),
        st.one_of(
            st.just(case.serving_delay),
            st.sampled_from([0, scale.hop]),
            st.one_of([st.sampled_from(sorted(edges[kind])) for kind in sorted(edges)]),
        ),
        st.sampled_from([1, 1, 1_000_000, scale.hop, DAY]),
        st.sampled_from([1, 0, 1, -1, 1_000_000, scale.hop]),
    )
    keys = {
        key: st.sampled_from([*VALUES[KEYS[key]].usual, None, VALUES[KEYS[key]].unseen])
        for key in case.key_columns
    }
    hot = {key: VALUES[KEYS[key]].usual[0] for key in case.key_columns}
    seen = [{key: event.row[key] for key in case.key_columns} for event in log] or [hot]
    key = st.one_of([st.sampled_from(seen)] * 5 + [st.fixed_dictionaries(keys)])
    rows = draw(st.lists(st.builds(lambda k, t: {**k, "t": t}, key, moment), min_size=1, max_size=10))
    return rows + [rows[place] for place in draw(st.lists(st.integers(0, len(rows) - 1), max_size=2))]
