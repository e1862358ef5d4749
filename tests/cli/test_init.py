"""`headrace init`: the project it writes loads, says the same on every machine, and overwrites nothing."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from headrace.cli.app import app
from headrace.cli.starter_project import write_project
from headrace.clock import DAY, HOUR, SystemClock, instant
from headrace.config import read_settings
from headrace.definitions.loading import load_definitions
from headrace.errors import ConflictError, StoreError
from headrace.project import FeatureStore

if TYPE_CHECKING:
    from pathlib import Path

NOW = instant("2026-02-01T12:34:56Z")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_project_loads(tmp_path: Path) -> None:
    write_project(tmp_path, 'my "shop"', NOW)
    assert read_settings(tmp_path, {}).project.name == 'my "shop"'
    names = {each.name for each in load_definitions(tmp_path)}
    assert names == {"user", "ad_interactions", "profiles", "user_ads", "user_profile", "ctr_model"}


def test_the_data_is_fresh_and_fits_the_definitions(tmp_path: Path) -> None:
    write_project(tmp_path, "shop", NOW)
    events = rows(tmp_path / "data" / "ad_interactions.csv")
    times = [instant(event["ts"]) for event in events]
    assert NOW - 15 * DAY < min(times) < NOW - 13 * DAY
    assert NOW - 3 * HOUR < max(times) < NOW - HOUR
    assert len({event["event_id"] for event in events}) == len(events) > 2_000
    clicks = [event for event in events if event["event"] == "click"]
    assert 0.05 < len(clicks) / len(events) < 0.25
    assert {event["event"] for event in events} == {"impression", "click"}
    spine = rows(tmp_path / "data" / "spine.csv")
    assert 100 < len(spine) < 1_000
    assert {row["clicked"] for row in spine} == {"0", "1"}
    assert {row["user_id"] for row in spine} <= {
        row["user_id"] for row in rows(tmp_path / "data" / "profiles.csv")
    }
    pushed = [json.loads(line) for line in (tmp_path / "data" / "new_events.jsonl").read_text().splitlines()]
    assert all(NOW - HOUR < instant(event["ts"]) < NOW for event in pushed)
    assert set(pushed[0]) == set(events[0])


def test_the_feature_tests_of_the_project_pass(tmp_path: Path) -> None:
    write_project(tmp_path, "shop", NOW)
    with FeatureStore(tmp_path) as store:
        report = store.test()
    assert [each.told() for each in report.outcomes] == [""] * 4
    assert not any(each.offline_only for each in report.outcomes)


def test_everybody_gets_the_same(tmp_path: Path) -> None:
    files = write_project(tmp_path / "a", "shop", NOW)
    assert write_project(tmp_path / "b", "shop", NOW) == files
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "features.py"
    mine.write_text("mine")
    with pytest.raises(ConflictError, match=r"features\.py is there already"):
        write_project(tmp_path, "shop", NOW)
    assert mine.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [mine]


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write_project(tmp_path / "file" / "shop", "shop", NOW)


def test_what_was_begun_is_taken_back(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a directory has to be")
    with pytest.raises(StoreError, match="cannot be written"):
        write_project(tmp_path, "shop", NOW)
    assert [each.name for each in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("arguments", [["{place}"], ["--project", "{place}"]])
def test_the_command(tmp_path: Path, arguments: list[str]) -> None:
    place = tmp_path / "shop"
    before = SystemClock().now()
    result = CliRunner().invoke(app, ["init", *(each.format(place=place) for each in arguments)])
    assert result.exit_code == 0, result.output
    assert str(place / "features.py") in result.stdout.splitlines()
    assert "headrace plan" in result.stderr
    newest = max(instant(row["ts"]) for row in rows(place / "data" / "ad_interactions.csv"))
    assert before - newest < 3 * HOUR
    assert read_settings(place, {}).project.name == "shop"


def test_the_command_as_json(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["init", str(tmp_path), "--name", "ads", "--json"])
    answer = json.loads(result.stdout)
    assert answer["project"] == "ads"
    assert answer["directory"] == str(tmp_path.resolve())
    assert "features.py" in answer["files"]
    again = CliRunner().invoke(app, ["init", str(tmp_path)])
    assert again.exit_code == 1
    assert again.stderr.startswith("Error: ")
    assert "Traceback" not in again.stderr
