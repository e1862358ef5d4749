"""The command itself: quick help, usage errors, exit codes, one block of text for an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from headrace.cli.app import VERBS, app
from headrace.cli.verb import FOUND, Verb, told, verb
from headrace.errors import HeadraceError, UnknownNameError

HEAVY = {"duckdb", "numpy", "pyarrow", "sqlalchemy", "lmdb", "rich", "pandas", "polars"}


def test_help_lists_every_verb_with_a_sentence() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for name in VERBS:
        line = next(line for line in result.stdout.splitlines() if line.startswith(f"  {name} "))
        assert len(line.split()) > 3, name


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_takes_project_and_json_and_explains_its_options(name: str) -> None:
    command = app.get_command(click.Context(app), name)
    assert isinstance(command, Verb)
    options = {option for param in command.params for option in param.opts}
    assert {"--project", "--json"} <= options
    for param in command.params:
        assert not isinstance(param, click.Option) or param.help, param.name
    assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import json, sys\nfrom headrace.cli import main\nsys.argv = ['headrace', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('LOADED', json.dumps(sorted(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = json.loads(result.stdout.rpartition("LOADED ")[2])
    assert {name.partition(".")[0] for name in loaded} & HEAVY == set()


def _cpu_seconds(*command: str) -> float:
    """What a run costs, however busy the machine is: the least of several."""
    spent = []
    for _ in range(5):
        process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
        _, code, used = os.wait4(process.pid, 0)
        process.returncode = code
        spent.append(used.ru_utime + used.ru_stime)
    return min(spent)


def test_help_is_quick() -> None:
    assert _cpu_seconds("-m", "headrace.cli", "--help") - _cpu_seconds("-c", "pass") < 0.2


def test_the_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("headrace ")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["plam"],
        ["plan", "--projct", "x"],
        ["show"],
        ["train", "spine.csv"],
        ["train", "spine.csv", "--service", "a", "--feature", "b:c"],
        ["get", "--service", "a", "--entity", "u1"],
        ["get", "--service", "a", "--entity", "user=u1,u2", "--entity", "ad=a1"],
        ["get", "--service", "a", "--entity", "user=[1"],
        ["get", "--service", "a", "--context", "hour"],
        ["push", "source"],
        ["push", "source", "rows.csv", "--row", "{}"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_1(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "Usage: " in result.stderr
    assert result.stdout == ""


def test_an_error_is_one_block_without_a_traceback() -> None:
    error = UnknownNameError.of("feature", "user_ads:ctr_7", ["user_ads:ctr_7d", "user_ads:ctr_30d"])
    assert click.unstyle(told(error, as_json=False)).splitlines() == [
        "Error: There is no feature named 'user_ads:ctr_7'.",
        "  asked      user_ads:ctr_7",
        "  available  user_ads:ctr_7d, user_ads:ctr_30d",
        "  remedy     Did you mean 'user_ads:ctr_7d'?",
    ]
    assert json.loads(told(error, as_json=True)) == {
        "error": {
            "type": "UnknownNameError",
            "message": "There is no feature named 'user_ads:ctr_7'.",
            "asked": "user_ads:ctr_7",
            "available": ["user_ads:ctr_7d", "user_ads:ctr_30d"],
            "remedy": "Did you mean 'user_ads:ctr_7d'?",
        }
    }


def test_a_long_error_is_wrapped_and_aligned() -> None:
    error = HeadraceError("It failed.", available=[f"feature_number_{i}" for i in range(20)])
    lines = click.unstyle(told(error, as_json=False)).splitlines()
    assert len(lines) > 2
    assert all(len(line) <= 100 for line in lines)
    assert all(line.startswith(" " * 13) for line in lines[2:])


@verb
def found_something(**_: object) -> int:
    """A verb that found something."""
    return FOUND


@verb
def fails(**_: object) -> int:
    """A verb that fails."""
    raise HeadraceError("It failed.", remedy="Do better.")


def test_exit_codes_of_verbs() -> None:
    runner = CliRunner()
    assert runner.invoke(found_something).exit_code == 2
    failed = runner.invoke(fails)
    assert failed.exit_code == 1
    assert failed.stdout == ""
    assert failed.stderr.splitlines() == ["Error: It failed.", "  remedy     Do better."]
    assert json.loads(runner.invoke(fails, ["--json"]).stderr)["error"]["remedy"] == "Do better."


def test_a_developer_may_have_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_DEBUG", "1")
    assert isinstance(CliRunner().invoke(fails).exception, HeadraceError)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_completion(shell: str) -> None:
    runner = CliRunner()
    script = runner.invoke(app, env={"_HEADRACE_COMPLETE": f"{shell}_source"}, prog_name="headrace")
    assert "_HEADRACE_COMPLETE" in script.stdout
    verbs = runner.invoke(
        app,
        env={"_HEADRACE_COMPLETE": "bash_complete", "COMP_WORDS": "headrace ma", "COMP_CWORD": "1"},
        prog_name="headrace",
    )
    assert verbs.stdout.split(",")[-1].strip() == "materialize"
