"""Sides really run in processes of their own, are timed there, and say what is missing."""

from __future__ import annotations

import pytest

from bench import harness
from bench.experiment import Experiment, Side
from bench.inputs import Inputs, Log


@pytest.fixture
def tiny(tmp_path) -> Inputs:
    return Inputs(Log(events=500, users=5, span_days=40), spine_rows=40, cache=tmp_path)


def test_sides_take_turns_and_agree(tiny: Inputs) -> None:
    sides = (
        Side("sums", "bench.rivals.windowed:running_sums", tiny),
        Side("asof", "bench.rivals.windowed:asof", tiny),
    )
    told: list[str] = []
    experiment = Experiment("tiny", "a tiny one", sides, (), agree=(("sums", "asof"),))
    figures = harness.run(experiment, 2, told.append)
    assert [line.split(": ")[1] for line in told] == ["sums", "asof", "sums", "asof"]
    assert harness.disagreements(experiment, figures) == []
    for each in figures.values():
        assert each.missing is None
        assert 0 < each.seconds <= each.median
        assert 20 < each.peak_mb < 2_000
        assert len(each.digest) == 12


def test_repeated_calls_report_their_median_and_tail() -> None:
    side = Side("python", "bench.startup:bare", calls=3)
    figures = harness.run(Experiment("start", "one interpreter", (side,), ()), 1, lambda _: None)
    assert 0 < figures["python"].seconds <= (figures["python"].p99 or 0)


def test_a_side_that_cannot_run_says_why_and_the_others_go_on(tiny: Inputs) -> None:
    sides = (
        Side("nowhere", "bench.nowhere:f", tiny),
        Side("wrong options", "bench.rivals.windowed:asof", tiny, {"no_such": 1}),
        Side("fine", "bench.rivals.windowed:asof", tiny),
    )
    told: list[str] = []
    figures = harness.run(Experiment("broken", "partly broken", sides, ()), 2, told.append)
    assert "No module named 'bench.nowhere'" in (figures["nowhere"].missing or "")
    assert "no_such" in (figures["wrong options"].missing or "")
    assert figures["fine"].missing is None
    assert len(told) == 4  # what is broken is not tried again
