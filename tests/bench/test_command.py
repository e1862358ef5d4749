"""The command: what it runs, where it writes, what it keeps of earlier runs, how it ends."""

from __future__ import annotations

import json

import pytest

from bench import __main__ as command
from bench import harness
from bench.harness import Figures


@pytest.fixture
def seconds(monkeypatch, tmp_path) -> dict[str, float]:
    """Side name -> what it takes; nothing is run, results go to a directory of the test's own."""
    figures = {"python": 0.01, "import headrace": 0.05, "headrace --help": 0.1}
    monkeypatch.setattr(
        harness, "run", lambda each, *_: {s.name: Figures(seconds=figures[s.name]) for s in each.sides}
    )
    monkeypatch.setattr(command, "HOME", tmp_path)
    return figures


def test_results_are_written_and_compared_with_the_last(seconds, tmp_path, capsys) -> None:
    asked = ["--only", "startup", "--date", "2026-01-02"]
    assert command.main(asked) == 0
    assert "2026-01-02" in (tmp_path / "results.md").read_text()
    seconds["headrace --help"] = 0.2
    assert command.main(asked) == 2
    assert "WORSE startup: headrace --help: 100 ms -> 200 ms" in capsys.readouterr().out


@pytest.mark.usefixtures("seconds")
def test_experiments_that_are_not_run_keep_their_lines_unless_their_format_is_old(tmp_path) -> None:
    command.main(["--only", "startup", "--date", "2026-01-02"])
    target = tmp_path / "results.json"
    kept = json.loads(target.read_text())["startup"]
    target.write_text(json.dumps({"latest": kept, "growth": {**kept, "format": 0}}))
    command.main(["--only", "startup", "--date", "2026-01-03"])
    assert list(json.loads(target.read_text())) == ["latest", "startup"]


def test_failures_end_with_one(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(command, "HOME", tmp_path)
    monkeypatch.setattr(
        harness, "run", lambda each, *_: {s.name: Figures(missing=f"{harness.FAILED}no") for s in each.sides}
    )
    assert command.main(["--only", "startup"]) == 1


def test_the_list_and_unknown_names(capsys) -> None:
    assert command.main(["--list"]) == 0
    assert "windowed: " in capsys.readouterr().out
    assert command.main(["--only", "nothing-like-it"]) == 1
