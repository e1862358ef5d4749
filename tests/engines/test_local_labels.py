"""Labels on this machine equal their oracle from files and tables on, and whatever fits in memory."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.clock import DAY, instant
from headrace.definitions.label import ATTRIBUTIONS, Label
from headrace.definitions.source import EventSource
from headrace.engines.local.engine import LocalEngine
from headrace.ports.engine import AskedLabel
from headrace.retrieval.bind_label import bind_label
from headrace.schema import INT64, STRING, TIMESTAMP
from headrace.testing.generate_labels import LabelCase, label_cases
from tests.effort import cases as effort

if TYPE_CHECKING:
    from headrace.definitions.source import Source

START = instant("2026-01-01T00:00:00Z")


def _quiet(what: str, share: float) -> None:
    """Nobody watches."""


@pytest.mark.soak
@settings(max_examples=effort(60), suppress_health_check=list(HealthCheck))
@given(case=label_cases(), memory=st.sampled_from([None, 1]))
def test_labels_equal_the_oracle(case: LabelCase, memory: int | None) -> None:
    source = dataclasses.replace(case.label.source, batch=case.table(case.label.source, case.conversions))
    touches = case.label.touches
    if touches is not None:
        touches = dataclasses.replace(touches, batch=case.table(touches, case.touches))
    label = dataclasses.replace(case.label, source=source, touches=touches)
    spine = case.spine_table()
    t = np.array([row["t"] for row in case.spine], dtype=np.int64)
    named = spine["event"].combine_chunks() if case.named else None
    binding = bind_label(label, "UTC")
    asked = AskedLabel(binding, spine.select(list(binding.keys)), t, named, case.as_of)
    answered = LocalEngine(Path(), memory=memory, threads=2).labels(asked, _quiet)
    assert case.differences(answered.columns) == []


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_a_small_budget_changes_nothing_but_the_memory(attribution: str, tmp_path: Path, seed: int) -> None:
    """More clicks and orders than the smaller budget holds, on disk in buckets of both sides."""
    rng = np.random.default_rng(seed)

    def write(name: str, n: int) -> Source:
        when = START + rng.integers(0, 60 * DAY, n)
        at, seen = (
            pa.array(each).cast(TIMESTAMP.arrow()) for each in (when, when + rng.integers(0, 9 * DAY, n))
        )
        users = pa.array([f"u{i}" if i else None for i in rng.integers(0, 3_000, n)])
        rows = {"user": users, "ts": at, "seen": seen, "n": rng.integers(-9, 9, n)}
        pq.write_table(pa.table(rows), tmp_path / f"{name}.parquet", row_group_size=20_000)
        schema = {"user": STRING, "ts": TIMESTAMP, "seen": TIMESTAMP, "n": INT64}
        return EventSource(name, batch=f"{name}.parquet", timestamp="ts", available_at="seen", schema=schema)

    sides = {"touches": write("clicks", 300_000), "source": write("orders", 100_000)}
    label = Label("n", keys=["user"], within="3d", attribution=attribution, value="n", **sides)  # type: ignore[arg-type]
    spine = pq.read_table(tmp_path / "clicks.parquet").slice(0, 20_000)
    t = spine["ts"].cast(pa.int64()).to_numpy()
    asked = AskedLabel(bind_label(label, "UTC"), spine.select(["user"]), t, None, START + 65 * DAY)
    whole = LocalEngine(tmp_path).labels(asked, _quiet)
    narrow = LocalEngine(tmp_path, memory=32_000_000).labels(asked, _quiet)
    assert whole.sources == narrow.sources
    assert narrow.sources["clicks"].left_out["no_key"] > 0
    for name, column in whole.columns.items():
        assert column.values.equals(narrow.columns[name].values), name
        assert column.values.null_count < len(column.values)
