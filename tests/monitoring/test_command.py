"""`headrace consistency`: what people and programs see, its exit codes, and what servers tell of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from headrace.cli.app import app
from headrace.clock import HOUR, MINUTE
from headrace.server.metrics import Metrics
from tests.monitoring.planted import NOON, K, Project, event, give

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPAN = ["--since", "2026-03-02T00:00:00Z", "--until", "2026-03-04T00:00:00Z"]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project that has served."""
    made = Project(tmp_path / "ads")
    made.serve("ann", "bob")
    yield made
    made.store.close()


def run(project: Project, *arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["consistency", "--project", str(project.path), *arguments])


def late(project: Project) -> None:
    """An event of ann comes late."""
    project.arrive("b", [event(20, "ann", K - 5 * HOUR, K - 2 * HOUR)], NOON + HOUR)
    project.store.close()


def document(result: Result) -> dict[str, Any]:
    """What a program reads."""
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_where_all_agrees_nothing_is_found(project: Project) -> None:
    project.store.close()
    result = run(project, *SPAN)
    assert result.exit_code == 0, result.stderr
    assert "by_user@1" in result.stdout
    assert "met" in result.stdout


def test_what_is_found_is_shown_and_leaves_with_2(project: Project) -> None:
    late(project)
    result = run(project, *SPAN)
    assert result.exit_code == 2
    assert "late arrival 1" in result.stdout
    assert "NOT MET" in result.stdout
    assert "NO DATA EXPLAIN" not in result.stderr


def test_the_document(project: Project) -> None:
    late(project)
    told = document(run(project, *SPAN, "--json"))
    assert set(told) == {
        "since", "until", "met", "rows", "waiting", "compared", "equal", "mismatched", "share", "unexplained",
        "views", "not_replayed",
    }  # fmt: skip
    (view,) = told["views"]
    assert (told["compared"], told["mismatched"], view["causes"]) == (8, 3, {"late arrival": 3})
    assert (view["objective"], view["met"], view["lag"]) == (0.001, False, None)
    (sums,) = [each for each in view["features"] if each["feature"] == "spent_7d"]
    assert (sums["largest_absolute"], sums["largest_relative"]) == (1.5, pytest.approx(1 / 3))
    (example,) = [each for each in view["examples"] if each["feature"] == "spent_7d"]
    assert example["entity"] == {"user_id": "ann"}
    assert (example["served"], example["expected"], example["t"]) == (3.0, 4.5, "2026-03-02T12:00:00Z")


def test_an_objective_that_allows_it_is_met(project: Project) -> None:
    late(project)
    with (project.path / "headrace.toml").open("a") as settings:
        settings.write("[monitoring]\nmismatches = 0\nmismatches_of = { by_user = 0.5 }\n")
    assert run(project, *SPAN).exit_code == 0
    assert run(project, *SPAN, "--view", "nobodys").exit_code == 0
    assert document(run(project, *SPAN, "--view", "nobodys", "--json"))["compared"] == 0


def test_no_more_is_looked_into_than_was_asked_for(project: Project) -> None:
    late(project)
    result = run(project, *SPAN, "--examine", "0")
    assert result.exit_code == 2
    assert "not examined 1" in result.stdout


def test_what_nothing_explains_is_said_aloud_and_misses_every_objective(project: Project) -> None:
    give(project, "bob", "cid")
    project.serve("cid")
    project.store.close()
    with (project.path / "headrace.toml").open("a") as settings:
        settings.write("[monitoring]\nmismatches = 1\n")
    result = run(project, *SPAN)
    assert result.exit_code == 2
    assert "NO DATA EXPLAIN WHY" in result.stderr


def test_what_cannot_be_asked(project: Project) -> None:
    project.store.close()
    assert run(project, *SPAN, "--last", "1d").exit_code == 1
    result = run(project, "--last", "soon")
    assert result.exit_code == 1
    assert "soon" in result.stderr
    settings = project.path / "headrace.toml"
    settings.write_text(settings.read_text().replace("log =", "# log ="))
    settings.write_text(settings.read_text().replace("log_sample", "# log_sample"))
    result = run(project, "--last", "1d")
    assert result.exit_code == 1
    assert "[serving]" in result.stderr


def test_it_goes_on_until_it_is_told_to_end(project: Project) -> None:
    late(project)
    command = [sys.executable, "-m", "headrace.cli", "consistency", "--project", str(project.path), "--json"]
    arguments = [*command, *SPAN, "--every", "1s"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        assert first["mismatched"] == second["mismatched"] == 3
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    assert process.returncode == 2


def test_servers_tell_the_newest_report(project: Project, tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, project.clock, project.store)
    assert b"headrace_consistency_compared{" not in metrics.text()
    project.arrive("b", [event(20, "ann", K - 5 * HOUR, K - 2 * HOUR)], NOON + HOUR)
    project.report()
    told = metrics.text().decode().splitlines()
    assert 'headrace_consistency_compared{view="by_user@1"} 8' in told
    assert 'headrace_consistency_mismatched{view="by_user@1",cause="late arrival"} 3' in told
    assert 'headrace_consistency_mismatched{view="by_user@1",cause="unexplained"} 0' in told
    project.clock.advance(MINUTE)
    project.store.consistency("1d", views=["nobodys"])
    assert metrics.text().decode().splitlines() == told, "a report on some views is not told"
