"""The generator: the same parameters give the same rows, and the rows are what the parameters say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bench import generate
from bench.inputs import Inputs, Log

PLAIN = Log(events=4_000, users=50, span_days=40)
LATE = dataclasses.replace(PLAIN, knowledge=True, string_keys=True)


def _us(column: pa.ChunkedArray) -> np.ndarray:
    return column.cast(pa.int64()).to_numpy()


@pytest.mark.parametrize("log", [PLAIN, LATE, dataclasses.replace(PLAIN, hot_share=0.5)])
def test_the_same_log_is_drawn_twice_alike_and_another_seed_differs(log: Log) -> None:
    assert generate.events(log).equals(generate.events(log))
    assert generate.spine(log, 100).equals(generate.spine(log, 100))
    assert generate.profiles(log, 100, 3).equals(generate.profiles(log, 100, 3))
    other = dataclasses.replace(log, seed=log.seed + 1)
    assert not generate.events(log).equals(generate.events(other))


def test_files_hold_what_the_functions_draw_and_are_written_once(tmp_path) -> None:
    inputs = Inputs(PLAIN, spine_rows=20, profile_rows=30, profile_columns=2, cache=tmp_path)
    generate.write(inputs)
    assert pq.read_table(inputs.events).equals(generate.events(PLAIN))
    assert pq.read_table(inputs.spine).equals(generate.spine(PLAIN, 20))
    assert pq.read_table(inputs.profiles).equals(generate.profiles(PLAIN, 30, 2))
    written = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(written) == 3
    generate.write(inputs)
    assert written == {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_chunks_join_in_time_order(monkeypatch) -> None:
    monkeypatch.setattr(generate, "CHUNK_ROWS", 700)
    table = generate.events(PLAIN)
    assert table.num_rows == PLAIN.events
    assert (np.diff(_us(table["ts"])) >= 0).all()


def test_half_of_a_hot_log_is_one_user() -> None:
    users = generate.events(dataclasses.replace(PLAIN, hot_share=0.5))["user_id"].to_numpy()
    assert 0.45 < (users == 0).mean() < 0.6


def test_late_rows_have_a_tail_of_days_and_copies_are_equal_but_known_later() -> None:
    log = dataclasses.replace(LATE, events=40_000, redelivered=0.02)
    table = generate.events(log)
    delay = (_us(table["available_at"]) - _us(table["ts"])) / 1e6
    assert (delay >= 0).all()
    assert 0.25 < (delay > 60).mean() < 0.35
    assert 0.001 < (delay > 2 * 86_400).mean() < 0.05
    copies = table.group_by("event_id").aggregate(
        [
            ("ts", "count_distinct"),
            ("price", "count_distinct"),
            ("available_at", "count_distinct"),
            ("ts", "count"),
        ]
    )
    twice = copies.filter(pc.field("ts_count") == 2)
    assert 600 < twice.num_rows < 1_000
    assert copies.num_rows == log.events
    assert (
        set(twice["ts_count_distinct"].to_pylist()) == set(twice["price_count_distinct"].to_pylist()) == {1}
    )
    assert set(twice["available_at_count_distinct"].to_pylist()) == {2}


def test_a_tick_makes_ties() -> None:
    table = generate.events(dataclasses.replace(PLAIN, tick_us=300_000_000))
    instants = _us(table["ts"])
    assert (instants % 300_000_000 == 0).all()
    assert len(np.unique(instants)) < len(instants)


def test_inputs_survive_json() -> None:
    inputs = Inputs(LATE, spine_rows=3)
    assert Inputs.from_dict(inputs.to_dict()) == inputs
    assert inputs.events != dataclasses.replace(inputs, log=PLAIN).events
