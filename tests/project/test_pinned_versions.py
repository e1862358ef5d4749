"""What was applied keeps the versions it was applied with, offline and online, whatever is active later."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

import headrace as hr
from headrace import agg
from headrace.errors import DefinitionError
from tests.project.market import KEYS, NOW, K, clicks, events, offline, online, project, user, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from headrace.definitions.base import Definition


def activity(version: str) -> hr.AggregateView:
    """All events; from version 2 on, only clicks: fewer for everybody."""
    where = None if version == "1" else "kind = 'click'"
    features = [agg.count("events", where=where, windows=["7d"])]
    return hr.AggregateView("activity", entity=user, source=clicks, version=version, features=features)


@hr.on_demand(inputs={"events": "activity:events_7d"}, output="int64")
def tenfold(events):
    return 10 * events


@hr.on_demand(inputs={"events": "activity:events_7d"}, output="int64", name="tenfold", version="2")
def tenfold_again(events):
    return 10 * events


@hr.on_demand(
    inputs={"old": "tenfold@1", "now": "activity@2:events_7d"}, output="int64", name="tenfold", version="3"
)
def since(old, now):
    return old - now


def service(version: str, *features: Any) -> hr.FeatureService:
    return hr.FeatureService("model", version=version, features=list(features))


def served(store: hr.FeatureStore, **asked: Any) -> dict[str, list[Any]]:
    """What history and the online store answer, which is the same."""
    spine = [{"user_id": key, "ts": NOW} for key in KEYS]
    rows = store.get_historical_features(spine, **asked).to_arrow().drop(["ts"])
    answer = store.get_online_features(entities={"user_id": KEYS}, as_of=NOW, **asked).to_dict()
    assert rows.to_pydict() == answer
    return answer


@pytest.fixture
def store(tmp_path: Path) -> hr.FeatureStore:
    """A view, a function of it and a service, applied and loaded; then another version of the view alone."""
    store = project(tmp_path, events(0, 10))
    store.apply([activity("1"), tenfold, service("1", tenfold, activity("1"))])
    add(store, activity("2"))
    store.push("clicks", events(10, 13))
    write(tmp_path / "events.parquet", events(0, 13))
    return store


def add(store: hr.FeatureStore, *definitions: Definition) -> None:
    store.apply(definitions)
    store.materialize(end=K)


def counts(store: hr.FeatureStore) -> tuple[Sequence[int], Sequence[int]]:
    """What each version of the view says."""
    old, now = (offline(store, f"activity@{version}:events_7d")["events_7d"] for version in ("1", "2"))
    assert old != now
    return old, now


def test_an_old_service_and_an_old_function_read_the_view_they_were_applied_with(
    store: hr.FeatureStore,
) -> None:
    old, now = counts(store)
    assert online(store, "activity:events_7d")["events_7d"] == now
    of_service = served(store, service="model@1")
    assert of_service["events_7d"] == old
    assert of_service["tenfold"] == [10 * count for count in old]
    assert served(store, features=["tenfold"])["tenfold"] == of_service["tenfold"]


def test_both_versions_of_a_view_are_read_for_one_answer(store: hr.FeatureStore) -> None:
    old, now = counts(store)
    both = served(store, features=["tenfold", "activity:events_7d"])
    assert both["tenfold"] == [10 * count for count in old]
    assert both["events_7d"] == now


def test_what_is_applied_anew_in_another_version_reads_what_is_active(store: hr.FeatureStore) -> None:
    old, now = counts(store)
    add(store, tenfold_again, service("2", tenfold_again, activity("2")))
    assert served(store, service="model@1")["tenfold"] == [10 * count for count in old]
    assert served(store, service="model@2")["tenfold"] == [10 * count for count in now]
    assert served(store, features=["tenfold"])["tenfold"] == [10 * count for count in now]
    assert served(store, features=["tenfold@1"])["tenfold"] == [10 * count for count in old]


def test_a_function_may_read_an_older_version_of_itself(store: hr.FeatureStore) -> None:
    old, now = counts(store)
    add(store, since)
    expected = [10 * before - after for before, after in zip(old, now, strict=True)]
    assert served(store, features=["tenfold@3", "activity@1:events_7d"])["tenfold"] == expected


def test_two_versions_of_one_function_would_be_one_column(store: hr.FeatureStore) -> None:
    add(store, tenfold_again)
    for full in (False, True):
        with pytest.raises(DefinitionError, match="'tenfold'"):
            store.get_online_features(["tenfold@1", "tenfold@2"], {"user_id": KEYS}, full_feature_names=full)


def test_a_source_that_is_applied_alone_tells_which_views_stay_with_the_old_one(
    store: hr.FeatureStore,
) -> None:
    before = online(store, "activity:events_7d")
    changed = dataclasses.replace(clicks, columns={"dear": "price > 5"})
    assert store.plan([changed]).notes == (
        "view activity@2 stays with clicks@1; bump it to take what is active now.",
    )
    store.apply([changed])
    assert online(store, "activity:events_7d") == before
