"""`headrace test`: which tests it finds, what it prints, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from headrace.cli.app import app
from headrace.errors import DataError, DefinitionError
from headrace.project import FeatureStore
from headrace.testing.feature_tests.running import collect

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

FEATURES = """import headrace as hr
from headrace import agg

user = hr.Entity("user", join_keys={"user_id": "string"})
clicks = hr.EventSource(
    "clicks", batch="data/clicks.csv", timestamp="ts", schema={"user_id": "string", "ts": "timestamp"}
)
lately = hr.AggregateView("lately", entity=user, source=clicks, features=[agg.count("n", windows=["1d"])])
"""
GOOD = """tests:
  - name: nothing is nothing
    entity: {user_id: u1}
    at: 2026-03-01
    expected: {lately:n_1d: 0}
"""
BAD = """tests:
  - name: a click counts twice
    events: {clicks: [{user_id: u1, ts: 2026-03-01T10:00:00Z}]}
    entity: {user_id: u1}
    at: 2026-03-01T11:00:00Z
    expected: {lately:n_1d: 2}
"""
PYTHON = """from headrace.testing import FeatureTest, assert_features
from ..features import lately

def case(name, n):
    return FeatureTest(name, entity={"user_id": "u1"}, at="2026-03-01", expected={f"{lately.name}:n_1d": n})

first = case("first", 0)
MORE = [case("second", 0), [first, case("third", 1)]]

def test_by_pytest():
    assert_features(lately, events={}, entity={"user_id": "u1"}, at="2026-03-01", expected={"lately:n_1d": 0})
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one test that passes, and no data."""
    directory = tmp_path / "shop"
    (directory / "tests").mkdir(parents=True)
    (directory / "headrace.toml").write_text("")
    (directory / "features.py").write_text(FEATURES)
    (directory / "tests" / "good.yaml").write_text(GOOD)
    return directory


def run(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["test", "--project", str(project), *arguments])


def documents(project: Path, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(project, "--json", *arguments).stdout)
    return found


def test_all_is_well(project: Path) -> None:
    before = sorted(project.rglob("*"))
    result = run(project)
    assert result.exit_code == 0
    assert result.stdout == "passed  tests/good.yaml:2  nothing is nothing\n\n1 passed\n"
    assert sorted(each for each in project.rglob("*") if "__pycache__" not in str(each)) == before


def test_a_failure_is_found(project: Path) -> None:
    (project / "tests" / "more").mkdir()
    (project / "tests" / "more" / "bad.yml").write_text(BAD)
    result = run(project)
    assert result.exit_code == 2
    assert result.stdout.splitlines()[:2] == [
        "passed  tests/good.yaml:2  nothing is nothing",
        "failed  tests/more/bad.yml:2  a click counts twice",
    ]
    assert "lately:n_1d  user_id=u1  2026-03-01T11:00:00Z  2         1        1" in result.stdout
    assert "1  u1       2026-03-01T10:00:00Z  yes" in result.stdout
    assert result.stdout.endswith("\n1 passed, 1 failed\n")


def test_a_failure_as_json(project: Path) -> None:
    (project / "tests" / "bad.yaml").write_text(BAD)
    found = documents(project)
    assert (found["passed"], found["failed"], found["errors"]) == (1, 1, 0)
    assert found["tests"][0] == {
        "name": "a click counts twice",
        "written": "tests/bad.yaml:2",
        "outcome": "failed",
        "values": 1,
        "offline_only": None,
        "error": None,
        "failures": [
            {
                "feature": "lately:n_1d",
                "entity": {"user_id": "u1"},
                "at": "2026-03-01T11:00:00Z",
                "expected": {"value": 2, "status": None, "tolerance": None},
                "offline": {"value": 1, "status": "PRESENT"},
                "online": {"value": 1, "status": "PRESENT"},
                "events": [
                    {
                        "source": "clicks",
                        "number": 1,
                        "row": {"user_id": "u1", "ts": "2026-03-01T10:00:00Z"},
                        "counts": True,
                        "why": "",
                    }
                ],
            }
        ],
    }


def test_a_test_that_cannot_be_run_is_an_error_and_the_others_run(project: Path) -> None:
    (project / "tests" / "bad.yaml").write_text(BAD.replace("lately:n_1d", "lately:m_1d") + GOOD[6:])
    result = run(project)
    assert result.exit_code == 1
    assert "error   tests/bad.yaml:2  a click counts twice" in result.stdout
    assert "tests/bad.yaml:2: There is no feature" in result.stdout
    assert result.stdout.endswith("\n2 passed, 1 error\n")
    assert documents(project, "-k", "twice")["tests"][0]["error"].startswith(
        "tests/bad.yaml:2: There is no feature"
    )


def test_a_file_that_is_no_test_is_an_error(project: Path) -> None:
    (project / "tests" / "bad.yaml").write_text("test:\n")
    result = run(project)
    assert result.exit_code == 1
    assert "tests/bad.yaml:1: there are no feature tests" in result.stderr


@pytest.mark.parametrize("keyword", ["TWICE", "bad.yaml", "a click"])
def test_a_keyword_selects_by_name_and_file(project: Path, keyword: str) -> None:
    (project / "tests" / "bad.yaml").write_text(BAD)
    assert [each["name"] for each in documents(project, "-k", keyword)["tests"]] == ["a click counts twice"]
    result = run(project, "--keyword", "nobody")
    assert result.exit_code == 1
    assert "No feature test" in result.stderr
    assert "nothing is nothing" in result.stderr


def test_paths_begin_at_the_project_or_here(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "other").mkdir()
    (project / "other" / "bad.yaml").write_text(BAD)
    assert [each["written"] for each in documents(project, "other")["tests"]] == ["other/bad.yaml:2"]
    both = documents(project, "other/bad.yaml", "tests", "other")["tests"]
    assert [each["written"] for each in both] == ["other/bad.yaml:2", "tests/good.yaml:2"]
    outside = project.parent / "out.yaml"
    outside.write_text(GOOD)
    monkeypatch.chdir(project.parent)
    assert [each["written"] for each in documents(project, "out.yaml")["tests"]] == [f"{outside}:2"]


@pytest.mark.parametrize("path", ["nowhere", "features.toml", "tests/none.yaml"])
def test_a_path_that_is_not_there(project: Path, path: str) -> None:
    with pytest.raises(DataError, match="no file of feature tests") as caught:
        collect(project, [path])
    assert caught.value.available == ("good.yaml",)


def test_a_project_without_tests(project: Path) -> None:
    (project / "tests" / "good.yaml").unlink()
    with pytest.raises(DataError, match="There are no feature tests"):
        collect(project)
    (project / "tests").rmdir()
    result = run(project)
    assert result.exit_code == 1
    assert "tests/*.yaml" in result.stderr


def test_python_tests_are_found_once_each(project: Path) -> None:
    (project / "tests" / "test_lately.py").write_text(PYTHON)
    (project / "tests" / "conftest.py").write_text("raise AssertionError")
    with FeatureStore(project) as store:
        found = [(each.test.name, each.word) for each in store.test(text="lately").outcomes]
        assert found == [("first", "passed"), ("second", "passed"), ("third", "failed")]
        (report,) = store.test(["tests/test_lately.py"], text="third").outcomes
    assert report.test.written == "tests/test_lately.py:5"


def test_a_python_file_that_cannot_be_loaded(project: Path) -> None:
    (project / "tests" / "test_lately.py").write_text("import headrace\nheadrace.nothing\n")
    with FeatureStore(project) as store, pytest.raises(DefinitionError, match=r"test_lately\.py:2: "):
        store.test()


def test_schemas_come_from_the_data_or_from_an_apply(project: Path) -> None:
    text = FEATURES.replace(', schema={"user_id": "string", "ts": "timestamp"}', "")
    assert text != FEATURES
    (project / "features.py").write_text(text)
    result = run(project)
    assert result.exit_code == 1
    assert "There is no file" in result.stderr
    (project / "data").mkdir()
    (project / "data" / "clicks.csv").write_text("user_id,ts\nu1,2026-03-01T09:00:00Z\n")
    assert run(project).exit_code == 0  # what the file holds is not in the test
    with FeatureStore(project) as store:
        store.apply()
    (project / "data" / "clicks.csv").unlink()
    assert run(project).exit_code == 0


def test_the_projects_zone_governs(project: Path) -> None:
    (project / "features.py").write_text(FEATURES.replace('windows=["1d"]', 'windows=[hr.calendar("day")]'))
    test = BAD.replace("n_1d: 2", "n_cal_1d: 1").replace("10:00", "23:30").replace("01T11", "02T08")
    (project / "tests" / "good.yaml").write_text(test)
    assert run(project).exit_code == 2
    (project / "headrace.toml").write_text('[project]\ntimezone = "Europe/Berlin"\n')
    assert run(project).exit_code == 0
