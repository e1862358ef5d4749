"""What every engine must do, as tests to inherit.

The test of a new engine is a class with two fixtures::

    class TestMyEngine(EngineSuite):
        @pytest.fixture
        def engine(self, tmp_path):
            return MyEngine(tmp_path)

        @pytest.fixture
        def seed(self):
            return 7

`engine` works in `tmp_path`; `seed` is what logs are drawn from. An engine that reads in batches should be
given small ones, so that entities span many of them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import csv, parquet

from headrace import agg
from headrace.definitions import rules
from headrace.definitions.source import EventSource, TableSource
from headrace.definitions.span import Span
from headrace.errors import DataError
from headrace.kernel.binding import AggregateBinding, LatestBinding
from headrace.kernel.plan import compile_view
from headrace.ports.engine import Asked
from headrace.schema import Schema
from headrace.testing.agreement import differences
from headrace.testing.driving import answers_of, bind_case
from headrace.testing.generate_many import many_cases, many_latest_cases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from headrace.aggregations.base import Aggregation
    from headrace.definitions.source import Source
    from headrace.kernel.binding import Binding
    from headrace.ports.engine import Answered, Engine
    from headrace.testing.generate import Case
    from headrace.testing.generate_latest import LatestCase

__all__ = ["EngineSuite"]

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
START = 1_767_225_600_000_000
"""2026-01-01."""

_SCHEMA = Schema(
    {"user": "string", "ts": "timestamp", "received": "timestamp", "id": "string", "amount": "int64",
     "price": "decimal(12,4)", "word": "string"}
)  # fmt: skip


_INFERRED = ("user", "ts", "received", "id", "amount", "word")
_INSTANT = pa.timestamp("us", "UTC")


class EngineSuite:
    """Inherit this, and give it the fixtures `engine` and `seed`.

    Attributes:
        views: How many views over the whole catalogue are drawn.
        logs: How many logs are drawn for each.
    """

    views = 4
    logs = 24

    def test_windows_equal_the_oracle(self, engine: Engine, seed: int, tmp_path: Path) -> None:
        """Every aggregation over every kind of window, filtered, late, copied, with and without keys."""
        kinds: set[str] = set()
        for place, case in enumerate(many_cases(seed, self.views, self.logs)):
            kinds |= {each.kind for each in case.features}
            batch = _files(case.table(raw=True), tmp_path / str(place)) if place % 2 else case.table(raw=True)
            answered = _ask(engine, _bound(case, batch), case.spine)
            wrong = differences(case.expected(), answers_of(answered.columns))
            assert wrong == [], _told(case, wrong)
            times = [event.time for event in case.accepted()]
            assert answered.newest == max(times, default=None)
            assert sum(answered.left_out.values()) == len(case.events) - len(times)
        assert kinds == set(agg.CATALOGUE)

    def test_latest_values_equal_the_oracle(self, engine: Engine, seed: int, tmp_path: Path) -> None:
        """Rows late, tied, made again, and too old."""
        for place, drawn in enumerate(many_latest_cases(seed, self.views, self.logs)):
            # only tables say when a row was made, only logs lag behind
            case = replace(drawn, serving_delay=0) if drawn.created_at else drawn
            types = case.schema.items()
            table = pa.table({n: pa.array([row[n] for row in case.rows], of.arrow()) for n, of in types})
            batch = _files(table, tmp_path / str(place)) if place % 2 else table
            answered = _ask(engine, _latest_bound(case, batch), case.spine)
            assert differences(case.expected(), answers_of(answered.columns)) == []

    def test_some_features_are_answered_as_all_are(self, engine: Engine, seed: int) -> None:
        """What is left out mixes nothing up.

        They are held to the oracle, not to the answers of all: an engine may add up doubles in another order
        each time it is asked.
        """
        (case,) = many_cases(seed, 1, 2)
        binding = _bound(case, case.table())
        names = list(binding.feature_types)[::5]
        expected = [{name: row[name] for name in names} for row in case.expected()]
        some = answers_of(_ask(engine, binding, case.spine, names).columns)
        assert list(some) == names
        assert differences(expected, some) == []

    def test_an_entity_with_half_of_all_events(self, engine: Engine, seed: int, tmp_path: Path) -> None:
        """Its windows are those of any other; what is known at the instant of a question does not count."""
        rng = np.random.default_rng(seed)
        user, time, amount = _uneven(rng, 4_000)
        log = pa.table(
            {"user": [f"u{each}" for each in user], "ts": pa.array(time).cast(_INSTANT), "amount": amount}
        )
        features = [
            agg.sum("spent", "amount", windows=["1h", "2d"]),
            agg.last_k("last", "amount", k=3, windows=["1d"]),
        ]
        delay = 90_000_000
        files = _files(log, tmp_path / "log")
        source = EventSource("log", timestamp="ts", batch=files, serving_delay=Span(delay))
        binding = _view(source, {"user": "string", "ts": "timestamp", "amount": "int64"}, features)
        asked = rng.integers(0, 45, 1_500) * (rng.random(1_500) < 0.3)
        t = np.concatenate(
            [rng.choice(time[user == 0], 1_000) + delay, START + rng.integers(0, 4 * DAY, 500)]
        )
        keys = pa.table({"user": [f"u{each}" for each in asked]})
        columns = engine.features(Asked(binding, list(binding.feature_types), keys, t), _quiet).columns

        def within(start: Any) -> list[Any]:
            """The events of each question's window, newest first."""
            asking = zip(asked, start, t, strict=True)
            found = [
                np.flatnonzero((user == u) & (time >= low) & (time + delay < at)) for u, low, at in asking
            ]
            return [amount[rows[np.argsort(-time[rows])]] for rows in found]

        hour, minutes = (t - HOUR) // (5 * MINUTE) * 5 * MINUTE, (t - DAY) // HOUR * HOUR
        assert columns["spent_1h"].to_list() == [int(each.sum()) for each in within(hour)]
        days = (t - 2 * DAY) // HOUR * HOUR
        assert columns["spent_2d"].to_list() == [int(each.sum()) for each in within(days)]
        assert columns["last_1d"].to_list() == [each[:3].tolist() for each in within(minutes)]

    def test_copies_wherever_they_lie(self, engine: Engine, seed: int, tmp_path: Path) -> None:
        """Of five copies that disagree, in any order and file, the one that was known first counts."""
        rng = np.random.default_rng(seed)
        event = rng.permutation(np.repeat(np.arange(400), 5))
        late, amount = rng.permutation(2_000) * 1_000_000, rng.integers(-5, 50, 2_000)
        time = START + event * 1_000_000
        log = pa.table(
            {
                "user": [f"u{each % 3}" for each in event],
                "ts": pa.array(time).cast(_INSTANT),
                "received": pa.array(time + late).cast(_INSTANT),
                "id": [f"e{each}" for each in event],
                "amount": amount,
            }
        )
        files = _files(log, tmp_path / "log")
        source = EventSource("log", batch=files, timestamp="ts", available_at="received", event_id="id")
        schema = {name: _SCHEMA[name] for name in log.column_names}
        binding = _view(source, schema, [agg.sum("spent", "amount", windows=["all"])])
        spine = [{"user": f"u{n}", "t": START + DAY} for n in range(3)]
        spent = _ask(engine, binding, spine).columns["spent_all"].to_list()
        first = [min(np.flatnonzero(event == each), key=late.__getitem__) for each in range(400)]
        assert spent == [int(amount[first[n::3]].sum()) for n in range(3)]

    def test_what_is_unique_is_unique_over_all_files(self, engine: Engine, tmp_path: Path) -> None:
        """Of rows with one word the one known first is left, and all that are not are counted."""
        n = 1_200
        log = pa.table(
            {
                "user": ["u1"] * n,
                "ts": pa.array(START + np.arange(n)[::-1] * 1_000_000).cast(_INSTANT),
                "word": [f"w{each % 500}" for each in range(n)],
                "amount": np.arange(n),
            }
        )
        schema = {name: _SCHEMA[name] for name in log.column_names}
        for batch in (log, _files(log, tmp_path / "log")):
            source = EventSource("log", batch=batch, timestamp="ts", rules=[rules.unique("word")])
            binding = _view(source, schema, [agg.sum("spent", "amount", windows=["all"])])
            columns, left_out, _ = _ask(engine, binding, [{"user": "u1", "t": START + DAY}])
            assert columns["spent_all"].to_list() == [sum(range(n - 500, n))]
            assert list(left_out.values()) == [n - 500]

    @pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
    def test_files_of_every_kind(self, engine: Engine, tmp_path: Path, kind: str) -> None:
        """What cannot be used is left out and counted, the rest is answered; types are inferred."""
        path = tmp_path / f"log.{kind}"
        _write(path)
        source = EventSource("log", batch=str(path), timestamp="ts", available_at="received", event_id="id")
        inferred = engine.infer_schema(source)
        assert {name: inferred[name] for name in _INFERRED} == {name: _SCHEMA[name] for name in _INFERRED}
        clicks = agg.count("clicks", where="word = 'click'", windows=["1d"])
        binding = _view(source, _SCHEMA, [clicks, agg.sum("spent", "price", windows=["1d"])])
        keys = pa.table({"user": ["u1", "u2", None, "u9", "u1"]})
        t = START + np.array([6, 6, 6, 6, 2]) * HOUR
        columns, left_out, newest = engine.features(
            Asked(binding, ["clicks_1d", "spent_1d"], keys, t), _quiet
        )
        assert columns["clicks_1d"].to_list() == [1, 0, 0, 0, 1]
        assert list(map(str, columns["spent_1d"].to_list())) == [
            "1.7500",
            "3.0000",
            *["0.0000"] * 2,
            "0.2500",
        ]
        assert left_out == {"no_key": 1, "no_time": 1, "future": 1}
        assert newest == START + 3 * HOUR

    def test_nothing_asked_and_nothing_there(self, engine: Engine) -> None:
        """An empty spine has no answers, an empty log answers with what no event means."""
        log = pa.table({name: pa.array([], of.arrow()) for name, of in _SCHEMA.items()})
        features = [agg.count("events", windows=["1d"]), agg.last("word", "word", windows=["all"])]
        binding = _view(EventSource("log", timestamp="ts", batch=log), _SCHEMA, features)
        empty: list[dict[str, Any]] = []
        for spine, wanted in (
            (empty, [[], []]),
            ([{"user": user, "t": START} for user in ("u1", None)], [[0, 0], [None, None]]),
        ):
            columns, left_out, newest = _ask(engine, binding, spine)
            assert [columns[name].to_list() for name in ("events_1d", "word_all")] == wanted
            assert [column.values.type for column in columns.values()] == [pa.int64(), pa.string()]
            assert (left_out, newest) == ({}, None)

    def test_files_that_cannot_be_read(self, engine: Engine, tmp_path: Path) -> None:
        """The error names the file, whoever reads it and wherever."""
        whole, broken, other = (tmp_path / f"{name}.parquet" for name in ("whole", "broken", "other"))
        _write(whole)
        data = bytearray(whole.read_bytes())
        data[4 : len(data) // 3] = bytes(len(data) // 3 - 4)
        broken.write_bytes(data)
        parquet.write_table(pa.table({"user": ["u1"]}), other)
        for path in (tmp_path / "none.parquet", broken, other):
            source = EventSource("log", timestamp="ts", batch=str(path))
            binding = _view(source, _SCHEMA, [agg.last("word", "word", windows=["all"])])
            with pytest.raises(DataError) as caught:
                _ask(engine, binding, [{"user": "u1", "t": START + DAY}])
            assert path.name in caught.value.message


# --- asking ---


def _quiet(what: str, share: float) -> None:
    """Nobody watches."""


def _ask(
    engine: Engine, binding: Binding, spine: Sequence[Mapping[str, Any]], names: Sequence[str] = ()
) -> Answered:
    """The features, all or some, for the rows of a spine."""
    columns = {name: pa.array([row[name] for row in spine], of.arrow()) for name, of in binding.keys.items()}
    keys = pa.table(columns) if columns else pa.table({"": pa.nulls(len(spine))}).select([])
    t = np.array([row["t"] for row in spine], dtype=np.int64)
    return engine.features(Asked(binding, names or list(binding.feature_types), keys, t), _quiet)


def _bound(case: Case, batch: Any) -> AggregateBinding:
    """The case's view over a batch."""
    binding = bind_case(case)
    source = EventSource(
        "log",
        timestamp=case.timestamp,
        available_at=case.available_at,
        event_id=case.event_id,
        columns=dict(case.columns),
        serving_delay=Span(case.serving_delay),
        batch=batch,
    )
    return replace(binding, source=source)


def _latest_bound(case: LatestCase, batch: Any) -> LatestBinding:
    """The case's view over a batch."""
    how: dict[str, Any] = {"batch": batch, "timestamp": case.timestamp, "available_at": case.available_at}
    delay = Span(case.serving_delay)
    source: Source = (
        TableSource("rows", **how, created_at=case.created_at)
        if case.created_at
        else EventSource("rows", **how, serving_delay=delay)
    )
    keys = Schema({name: case.schema[name] for name in case.key_columns})
    features = {name: case.schema[name] for name in case.features}
    return LatestBinding(
        "view", "1", keys, source, case.schema, features=features, ttl=case.ttl, created_at=case.created_at
    )


def _view(source: Source, schema: Mapping[str, Any], features: Sequence[Aggregation]) -> AggregateBinding:
    """A view of users."""
    types = Schema(schema)
    plan = compile_view(features, types)
    return AggregateBinding("view", "1", Schema({"user": "string"}), source, types, plan=plan)


def _told(case: Case, wrong: Sequence[str]) -> str:
    """What is wrong, and the source and view it is wrong about."""
    about = f"{case.key_columns} {case.available_at} {case.event_id} {case.zone} delay {case.serving_delay}"
    return "\n".join([f"{len(wrong)} answers differ ({about}):", *wrong[:5], *map(str, case.features)])


# --- what is asked about ---


def _files(table: pa.Table, stem: Path) -> str:
    """The rows in three files; their glob."""
    size = -(-max(table.num_rows, 1) // 3)
    for part in range(3):
        parquet.write_table(table.slice(part * size, size), f"{stem}_{part}.parquet")
    return f"{stem}_*.parquet"


def _uneven(rng: np.random.Generator, n: int) -> tuple[Any, Any, Any]:
    """Users, of whom one has half of the events; times, all different; amounts."""
    user = np.where(rng.random(n) < 0.5, 0, rng.integers(1, 40, n))
    time = START + rng.choice(3 * DAY // 1_000_000, n, replace=False) * 1_000_000
    return user, time, rng.integers(-5, 50, n)


_ROWS: list[dict[str, Any]] = [
    {"user": user, "ts": ts, "received": known, "id": event, "amount": 1, "price": price, "word": word}
    for user, ts, known, event, price, word in (
        ("u1", 1, 1, "a", "0.25", "click"),
        ("u1", 1, 2, "a", "9.00", "click"),  # a copy, known later
        ("u1", 3, 3, "b", "1.50", "view"),
        ("u2", 2, 4, "c", "3.00", "view"),
        (None, 2, 2, "d", "7.00", "click"),
        ("u1", None, 2, "e", "7.00", "click"),
        ("u1", 9, 1, "f", "7.00", "click"),  # it happens before it is known
    )
]


def _write(path: Path) -> None:
    """The rows in a file of the kind that its name says; instants are hours from `START` on."""
    micros = {name: [row[name] for row in _ROWS] for name in ("ts", "received")}
    instants = {
        name: pa.array([None if h is None else START + h * HOUR for h in hours]).cast(_INSTANT)
        for name, hours in micros.items()
    }
    columns = {name: instants.get(name, pa.array([row[name] for row in _ROWS])) for name in _SCHEMA}
    table = pa.table(columns)
    if path.suffix == ".csv":
        csv.write_csv(table, path)
    elif path.suffix == ".jsonl":
        lines = [json.dumps(row, default=str) for row in table.to_pylist()]
        path.write_text("\n".join(lines) + "\n")
    else:
        typed = {name: pc.cast(column, _SCHEMA[name].arrow()) for name, column in columns.items()}
        parquet.write_table(pa.table(typed), path)
