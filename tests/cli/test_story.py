"""The command on a real project, from `init` to `get`, as a person or a program runs it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from pyarrow import parquet

from headrace.cli.app import app

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


class Shop:
    """A project, and the command run in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def run(self, *arguments: str, code: int = 0, stdin: str = "") -> Result:
        with contextlib.chdir(self.directory):
            done = CliRunner().invoke(app, arguments, input=stdin)
        assert done.exit_code == code, f"{arguments}: {done.exit_code}\n{done.output}\n{done.exception!r}"
        assert isinstance(done.exception, SystemExit | None)
        return done

    def json(self, *arguments: str, code: int = 0) -> dict:
        return json.loads(self.run(*arguments, "--json", code=code).stdout)


@pytest.fixture
def fresh(tmp_path: Path) -> Shop:
    """A project as `init` leaves it."""
    Shop(tmp_path).run("init", "shop")
    return Shop(tmp_path / "shop")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A project that is applied and loaded; tests here only read it."""
    directory = tmp_path_factory.mktemp("story")
    Shop(directory).run("init", "shop")
    shop = Shop(directory / "shop")
    shop.run("apply")
    shop.run("materialize")
    return shop


def test_plan_then_apply_then_nothing_to_do(fresh: Shop) -> None:
    planned = fresh.run("plan", code=2)
    assert "user_ads@1" in planned.stdout
    assert not fresh.json("plan", code=2)["empty"]
    assert "user_ads@1" in fresh.run("apply").stdout
    assert fresh.run("plan").stdout == ""
    assert fresh.json("plan")["empty"]
    fresh.run("apply")


def test_a_destructive_change_needs_permission(fresh: Shop) -> None:
    fresh.run("apply")
    file = fresh.directory / "features.py"
    text = file.read_text()
    file.write_text(
        text.replace('        agg.sum("spend", "price", windows=["7d"]),\n', "").replace(
            '"ctr_model", version="1"', '"ctr_model", version="2"'
        )
    )
    refused = fresh.run("apply", code=1)
    assert refused.stderr.startswith("Error: ")


def test_features_are_listed_found_and_shown(shop: Shop) -> None:
    lines = shop.run("features").stdout.splitlines()
    assert lines[0].split()[0] == "reference"
    assert any(line.startswith("user_ads@1:ctr_7d ") for line in lines)
    names = {each["name"] for each in shop.json("features", "--tag", "performance")["features"]}
    assert "ctr_7d" in names
    assert "age_group" not in names
    both = shop.json("features", "--tag", "performance", "--tag", "user", "--all-tags")["features"]
    assert {each["name"] for each in both} == names
    assert shop.json("features", "nothing-is-called-so") == {"features": []}
    about = shop.json("show", "user_ads:ctr_7d")
    assert (about["name"], about["version"], about["view"]) == ("ctr_7d", "1", "user_ads")
    assert "ctr_7d" in shop.run("show", "user_ads:ctr_7d").stdout


def test_show_of_a_view_lists_its_features(shop: Shop) -> None:
    for name in ("user_ads", "user_ads@1", "user_ads@v1"):
        rows = shop.json("show", name)["features"]
        assert {row["view"] for row in rows} == {"user_ads"}
        assert "ctr_7d" in {row["name"] for row in rows}
    assert "user_ads@1:ctr_7d" in shop.run("show", "user_ads").stdout
    shop.run("show", "user_ads@2", code=1)


def test_lineage_goes_from_the_source_to_the_service(shop: Shop) -> None:
    names = {node["name"] for node in shop.json("lineage", "user_ads:ctr_7d")["nodes"]}
    assert {"user_ads@1", "user_ads@1:ctr_7d", "ctr_model@1"} <= names
    assert "ad_interactions" in shop.run("lineage", "user_ads:ctr_7d").stdout


def test_train_writes_the_rows_of_the_spine_with_features(shop: Shop, tmp_path: Path) -> None:
    out = tmp_path / "train.parquet"
    shop.run("train", "data/spine.csv", "--service", "ctr_model", "--out", str(out))
    table = parquet.read_table(out)
    spine = (shop.directory / "data" / "spine.csv").read_text().splitlines()
    assert table.num_rows == len(spine) - 1
    assert table.column_names[:3] == ["user_id", "ts", "clicked"]
    assert {"ctr_7d", "impressions_1d", "recent_ads_7d", "country"} <= set(table.column_names)
    assert table["user_id"].to_pylist() == [line.split(",")[0] for line in spine[1:]]
    manifest = shop.json("train", "data/spine.csv", "-f", "user_ads:ctr_7d")
    assert manifest["spine"]["rows"] == table.num_rows
    assert manifest["statuses"]["ctr_7d"] == {"PRESENT": table.num_rows}


def test_get_answers_people_and_programs(shop: Shop) -> None:
    text = shop.run("get", "-f", "user_ads:ctr_7d", "-f", "user_profile:country", "-e", "user_id=u001,nobody")
    rows = {line.split()[0]: line.split()[1:] for line in text.stdout.splitlines()}
    assert rows["user_id"] == ["u001", "nobody"]
    assert 0 < float(rows["ctr_7d"][0]) < 1
    assert rows["country"][1:] == ["(not", "found)"]
    assert "As of" in text.stderr
    answer = shop.json("get", "--service", "ctr_model", "--entity", "user_id=u001")
    assert answer["metadata"]["feature_names"][0] == "user_id"
    by_name = dict(zip(answer["metadata"]["feature_names"], answer["results"], strict=True))
    assert by_name["ctr_7d"]["statuses"] == ["PRESENT"]


def test_pushed_events_are_seen_at_once(fresh: Shop) -> None:
    fresh.run("apply")
    fresh.run("materialize")

    def impressions() -> int:
        answer = fresh.json("get", "-f", "user_ads:impressions_1d", "-e", "user_id=u001")
        return answer["results"][1]["values"][0]

    before = impressions()
    fresh.run("push", "ad_interactions", "data/new_events.jsonl")
    assert impressions() == before + 1
    row = (fresh.directory / "data" / "new_events.jsonl").read_text().splitlines()[0].replace('"n1"', '"n3"')
    fresh.run("push", "ad_interactions", "-", stdin=row)
    assert impressions() == before + 2
    fresh.run("push", "ad_interactions", "--row", row)
    assert impressions() == before + 2


def test_a_pushed_row_that_cannot_be_used_is_counted_and_exits_2(fresh: Shop) -> None:
    fresh.run("apply")
    lines = (fresh.directory / "data" / "new_events.jsonl").read_text().splitlines()
    bad = lines[1].replace('"0.25"', '"cheap"')
    counts = fresh.json("push", "ad_interactions", "--row", lines[0], "--row", bad, code=2)
    assert counts == {"accepted": 1, "duplicates": 0, "late": 0, "rejected": 1, "warned": 0}
    again = fresh.json("push", "ad_interactions", "--row", lines[0])
    assert again == {"accepted": 0, "duplicates": 1, "late": 0, "rejected": 0, "warned": 0}
    nothing = fresh.run("push", "ad_interactions", "--row", lines[0], "--row", "{", code=1)
    assert "--row 2 is not JSON" in nothing.stderr


def test_rows_that_cannot_be_used_are_counted_and_exit_2(fresh: Shop) -> None:
    with (fresh.directory / "data" / "ad_interactions.csv").open("a") as events:
        events.write("x1,u001,ad01,click,cheap,2026-01-01T00:00:00Z\n")
    fresh.run("apply")
    loads = fresh.json("materialize", code=2)["loads"]
    assert sum(each["rejected"] for each in loads) == 1
    assert "left out" in fresh.run("train", "data/spine.csv", "-s", "ctr_model", code=2).stderr


def test_doctor(shop: Shop, tmp_path: Path) -> None:
    report = shop.json("doctor")
    assert report["healthy"]
    assert {"headrace", "python", "project", "disk"} <= {each["name"] for each in report["checks"]}
    assert not Shop(tmp_path).json("doctor", code=2)["healthy"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan", "--project", "nowhere"], "headrace init"),
        (["show", "user_ads:ctr_7"], "ctr_7d"),
        (["show", "user_adz:ctr_7d"], "user_ads"),
        (["lineage", "user_adz"], "user_ads"),
        (["train", "data/spin.csv", "-s", "ctr_model"], "data/spine.csv"),
        (["train", "data/spine.csv", "-s", "ctr_modell"], "ctr_model"),
        (["train", "data/spine.csv", "-s", "ctr_model", "--timestamp", "when"], "ts"),
        (["train", "data/profiles.csv", "-s", "ctr_model"], "updated_at"),
        (
            ["train", "data/spine.csv", "-s", "ctr_model", "-o", "nowhere/train.parquet"],
            "no directory 'nowhere'",
        ),
        (["train", "data/spine.csv", "-s", "ctr_model", "-o", "train.csv"], ".parquet"),
        (["train", "data/spine.csv", "-s", "ctr_model", "-o", "train"], ".parquet"),
        (["show", "user_adz"], "user_ads"),
        (["show", "ctr_model"], "headrace lineage ctr_model"),
        (["show", "ad_interactions"], "headrace lineage ad_interactions"),
        (["get", "-f", "user_ads:ctr_8d", "-e", "user_id=u001"], "ctr_7d"),
        (["get", "-s", "ctr_model", "-e", "user=u001"], "user_id"),
        (["get", "-s", "ctr_model", "-e", "user_id=u001", "--as-of", "2020-01-01"], "2020-01-01"),
        (["get", "-s", "ctr_model", "-e", "user_id=u001", "--as-of", "yesterday"], "ISO 8601"),
        (["materialize", "--end", "soon"], "ISO 8601"),
        (["materialize", "--view", "user_adz"], "user_ads"),
        (["push", "ad_interaction", "data/new_events.jsonl"], "ad_interactions"),
        (["push", "profiles", "data/new_events.jsonl"], "profiles"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_one_clear_error(shop: Shop, arguments: list[str], words: str) -> None:
    failed = shop.run(*arguments, code=1)
    assert failed.stdout == ""
    assert failed.stderr.startswith("Error: ")
    assert words in failed.stderr
    as_json = shop.run(*arguments, "--json", code=1)
    assert json.loads(as_json.stderr)["error"]["message"]


def test_before_apply(fresh: Shop) -> None:
    for arguments in (
        ["materialize"],
        ["get", "-s", "ctr_model", "-e", "user_id=u001"],
        ["train", "data/spine.csv", "-s", "ctr_model"],
    ):
        assert "headrace apply" in fresh.run(*arguments, code=1).stderr


def test_a_mistake_in_the_definitions_names_file_and_line(fresh: Shop) -> None:
    file = fresh.directory / "features.py"
    file.write_text(file.read_text().replace('agg.sum("spend", "price"', 'agg.sum("spend", "prize"'))
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if '"prize"' in text)
    error = fresh.run("plan", code=1).stderr
    assert f"{file}:{line}" in error
    assert "price" in error


@pytest.mark.parametrize(
    ("typed", "word", "offered"),
    [
        ("headrace show user_ads : c", 4, ["clicks_1d", "clicks_7d", "ctr_7d"]),  # bash splits at colons
        ("headrace train x -f user_pro", 4, ["user_profile:age_group", "user_profile:country"]),
        ("headrace show zzz", 2, []),
    ],
)
def test_feature_names_are_completed(shop: Shop, typed: str, word: int, offered: list[str]) -> None:
    asked = {"_HEADRACE_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(word)}
    with contextlib.chdir(shop.directory):
        done = CliRunner().invoke(app, env=asked, prog_name="headrace")
    assert [line.partition(",")[2] for line in done.stdout.splitlines() if line] == offered


def test_as_a_program_of_its_own(shop: Shop) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "headrace.cli", *arguments]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
        return subprocess.run(
            command, cwd=shop.directory, capture_output=True, text=True, check=False, env=environ
        )

    answer = run("get", "-s", "ctr_model", "-e", "user_id=u001", "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["metadata"]["feature_names"][0] == "user_id"
    assert answer.stderr == ""
    failed = run("show", "user_adz:ctr_7d")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert "Traceback" not in failed.stderr
