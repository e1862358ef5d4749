"""Feature tests of small definitions: what holds, what does not, and what is said about the events."""

from __future__ import annotations

import datetime as dt
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace import agg
from headrace.errors import DataError, DefinitionError, HeadraceError, UnknownNameError
from headrace.testing import FeatureTest, assert_features
from headrace.testing.feature_tests import served, trial
from headrace.testing.feature_tests.outcome import Outcome, Report
from headrace.testing.feature_tests.trial import Trial
from tests.effort import cases

user = hr.Entity("user", join_keys={"user_id": "string"})
ad = hr.Entity("ad", join_keys={"ad_id": "int64"})
world = hr.Entity("world", join_keys=None)
clicks = hr.EventSource(
    "clicks",
    schema={
        "id": "string", "user_id": "string", "ad_id": "int64", "price": "decimal(8,2)", "kind": "string",
        "ts": "timestamp", "seen": "timestamp",
    },
    timestamp="ts",
    available_at="seen",
    event_id="id",
    columns={"dear": "price > 1"},
    stream=hr.Push(),
    complete_until="2026-01-01",
)  # fmt: skip
users = hr.AggregateView(
    "users",
    entity=user,
    source=clicks,
    features=[
        agg.count("n", windows=["1d", "7d"]),
        agg.count("dear", where="dear", windows=["1d"]),
        agg.count("buys", where="kind = 'buy'", windows=["1d"]),
        agg.rate("share", numerator="buys", denominator="n", prior=(1, 9), windows=["1d"]),
        agg.sum("spend", "price", windows=["1d", hr.series("1d", n=2)]),
        agg.last_k("ads", "ad_id", k=2, windows=["7d"]),
        agg.count("by_ad", by="ad_id", windows=["7d"]),
        agg.last("last_seen", "seen", windows=["7d"]),
    ],
)
ads = hr.AggregateView("ads", entity=ad, source=clicks, features=[agg.count("n", windows=["1d"])])
everywhere = hr.AggregateView(
    "everywhere", entity=world, source=clicks, features=[agg.count("all", windows=["1d"])]
)
plans = hr.TableSource(
    "plans", schema={"user_id": "string", "plan": "string", "since": "timestamp"}, timestamp="since"
)
profile = hr.LatestView("profile", entity=user, source=plans, features=["plan"], ttl="30d")


@hr.on_demand(
    inputs={"spend": "users:spend_1d", "plan": "profile:plan"}, request={"bid": "double"}, output="double"
)
def worth(spend: Any, plan: str | None, bid: float) -> float:
    return float(spend) * bid * (2 if plan == "gold" else 1)


model = hr.FeatureService("model", version="1", features=[users["n_1d"], profile, worth])
ALL = [users, ads, everywhere, profile, worth, model]
T = "2026-03-02T12:00:00Z"
U1 = {"user_id": "u1"}


def click(ts: str, **cells: Any) -> dict[str, Any]:
    return {"user_id": "u1", "ts": ts, **cells}


@lru_cache(maxsize=1)
def tried() -> Trial:
    return Trial(ALL, Path())


def run(**test: Any) -> Outcome:
    return tried().run(FeatureTest("a test", **{"written": "here:1", **test}))


LOG = [
    click("2026-03-01T11:00:00Z", price=5, ad_id=1),
    click("2026-03-01T13:00:00Z", price=0.5, ad_id=2, kind="buy"),
    click("2026-03-02T11:00:00Z", price=2, ad_id=1, seen="2026-03-02T11:30:00Z"),
    click("2026-03-02T11:59:59Z", price=1, ad_id=3, seen="2026-03-02T12:00:00Z"),
]
VALUES = {
    "users:n_1d": 2,
    "users:n_7d": 3,
    "users:dear_1d": 1,
    "users:buys_1d": 1,
    "users:share_1d": 2 / 12,
    "users:spend_1d": 2.5,
    "users:spend_2x1d": [5, 2.5],
    "users:ads_7d": [1, 2],
    "users:by_ad_7d": {1: 2, 2: 1},
    "users:last_seen_7d": "2026-03-02T11:30:00Z",
    "everywhere:all_1d": 2,
}


def test_values_of_every_form() -> None:
    outcome = run(events={"clicks": LOG}, entity=U1, at=T, expected=VALUES)
    assert (outcome.told(), outcome.word, outcome.values) == ("", "passed", len(VALUES))
    assert not outcome.offline_only


OTHERS = {
    "users:spend_1d": 2.51,
    "users:share_1d": 2 / 12 + 1e-5,
    "users:spend_2x1d": [2.5, 5],
    "users:ads_7d": [2, 1],
    "users:by_ad_7d": {1: 2},
    "users:last_seen_7d": "2026-03-02T11:30:00.000001Z",
}


@pytest.mark.parametrize("name", VALUES)
def test_no_other_value_holds(name: str) -> None:
    for other in (OTHERS.get(name, 9), None):
        outcome = run(events={"clicks": LOG}, entity=U1, at=T, expected={**VALUES, name: other})
        assert [each.feature for each in outcome.failures] == [name]


def test_the_path_that_differs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(self: Any, begin: int, end: int) -> set[int]:  # a stream that loses its events
        del self, begin, end
        return set()

    monkeypatch.setattr("headrace.testing.feature_tests.counting.Log.known_between", forgetful)
    outcome = run(events={"clicks": LOG}, entity=U1, at=T, expected={"users:n_1d": 2, "users:n_7d": 3})
    (first, second) = outcome.failures
    assert (first.offline.value, first.online.value) == (2, 1)
    assert (second.offline.value, second.online.value) == (3, 2)
    assert "users:n_1d  user_id=u1  2026-03-02T12:00:00Z  2         2        1" in outcome.told()
    assert (
        run(events={"clicks": LOG}, entity=U1, at=T, expected={"users:n_1d": 2}, online=False).word
        == "passed"
    )


def test_a_status_that_differs_between_the_paths_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    really = served.served

    def odd(*given: Any) -> Any:
        found = really(*given).items()
        return {name: [each._replace(status="NULL_VALUE") for each in answers] for name, answers in found}

    monkeypatch.setattr(trial, "served", odd)
    outcome = run(entity=U1, at=T, expected={"profile:plan": None})
    assert (
        "profile:plan  user_id=u1  2026-03-02T12:00:00Z  null      null NOT_FOUND  null NULL_VALUE"
        in outcome.told()
    )


def test_statuses_alone_and_with_values() -> None:
    plan = {"user_id": "u1", "plan": "gold", "since": "2026-01-01"}
    wanted = [{"value": "gold", "status": "PRESENT"}, {"status": "OUTSIDE_MAX_AGE"}, {"value": None}]
    outcome = run(
        events={"plans": [plan]}, entity=U1, at=["2026-01-02", T, T], expected={"profile:plan": wanted}
    )
    assert outcome.told() == ""
    wrong = run(events={"plans": [plan]}, entity=U1, at=T, expected={"profile:plan": {"status": "NOT_FOUND"}})
    assert "NOT_FOUND  null OUTSIDE_MAX_AGE  null OUTSIDE_MAX_AGE" in wrong.told()


WHY = [
    (click("2026-03-02T11:00:00Z", kind="buy"), True, ""),
    (click("2026-03-02T11:00:00Z", kind="look"), False, "not kind = 'buy'"),
    (click("2026-03-02T11:00:00Z"), False, "not kind = 'buy'"),
    (click("2026-03-02T11:00:00Z", user_id="u2", kind="buy"), False, "another user_id"),
    (click("2026-03-02T12:00:00Z", kind="buy"), False, "known 2026-03-02T12:00:00Z, not before the instant"),
    (click("2026-03-02T11:00:00Z", seen="2026-03-02T13:00:00Z", kind="buy"), False, "known 2026-03-02T13"),
    (click("2026-03-01T11:59:59Z", kind="buy"), False, "before the window, which begins 2026-03-01T12:00"),
    (click("2026-03-01T12:00:00Z", kind="buy"), True, ""),
    (click("2026-03-02T11:00:00Z", price="free", kind="buy"), False, "left out: column 'price': "),
    (click("2026-03-02T11:00:00Z", user_id=None, kind="buy"), False, "left out: "),
    ({"user_id": "u1", "kind": "buy"}, False, "left out: "),
    (click("2026-03-02T11:00:00Z", seen="2026-03-02T10:00:00Z", kind="buy"), False, "left out: "),
    (click("2026-03-02T10:00:00Z", id="e", kind="buy"), True, ""),
    (click("2026-03-02T10:00:00Z", id="e", kind="buy"), False, "another copy of this id counts"),
]  # fmt: skip


def test_every_event_says_whether_it_counts_and_why_not() -> None:
    outcome = run(
        events={"clicks": [row for row, _, _ in WHY]}, entity=U1, at=T, expected={"users:buys_1d": 99}
    )
    (failure,) = outcome.failures
    assert [each.counts for each in failure.events] == [counts for _, counts, _ in WHY]
    assert failure.offline.value == failure.online.value == sum(counts for _, counts, _ in WHY)
    for event, (row, _, why) in zip(failure.events, WHY, strict=True):
        assert event.row == row
        assert event.why.startswith(why)
        assert bool(event.why) != event.counts
    assert "left out: column 'price': \"free\" is no decimal(8,2)" in outcome.told()


def test_the_events_behind_a_latest_value_a_rate_and_a_series() -> None:
    rows = [
        {"user_id": "u1", "plan": name, "since": f"2026-0{month}-20"} for name, month in (("a", 1), ("b", 2))
    ]
    (failure,) = run(events={"plans": rows}, entity=U1, at=T, expected={"profile:plan": "c"}).failures
    assert [(each.counts, each.why) for each in failure.events] == [
        (False, "not the newest"),
        (True, "the newest"),
    ]
    (failure,) = run(
        events={"plans": rows}, entity=U1, at="2026-05-01", expected={"profile:plan": "c"}
    ).failures
    assert [each.why for each in failure.events] == ["not the newest", "too old for the view's ttl"]
    failures = run(
        events={"clicks": LOG}, entity=U1, at=T, expected={"users:share_1d": 0, "users:spend_2x1d": []}
    ).failures
    assert [[each.counts for each in failure.events] for failure in failures] == [
        [False, True, True, False],
        [True, True, True, False],
    ]


def test_rows_ask_for_several_entities_at_once() -> None:
    events = [*LOG, {"user_id": "u2", "ad_id": 1, "ts": "2026-03-02T11:00:00Z"}]
    rows = [
        {"user_id": "u1", "ad_id": 1, "at": T, "users:n_1d": 2, "ads:n_1d": 2},
        {"user_id": "u2", "ad_id": 2, "at": T, "users:n_1d": 1, "ads:n_1d": 1},
        {"user_id": None, "ad_id": 3, "at": T, "users:n_1d": 0},
        {"user_id": "u1", "ad_id": 1, "at": "2026-03-02T11:15:00Z", "ads:n_1d": 2, "everywhere:all_1d": 3},
    ]  # fmt: skip
    outcome = run(events={"clicks": events}, expected=rows)
    assert (outcome.told(), outcome.values) == ("", 7)


def test_an_event_without_the_key_of_one_view_reaches_the_other() -> None:
    events = [click("2026-03-02T11:00:00Z"), {"ad_id": 1, "ts": "2026-03-02T11:00:00Z"}]
    expected = {"users:n_1d": 1, "ads:n_1d": 1, "everywhere:all_1d": 2}
    assert run(events={"clicks": events}, entity={**U1, "ad_id": 1}, at=T, expected=expected).told() == ""


def test_events_known_just_before_at_and_after_midnight_count_once_each() -> None:
    """Midnight is where the load of the online path ends and what is pushed begins."""
    midnight = ["2026-03-01T23:59:59.999999Z", "2026-03-02T00:00:00Z", "2026-03-02T00:00:00.000001Z"]
    events = [click(each) for each in midnight]
    events += [click("2026-03-01T20:00:00Z", seen=each) for each in midnight]
    at = ["2026-03-02T00:00:00Z", "2026-03-02T00:00:00.000001Z", T]
    assert run(events={"clicks": events}, entity=U1, at=at, expected={"users:n_1d": [2, 4, 6]}).told() == ""


def test_the_world_as_a_whole_may_be_asked_twice() -> None:
    rows = [{"at": T, "everywhere:all_1d": 2}, {"at": T, "everywhere:all_1d": 2}]
    assert run(events={"clicks": LOG}, expected=rows).told() == ""


def test_on_demand_features_and_services() -> None:
    test: dict[str, Any] = {
        "events": {"clicks": LOG, "plans": [{"user_id": "u1", "plan": "gold", "since": "2026-03-01"}]},
        "entity": U1,
        "context": {"bid": 0.5},
        "at": T,
    }
    assert run(**test, expected={"worth": 2.5, "users:n_1d": 2, "users@1:n_1d": 2}).told() == ""
    assert run(**test, service="model", expected={"worth": 2.5, "n_1d": 2, "plan": "gold"}).told() == ""
    assert (
        run(**test, view="users@1", expected={"n_1d": 2, "profile:plan": "gold", "worth": 2.5}).told() == ""
    )
    (failure,) = run(**test, expected={"worth": 0}).failures
    assert {each.source for each in failure.events} == {"clicks: spend_1d", "plans: plan"}
    assert failure.entity == {"user_id": "u1", "bid": 0.5}


@pytest.mark.parametrize(("on_invalid", "count"), [("quarantine", 2), ("warn", 6)])
def test_the_rules_of_a_source_hold_on_both_paths(on_invalid: str, count: int) -> None:
    """Loaded on the day before, and pushed on the day itself."""
    rules = [hr.rules.range("price", min=0), hr.rules.unique("name")]
    schema = {"user_id": "string", "ts": "timestamp", "price": "double", "name": "string"}
    ruled = hr.EventSource(
        "ruled", schema=schema, timestamp="ts", rules=rules, on_invalid=on_invalid, stream=hr.Push()
    )
    view = hr.AggregateView("held", entity=user, source=ruled, features=[agg.count("n", windows=["7d"])])
    events = [
        click(f"{day}T10:00:0{place}Z", price=price, name=f"{name}{day}")
        for day in ("2026-03-01", "2026-03-02")
        for place, (price, name) in enumerate([(1.0, "a"), (2.0, "a"), (-1.0, "b")])
    ]
    test: dict[str, Any] = {"events": {"ruled": events}, "entity": U1, "at": T}
    assert_features(view, **test, expected={"held:n_7d": count})
    with Trial([view], Path()) as held:
        (failure,) = held.run(FeatureTest("t", **test, expected={"held:n_7d": 99})).failures
    told = [each.why.rpartition(": ")[2] for each in failure.events]
    one = ["", '"a2026-03-01" is there before', "-1.0 is not at least 0"]
    other = ["", '"a2026-03-02" is there before', "-1.0 is not at least 0"]
    assert told == ([""] * 6 if on_invalid == "warn" else one + other)


def test_a_serving_delay_is_told_and_shifts_history() -> None:
    slow = hr.EventSource(
        "slow",
        schema={"user_id": "string", "ts": "timestamp"},
        timestamp="ts",
        serving_delay="10m",
        stream=hr.Push(),
    )
    view = hr.AggregateView("late", entity=user, source=slow, features=[agg.count("n", windows=["1d"])])
    at = ["2026-03-02T12:10:00Z", "2026-03-02T12:10:01Z"]
    test = FeatureTest("t", events={"slow": [click(T)]}, entity=U1, at=at, expected={"late:n_1d": [0, 1]})
    with Trial([view], Path()) as late:
        outcome = late.run(test)
        assert outcome.told() == ""
        assert "serving_delay" in outcome.offline_only
        wrong = late.run(FeatureTest("t", events=test.events, entity=U1, at=at[0], expected={"late:n_1d": 1}))
    assert (
        "known 2026-03-02T12:00:00Z and served 2026-03-02T12:10:00Z, not before the instant" in wrong.told()
    )


@pytest.mark.parametrize(
    ("test", "error", "words"),
    [
        ({"events": {"click": []}}, UnknownNameError, "no source named 'click'.*Did you mean 'clicks'"),
        ({"events": {"clicks": [{"kin": 1}]}}, UnknownNameError, "of source 'clicks' named 'kin'.*'kind'"),
        ({"expected": {"users:m_1d": 1}}, UnknownNameError, "'m_1d'"),
        ({"expected": {"usrs:n_1d": 1}}, UnknownNameError, "'usrs'"),
        ({"expected": {"n_1d": 1}}, UnknownNameError, "no feature or label named"),
        ({"view": "users", "expected": {"m_1d": 1, "n_1d": 1}}, UnknownNameError, "named 'm_1d'.*'n_1d'"),
        ({"view": "usrs", "expected": {"n_1d": 1}}, UnknownNameError, "usrs"),
        ({"service": "modl", "expected": {"n_1d": 1}}, UnknownNameError, "modl"),
        ({"entity": {}}, DefinitionError, "for which 'user_id' .*entity"),
        ({"entity": {"user": "u1"}}, UnknownNameError, "named 'user'.*'user_id'"),
        ({"entity": {"ad_id": "x"}, "expected": {"ads:n_1d": 1}}, DataError, "ad_id"),
        ({"expected": {"worth": 1}}, DefinitionError, "for which 'bid' .*context"),
        ({"expected": {"users:n_1d": "two"}}, DefinitionError, "'two', is no int64"),
        ({"expected": {"users:n_1d": {"status": "GONE"}}}, DefinitionError, "'GONE' is no status"),
    ],
)  # fmt: skip
def test_a_test_that_cannot_be_run_says_why(
    test: dict[str, Any], error: type[HeadraceError], words: str
) -> None:
    outcome = run(**{"entity": U1, "at": T, "expected": {"users:n_1d": 0}, **test})
    assert outcome.word == "error"
    with pytest.raises(error, match=rf"here:1: .*{words}"):
        raise outcome.error
    assert outcome.told() == str(outcome.error)


def test_assert_features() -> None:
    test: dict[str, Any] = {"events": {"clicks": LOG}, "entity": U1, "at": dt.datetime(2026, 3, 2, 12)}  # noqa: DTZ001 - naive is UTC
    assert_features(users, **test, expected={"users:n_1d": 2})
    with pytest.raises(AssertionError, match=r"test_trial\.py:\d+: features\n\nfeature .*offline  online"):
        assert_features(users, **test, expected={"users:n_1d": 3})
    with pytest.raises(UnknownNameError, match=r"test_trial\.py:\d+: .*users"):
        assert_features(ads, **test, expected={"users:n_1d": 3})


def test_local_days_are_those_of_the_zone_given() -> None:
    view = hr.AggregateView(
        "v", entity=user, source=clicks, features=[agg.count("n", windows=[hr.calendar("day")])]
    )
    test: dict[str, Any] = {
        "events": {"clicks": [click("2026-03-01T23:30:00Z")]},
        "entity": U1,
        "at": "2026-03-02T08:00Z",
    }
    assert_features(view, **test, expected={"v:n_cal_1d": 0})
    assert_features(view, **test, expected={"v:n_cal_1d": 1}, timezone="Europe/Berlin")


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["u1", T, 1e300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
cells = st.sampled_from(list(clicks.schema or ()))
RIGHT: dict[str, Any] = {"events": {"clicks": LOG}, "entity": U1, "at": T, "expected": {"users:n_1d": 2}}


@settings(max_examples=cases(60), deadline=None)
@given(st.data())
def test_whatever_is_written_ends_in_an_outcome_or_one_of_our_errors(data: st.DataObject) -> None:
    where = data.draw(
        st.sampled_from([*RIGHT, "context", "tolerance", "view", "service", "online", "cell", "value"])
    )
    wrong = data.draw(junk)
    test = dict(RIGHT)
    if where == "cell":
        test["events"] = {"clicks": [{**LOG[0], data.draw(cells): wrong}]}
    elif where == "value":
        test["expected"] = {data.draw(st.sampled_from(list(VALUES)[:-1])): wrong}
    else:
        test[where] = wrong
    try:
        outcome = run(**test)
    except HeadraceError as error:  # the shape is wrong: nothing was run
        outcome = Outcome(FeatureTest("refused", **RIGHT), error=error)
    assert outcome.word in {"passed", "failed", "error"}
    assert outcome.error is None or str(outcome.error).startswith("here:1: ")
    assert (outcome.told() == "") == (outcome.word == "passed")
    json.dumps(Report([outcome]).to_dict(), allow_nan=False, default=str)
