"""What is planted is what the consistency report tells, each cause by itself; nothing where all is well."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import headrace as hr
from headrace import agg
from headrace.clock import DAY, HOUR, MINUTE, SECOND, format_instant
from headrace.keys import encode_key
from headrace.online.layout import epoch_prefix
from headrace.online.log import Log
from tests.monitoring.planted import HISTORY, NOON, K, Project, causes, event, give, lose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project that is loaded and serves."""
    made = Project(tmp_path / "ads")
    yield made
    made.store.close()


def test_a_clean_run_has_no_mismatch(project: Project) -> None:
    fresh = [event(10 + n, user, NOON - n * MINUTE) for n, user in enumerate(["ann", "bob", "dan"], 1)]
    project.push(*fresh)
    project.serve("ann", "bob", "cid", "dan", "eve")
    project.arrive("b", fresh, NOON + HOUR)
    report = project.report()
    assert (report.compared, report.equal, causes(report)) == (20, 20, {})
    assert report.met


def test_a_late_event(project: Project) -> None:
    project.serve("ann", "bob")
    project.arrive("b", [event(20, "ann", K - 5 * HOUR, K - 2 * HOUR)], NOON + HOUR)
    report = project.report()
    assert causes(report) == {"late arrival": 3}, "clicks, spent and recent of seven days"
    assert report.mismatched == 3


def test_a_late_event_is_known_after_the_load_that_brings_it(project: Project) -> None:
    project.serve("ann", "bob")
    project.arrive("b", [event(20, "ann", K - 5 * HOUR, K - 2 * HOUR)], NOON + HOUR)
    project.clock.advance(DAY)
    project.store.materialize(K + DAY)
    assert causes(project.report()) == {"late arrival": 3}


def test_a_lagging_event(project: Project) -> None:
    slow = event(20, "ann", NOON - 10 * SECOND)
    project.push(event(21, "bob", NOON - MINUTE))
    project.serve("ann", "bob")
    project.clock.advance(5 * SECOND)
    project.push(slow)
    project.arrive("b", [slow, event(21, "bob", NOON - MINUTE)], NOON + HOUR)
    report = project.report()
    assert causes(report) == {"ingestion lag": 4}
    (view,) = report.views
    assert view.lag.events == 2
    assert 15 * SECOND <= view.lag.p50 < 60 * SECOND
    assert 60 * SECOND <= view.lag.p99 < 61 * SECOND


def test_an_event_before_another_that_was_there_lags_too(project: Project) -> None:
    slow = event(20, "ann", NOON - 20 * SECOND, event="view")
    fast = event(21, "ann", NOON - 10 * SECOND)
    project.push(fast)
    project.serve("ann")
    project.clock.advance(5 * SECOND)
    project.push(slow)
    project.arrive("b", [slow, fast], NOON + HOUR)
    assert causes(project.report()) == {"ingestion lag": 2}, "what was spent, and the latest kinds"


def test_lag_is_told_by_the_frontier_once_the_log_is_trimmed(project: Project) -> None:
    with (project.path / "headrace.toml").open("a") as settings:
        settings.write('[monitoring]\nkeep = "1s"\n')
    project.open()
    slow = event(20, "ann", NOON - 10 * SECOND, event="view")
    fast = event(21, "ann", NOON - 20 * SECOND)
    project.push(fast)
    project.serve("ann")
    project.clock.advance(5 * SECOND)
    project.push(slow)
    project.arrive("b", [slow, fast], NOON + HOUR)
    project.clock.advance(DAY)
    project.store.materialize(K + DAY)
    log = Log("events")
    assert log.complete_from(project.store.online) > NOON - MINUTE
    assert causes(project.report()) == {"ingestion lag": 2}


def test_an_event_that_never_came_through_the_stream(project: Project) -> None:
    project.serve("ann")
    project.arrive("b", [event(20, "ann", NOON - 10 * MINUTE)], NOON + HOUR)
    assert causes(project.report()) == {"missing": 4}


def test_an_event_that_never_reached_the_batch(project: Project) -> None:
    project.push(event(20, "ann", NOON - 10 * MINUTE))
    project.serve("ann")
    assert causes(project.report()) == {"missing": 4}


def test_a_missing_entity(project: Project) -> None:
    lose(project, "ann")
    project.serve("ann", "bob")
    assert causes(project.report()) == {"missing": 3}


def test_a_missing_record_of_the_stream(project: Project) -> None:
    seen = event(20, "ann", NOON - 10 * MINUTE)
    project.clock.advance(-9 * MINUTE)
    project.push(seen)
    project.clock.at = NOON
    prefix = epoch_prefix("by_user@1", 1, K // DAY, 0)
    with project.store.online.transaction() as tx:
        assert tx.multi_get([prefix + encode_key(("ann",))])[0] is not None
        tx.delete([prefix + encode_key(("ann",))])
    project.serve("ann")
    project.arrive("b", [seen], NOON + HOUR)
    assert causes(project.report()) == {"missing": 4}


def test_copies_on_two_sides_of_an_epoch(project: Project) -> None:
    project.push(event(20, "ann", K - 3 * HOUR, K + HOUR))
    project.serve("ann")  # the stream's copy only: known after K, as it says
    project.arrive("b", [event(20, "ann", K - 3 * HOUR, K - HOUR)], K - MINUTE)
    project.store.materialize(K)  # the batch says before, so it counts twice now
    project.clock.advance(SECOND)
    project.serve("ann")
    report = project.report()
    assert causes(report) == {"epoch": 2}, "history counts it once, as the first answer did"
    (example,) = [each for each in report.views[0].examples if each.feature == "clicks_7d"]
    assert (example.served, example.expected) == (4, 3)


def test_a_copy_that_the_batch_knows_after_the_edge_and_the_stream_before(project: Project) -> None:
    project.push(event(20, "ann", K - 3 * HOUR, K - HOUR))  # late: the generation should have it
    project.serve("ann")
    project.arrive("b", [event(20, "ann", K - 3 * HOUR, K + HOUR)], NOON + HOUR)
    assert causes(project.report()) == {"epoch": 3}


def test_conflicting_copies(project: Project) -> None:
    project.push(event(20, "ann", NOON - MINUTE, price=100.0))
    project.serve("ann")
    project.arrive("b", [event(20, "ann", NOON - MINUTE, price=1.0)], NOON + HOUR)
    report = project.report()
    assert causes(report) == {"conflicting copies": 1}, "only the sum reads the price"
    (example,) = report.views[0].examples
    assert (example.feature, example.served - example.expected) == ("spent_7d", 99.0)


def test_a_question_ahead_of_the_clock(project: Project) -> None:
    project.serve("ann", as_of=NOON + HOUR)
    project.arrive("b", [event(20, "ann", NOON + MINUTE)], NOON + HOUR)
    assert causes(project.report()) == {"clock": 4}


def test_a_feature_that_was_not_loaded_yet(project: Project) -> None:
    project.store.apply([project.view(agg.max("dearest", "price", windows=["7d"]))])
    project.serve("ann", names=["clicks_7d", "dearest_7d"])
    report = project.report()
    assert causes(report) == {"version": 1}
    assert report.compared == 2


def test_a_truncated_map(tmp_path: Path) -> None:
    few = agg.count("per", by="event", max_keys=2, windows=["7d"])
    with_many = [
        event(20 + 4 * n + m, user, K - m * HOUR, event=f"{user}{m}")
        for n, user in enumerate(("ann", "bob"))
        for m in range(1, 5)
    ]
    project = Project(tmp_path / "ads", [few], history=with_many)
    project.serve("ann", "bob", names=["per_7d"])
    give(project, "bob", "ann")
    project.clock.advance(SECOND)
    project.serve("ann", names=["per_7d"])
    report = project.report()
    assert (report.compared, causes(report)) == (3, {"truncated": 1}), "a part is told to be one"
    project.store.close()


def test_a_wrong_value_is_unexplained(project: Project) -> None:
    give(project, "bob", "cid")
    project.serve("ann", "cid")
    report = project.report()
    assert set(causes(report)) == {"unexplained"}
    assert report.unexplained >= 2
    assert not report.met


def test_a_lagging_and_a_late_event_are_told_apart(project: Project) -> None:
    slow = event(20, "ann", NOON - 10 * SECOND, event="view", price=2.0)
    project.serve("ann")
    project.clock.advance(5 * SECOND)
    project.push(slow)
    late = event(21, "ann", K - 2 * HOUR, K - HOUR, price=4.0)
    project.arrive("b", [slow, late], NOON + HOUR)
    assert causes(project.report()) == {
        "late arrival": 1,  # the clicks of seven days
        "ingestion lag": 1,  # the kinds of the latest three
        "several": 1,  # what was spent
    }


def test_answers_wait_until_the_batch_is_complete(project: Project) -> None:
    project.push(event(20, "ann", NOON - MINUTE))
    project.serve("ann")
    report = project.report(after=30 * MINUTE)
    (view,) = report.views
    assert (view.rows, view.waiting, view.compared) == (0, 1, 0)
    assert report.met


def test_without_a_batch_the_stream_is_the_record(tmp_path: Path) -> None:
    project = Project(tmp_path / "ads", batch=None)
    project.push(*HISTORY)
    project.push(event(20, "ann", NOON - MINUTE))
    project.serve("ann", "bob", "eve")
    project.clock.advance(SECOND)
    project.push(event(21, "bob", NOON - MINUTE))
    report = project.report()
    assert causes(report) == {"ingestion lag": 4}
    assert report.compared == 12
    project.store.close()


def test_a_serving_delay_is_no_part_of_a_replay(tmp_path: Path) -> None:
    project = Project(tmp_path / "ads", serving_delay="30m")
    fresh = event(20, "ann", NOON - MINUTE)
    project.push(fresh)
    project.serve("ann")
    project.arrive("b", [fresh], NOON + HOUR)
    assert causes(project.report()) == {}
    project.store.close()


def test_a_value_that_outlived_its_ttl(tmp_path: Path) -> None:
    project = Project(tmp_path / "ads", latest=True)
    project.clock.at = K + 2 * HOUR  # the newest row of ann is three hours old, that of cid five
    project.serve("ann", "bob", "cid", names=["event", "price"])
    lose(project, "cid")
    project.clock.advance(SECOND)
    project.serve("ann", "bob", "cid", names=["event", "price"])
    report = project.report()
    assert (report.compared, causes(report)) == (12, {"ttl": 2})
    assert {each.status for each in report.views[0].examples} == {"NOT_FOUND"}
    project.store.close()


def test_a_sum_that_cancels_out_may_lie_off_by_what_its_terms_allow(tmp_path: Path) -> None:
    windows = ["7d"]
    features = [
        agg.sum("total", "price", windows=windows),
        agg.mean("average", "price", windows=windows),
        agg.variance("spread", "price", windows=windows),
        agg.stddev("width", "price", windows=windows),
        agg.decayed_sum("lately", "price", half_life="1d"),
    ]
    names = ["total_7d", "average_7d", "spread_7d", "width_7d", "lately"]
    prices = [1e15, 3.3, -1e15, 0.1, 1e15, -1e15, 7.7]
    rows = [event(n, "ann", K - n * HOUR, price=price) for n, price in enumerate(prices, 1)]
    project = Project(tmp_path / "ads", features, history=rows[:3])
    for row in rows[3:]:
        pushed = {**row, "seen_at": NOON - HOUR}
        project.push(pushed)
        project.arrive(row["id"], [pushed], NOON - HOUR)
    project.serve("ann", names=names)
    report = project.report()
    assert (report.compared, causes(report)) == (5, {})
    project.store.close()


def test_of_partitions_one_may_lag(tmp_path: Path) -> None:
    project = Project(tmp_path / "ads", stream=hr.JsonLinesStream("live.jsonl"))
    seen = [event(20, "ann", NOON - 3 * MINUTE), event(21, "bob", NOON - 3 * MINUTE)]
    slow = [event(22, "ann", NOON - 5 * MINUTE)]
    follow(project, seen)
    project.serve("ann", "bob")
    project.clock.advance(5 * SECOND)
    project.push(*slow)
    project.clock.advance(SECOND)
    project.serve("ann", "bob")
    project.arrive("b", [*seen, *slow], NOON + HOUR)
    report = project.report()
    assert (report.compared, causes(report)) == (16, {"ingestion lag": 3}), "the first answer of ann"
    (positions,) = {
        tuple(row["by_user@1"]["positions"])
        for row in project.store.served_log(NOON + 6 * SECOND).to_pylist()
        if row["entity:user_id"] == "ann"
    }
    assert dict(positions) == {0: 0, 1: 0}, "the pushes, and the file"
    project.store.close()


@hr.on_demand(inputs={"clicks": "by_user:clicks_7d"}, output="int64")
def twice(clicks: int) -> int:
    """What a function makes of a feature."""
    return 2 * clicks


def test_functions_are_named_and_not_replayed(project: Project) -> None:
    project.store.apply([twice])
    project.store.get_online_features(["twice", "by_user:clicks_7d"], {"user_id": ["ann"]})
    report = project.report()
    assert (report.compared, report.equal) == (1, 1)
    assert report.not_replayed == {"twice@1": "a function of the project"}


def follow(project: Project, rows: list[dict[str, Any]]) -> None:
    """A file of a stream grows, and is followed to its end."""
    told = [{**row, **{column: format_instant(row[column]) for column in ("ts", "seen_at")}} for row in rows]
    with (project.path / "live.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in told)
    project.store.ingest(once=True)
