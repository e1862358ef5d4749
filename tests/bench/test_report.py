"""From samples to verdicts: which figure counts, what is missing, what became worse, how it is written."""

from __future__ import annotations

import dataclasses

import pytest

from bench import harness, report
from bench.experiment import FULL, QUICK, Experiment, Goal, Side
from bench.experiments import all_of
from bench.harness import Figures

RUN = report.Run("2026-01-02", "quick", "a machine", {"python": "3.11"})
SIDES = (Side("us", "x:y", ours=True), Side("a", "x:y"), Side("b", "x:y"))
GOALS = (
    Goal("at first", "us", 0.5, ("a", "b")),
    Goal("must end", "us", 0.1, ("a", "b")),
    Goal("at first", "us", 3.0),
)
EXPERIMENT = Experiment("e", "an experiment", SIDES, GOALS, agree=(("us", "a", "b"),))


def _entry(us: Figures, **others: Figures) -> report.Document:
    return report.entry(EXPERIMENT, {"us": us, **others}, RUN, [])


def test_the_fastest_rival_counts() -> None:
    entry = _entry(Figures(seconds=2.0), a=Figures(seconds=10.0), b=Figures(seconds=5.0))
    assert [(line["figure"], line["rival_name"], line["verdict"]) for line in entry["goals"]] == [
        (0.4, "b", "met"),
        (0.4, "b", "missed"),
        (2.0, None, "met"),
    ]


@pytest.mark.parametrize(
    ("goal", "figure"),
    [
        (Goal("at first", "us", 1.0, ("a",), over=True), 1.5),
        (Goal("at first", "us", 1.0, ("a",), quantity="peak_mb"), 4.0),
    ],
)
def test_differences_and_memory(goal: Goal, figure: float) -> None:
    line = report.judge(
        goal, {"us": Figures(seconds=2.0, peak_mb=80.0), "a": Figures(seconds=0.5, peak_mb=20.0)}
    )
    assert (line["figure"], line["verdict"]) == (figure, "missed")


def test_what_is_missing_stays_open() -> None:
    absent = Figures(missing="nothing to call")
    ours_absent = _entry(absent, a=Figures(seconds=1.0), b=Figures(seconds=1.0))
    assert {line["verdict"] for line in ours_absent["goals"]} == {"open"}
    one_rival = _entry(Figures(seconds=1.0), a=Figures(seconds=4.0), b=absent)
    assert one_rival["goals"][0]["figure"] == 0.25
    assert "nothing to call" in report.markdown({"e": ours_absent})


def test_a_tenth_worse_is_pointed_out_once() -> None:
    old = _entry(Figures(seconds=2.0), a=Figures(seconds=4.0), b=Figures(seconds=4.0))
    slightly = _entry(Figures(seconds=2.1), a=Figures(seconds=4.0), b=Figures(seconds=4.0))
    clearly = _entry(Figures(seconds=2.4), a=Figures(seconds=4.0), b=Figures(seconds=4.0))
    assert report.worse("e", slightly, old) == []
    assert report.worse("e", clearly, None) == []
    assert report.worse("e", clearly, old) == ["e: us / a: 0.5 x -> 0.6 x", "e: us: 2 s -> 2.4 s"]
    elsewhere = {**old, "run": {**old["run"], "machine": "another"}}
    assert report.worse("e", clearly, elsewhere) == ["e: us / a: 0.5 x -> 0.6 x"]


def test_both_stages_of_a_goal_share_a_row() -> None:
    entry = _entry(
        Figures(seconds=2.0, processor_seconds=6.0),
        a=Figures(seconds=10.0, processor_seconds=4.0),
        b=Figures(seconds=5.0, processor_seconds=8.0),
    )
    text = report.markdown({"e": entry})
    assert "| e | us / b | 2 s | 5 s | 0.4 x | 0.75 x | 0.5 x: met | 0.1 x: missed |" in text
    assert "2026-01-02" in text
    assert "a machine" in text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.4, "s", "1.4 s"),
        (0.0213, "s", "21.3 ms"),
        (38.12e-6, "s", "38.1 us"),
        (0.2, "x", "0.2 x"),
        (1500, "MB", "1,500 MB"),
    ],
)
def test_figures_for_people(value: float, unit: str, text: str) -> None:
    assert report.shown(value, unit) == text


def test_results_must_agree_by_column() -> None:
    ours = Figures(digest={"n": [10.0, 0.0, 0.0], "x": [1.0, 5.0, 0.0]})
    rounded = Figures(digest={"n": [10.0, 0.0, 0.0], "x": [1.0 + 4e-9, 5.0, 0.0]})
    wrong = Figures(digest={"n": [11.0, 0.0, 0.0], "x": [1.0 + 6e-9, 5.0, 0.0]})
    fewer = Figures(digest={"n": [10.0, 0.0, 0.0]})
    absent = Figures(missing="not there")
    assert harness.disagreements(EXPERIMENT, {"us": ours, "a": rounded, "b": absent}) == []
    assert len(harness.disagreements(EXPERIMENT, {"us": ours, "a": wrong, "b": absent})) == 2
    assert len(harness.disagreements(EXPERIMENT, {"us": absent, "a": ours, "b": fewer})) == 1
    nulls = dataclasses.replace(ours, digest={**ours.digest, "n": [10.0, 0.0, 1.0]})
    assert len(harness.disagreements(EXPERIMENT, {"us": ours, "a": nulls, "b": absent})) == 1


@pytest.mark.parametrize("size", [FULL, QUICK])
def test_every_goal_and_group_names_sides_of_its_experiment(size) -> None:
    experiments = all_of(size)
    assert len({each.name for each in experiments}) == len(experiments)
    for each in experiments:
        names = {side.name for side in each.sides}
        assert len(names) == len(each.sides)
        assert {goal.ours for goal in each.goals} <= {side.name for side in each.sides if side.ours}
        assert {name for goal in each.goals for name in goal.against} <= names
        assert {name for group in each.agree for name in group} <= names
