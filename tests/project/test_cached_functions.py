"""Functions that say `cache`, through the whole: a pushed value is seen at once, a window never kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import headrace as hr
from headrace.clock import DAY
from headrace.definitions.loading import load_definitions
from headrace.errors import DefinitionError
from tests.project.market import FIRST_DAY, K, activity, again, event, events, newest, project, refused

if TYPE_CHECKING:
    from pathlib import Path

CODE = """\
import headrace as hr


@hr.on_demand(inputs={"price": "newest:price"}, request={"bid": "double"}, output="double", cache="60s")
def margin(price, bid):
    return None if price is None else bid - price


@hr.on_demand(inputs={"margin": "margin"}, request={"word": "string"}, output="string")
def shown(margin, word):
    return f"{word} {margin}"
"""


def ask(store: hr.FeatureStore, users: list[str], **context: Any) -> dict[str, list[Any]]:
    names = ["shown"] if "word" in context else ["margin"]
    return store.get_online_features(names, {"user_id": users}, context=context).to_dict()


@pytest.fixture
def store(tmp_path: Path) -> hr.FeatureStore:
    project(tmp_path, events(0, 10)).close()
    (tmp_path / "features.py").write_text(CODE)
    again(tmp_path).apply([activity(), newest(), *load_definitions(tmp_path, ("features.py",))])
    again(tmp_path).materialize(end=K)
    return again(tmp_path)


def test_a_pushed_value_is_seen_at_once_and_equal_requests_are_not_computed_again(
    store: hr.FeatureStore,
) -> None:
    cache = store.result_cache
    first = ask(store, ["u0", "u1"], bid=1.0)
    assert (ask(store, ["u0", "u1"], bid=1.0), cache.hits, cache.misses) == (first, 2, 2)
    store.push("clicks", [event(9_000, FIRST_DAY + 14 * DAY, price=0.5, user_id="u0")])
    assert ask(store, ["u0", "u1"], bid=1.0)["margin"] == [0.5, first["margin"][1]]
    assert (cache.hits, cache.misses) == (3, 3)
    assert ask(store, ["u0"], bid=2.0)["margin"] == [1.5]


def test_what_was_not_asked_for_is_computed_and_not_returned(store: hr.FeatureStore) -> None:
    value = ask(store, ["u0"], bid=1.0)["margin"][0]
    found = ask(store, ["u0"], bid=1.0, word="it is")
    assert found == {"user_id": ["u0"], "shown": [f"it is {value}"]}
    ask(store, ["u0"], bid=1.0, word="once more")  # the context of another function is not in the key
    assert (store.result_cache.hits, store.result_cache.misses) == (2, 1)


def test_a_window_cannot_be_cached_not_even_by_another_function(tmp_path: Path) -> None:
    store = project(tmp_path, events(0, 10))

    @hr.on_demand(inputs={"events": "activity:events_7d"}, output="int64")
    def plain(events):
        return events

    @hr.on_demand(inputs={"count": "plain"}, output="int64", cache="60s")
    def kept(count):
        return count

    @hr.on_demand(inputs={"hour": "hour"}, output="int64", cache="60s")
    def by_hour(hour):
        return hour

    @hr.on_demand(output="int64")
    def hour(request_time):
        return request_time.hour

    refused(DefinitionError, lambda: store.plan([activity(), plain, kept]), "kept", "activity:events_7d")
    refused(DefinitionError, lambda: store.plan([hour, by_hour]), "by_hour", "request_time")
    store.apply([activity(), plain])
