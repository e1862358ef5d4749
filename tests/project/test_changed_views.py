"""A view that changes under its version goes on with the definition that is loaded, until the next load."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import headrace as hr
from headrace import agg
from headrace.clock import DAY
from headrace.definitions.loading import load_definitions
from headrace.errors import DataError, NotLoadedError
from tests.project.market import (
    FIRST_DAY,
    KEYS,
    NOW,
    activity,
    again,
    event,
    events,
    newest,
    offline,
    online,
    project,
    refused,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from headrace.online.answer import OnlineFeatures
    from headrace.ports.key_value import OneHost, Reader, Writer

K = FIRST_DAY + 10 * DAY
OLD = ["activity:events_7d", "activity:spend_7d", "newest:price"]
AVERAGE = agg.mean("average", "price", windows=["7d"])
NEW = ["activity:average_7d", "newest:kind"]


@pytest.fixture
def store(tmp_path: Path) -> hr.FeatureStore:
    """Loaded up to day 10, and days 10 to 12 pushed."""
    store = project(tmp_path, events(0, 10))
    store.apply([activity(), newest()])
    store.materialize(end=K)
    store.push("clicks", events(10, 12))
    write(tmp_path / "events.parquet", events(0, 13))  # what history should say in the end
    return store


def statuses(answer: OnlineFeatures) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for value in answer.values():
        found.setdefault(value.feature, set()).add((value.status, value.metadata.get("reason", "")))
    return found


def test_reads_and_pushes_go_on_after_a_feature_was_added(store: hr.FeatureStore, tmp_path: Path) -> None:
    before = online(store, *OLD)
    store.apply([activity(AVERAGE), newest("kind")])
    for opened in (store, again(tmp_path)):
        assert online(opened, *OLD) == before
    pushed = again(tmp_path).push("clicks", events(12, 13))
    assert (pushed.accepted, pushed.duplicates) == (5, 0)
    assert online(store, *OLD) == offline(store, *OLD)
    assert online(store, *OLD) != before

    store.materialize(end=K)
    assert online(again(tmp_path), *OLD, *NEW) == offline(store, *OLD, *NEW)
    store.push("clicks", events(13, 14))
    write(tmp_path / "events.parquet", events(0, 14))
    assert online(again(tmp_path), *OLD, *NEW) == offline(store, *OLD, *NEW)


def test_what_is_not_loaded_yet_is_invalid_and_says_so(store: hr.FeatureStore, tmp_path: Path) -> None:
    store.apply([activity(AVERAGE), newest("kind")])
    for asked in ([*OLD, *NEW], NEW):
        answer = again(tmp_path).get_online_features(asked, {"user_id": KEYS})
        for name in ("average_7d", "kind"):
            assert answer.to_dict()[name] == [None] * len(KEYS)
            ((status, reason),) = statuses(answer)[name]
            assert status == "INVALID"
            assert reason == "not loaded yet: run headrace materialize"
            assert answer.document()["metadata"]["reasons"][name] == reason


def test_the_doctor_tells_of_a_load_that_is_due(store: hr.FeatureStore) -> None:
    def wrong() -> list[str]:
        return [check.name for check in store.doctor() if not check.ok and check.name.startswith("view ")]

    assert wrong() == []
    store.apply([activity(AVERAGE)])
    assert wrong() == ["view activity@1"]
    store.materialize(end=K)
    assert wrong() == []


def test_what_is_computed_from_it_is_invalid_too(store: hr.FeatureStore, tmp_path: Path) -> None:
    (tmp_path / "features.py").write_text(
        "import headrace as hr\n\n\n"
        '@hr.on_demand(inputs={"average": "activity:average_7d"}, output="double")\n'
        "def rounded(average):\n"
        "    return round(average or 0.0)\n"
    )
    (rounded,) = load_definitions(tmp_path, ("features.py",))
    store.apply([activity(AVERAGE), rounded])
    answer = again(tmp_path).get_online_features(["rounded", "activity:events_7d"], {"user_id": KEYS})
    assert statuses(answer)["rounded"] == {("INVALID", "not loaded yet: run headrace materialize")}
    assert {status for status, _ in statuses(answer)["events_7d"]} == {"PRESENT"}
    store.materialize(end=K)
    answer = again(tmp_path).get_online_features(["rounded"], {"user_id": KEYS})
    assert {status for status, _ in statuses(answer)["rounded"]} == {"PRESENT"}


def test_a_feature_that_keeps_the_same_states_needs_no_load(store: hr.FeatureStore) -> None:
    store.apply([activity(agg.sum("paid", "price", windows=["7d"]))])
    assert online(store, "activity:paid_7d")["paid_7d"] == online(store, "activity:spend_7d")["spend_7d"]


def test_a_name_that_came_back_with_another_meaning_is_not_answered_from_old_states(
    store: hr.FeatureStore,
) -> None:
    before = online(store, "activity:events_7d")
    without = hr.AggregateView(
        "activity",
        entity=activity().entity,
        source=activity().source,
        features=[agg.count("events", windows=["7d"])],
    )
    store.apply([without], allow_destructive=True)
    assert online(store, "activity:events_7d") == before
    spend = agg.sum("spend", "price", where="kind = 'click'", windows=["7d"])
    store.apply([hr.AggregateView(
        "activity", entity=activity().entity, source=activity().source,
        features=[agg.count("events", windows=["7d"]), spend],
    )])  # fmt: skip
    answer = store.get_online_features(["activity:spend_7d", "activity:events_7d"], {"user_id": KEYS})
    assert {status for status, _ in statuses(answer)["spend_7d"]} == {"INVALID"}
    assert {status for status, _ in statuses(answer)["events_7d"]} == {"PRESENT"}


def test_what_was_pushed_alone_is_no_answer_where_there_is_a_past_to_load(tmp_path: Path) -> None:
    store = project(tmp_path, events(0, 10))
    store.apply([activity(), newest()])
    store.push("clicks", events(10, 12))
    refused(NotLoadedError, lambda: online(store, *OLD), "activity@1", "never loaded", "materialize")
    assert not all(check.ok for check in store.doctor())
    store.apply([activity(AVERAGE, first=[agg.max("most", "price", windows=["1d"])]), newest("kind")])
    store.push("clicks", events(12, 13))
    refused(NotLoadedError, lambda: online(store, *OLD), "never loaded")
    store.materialize(end=K)
    write(tmp_path / "events.parquet", events(0, 13))
    assert online(store, *OLD, *NEW) == offline(store, *OLD, *NEW)


def test_one_who_pushes_notices_that_another_has_loaded_the_new_definition(
    store: hr.FeatureStore, tmp_path: Path
) -> None:
    store.apply([activity(AVERAGE), newest("kind")])
    store.push("clicks", events(12, 13))  # into states of the old definition
    again(tmp_path).materialize(end=K)
    store.push("clicks", events(13, 14))
    write(tmp_path / "events.parquet", events(0, 14))
    assert online(store, *OLD, *NEW) == offline(store, *OLD, *NEW)


def test_a_view_added_later_holds_what_was_pushed_before(store: hr.FeatureStore, tmp_path: Path) -> None:
    view = hr.AggregateView(
        "later",
        entity=newest().entity,
        source=newest().source,
        features=[agg.count("events", windows=["7d"])],
    )
    store.apply([view])
    store.push("clicks", events(12, 13))
    store.materialize(end=K, views=["later"])
    assert online(again(tmp_path), "later:events_7d") == offline(store, "later:events_7d")


def test_a_load_up_to_an_earlier_instant_has_the_pushes_after_it(
    store: hr.FeatureStore, tmp_path: Path
) -> None:
    store.push("clicks", events(12, 13))
    store.materialize(end=K + 2 * DAY, views=["activity"])  # the log is kept for the view that stays behind
    store.materialize(end=K)
    assert online(again(tmp_path), *OLD) == offline(store, *OLD)


def test_no_load_goes_back_to_pushes_that_the_log_has_forgotten(
    store: hr.FeatureStore, tmp_path: Path
) -> None:
    store.push("clicks", events(10, 13))
    write(tmp_path / "events.parquet", events(0, 13))
    store.materialize(end=K + 3 * DAY)
    with pytest.raises(DataError, match="no longer has"):
        store.materialize(end=K)
    assert online(again(tmp_path), *OLD) == offline(store, *OLD)


def test_threads_that_push_while_another_process_loads_the_new_definition(
    store: hr.FeatureStore, tmp_path: Path
) -> None:
    store.apply([activity(AVERAGE), newest("kind")])
    store.push("clicks", events(12, 13))
    with ThreadPoolExecutor(4) as pool:
        pushes = [pool.submit(store.push, "clicks", [each]) for each in events(13, 14)]
        again(tmp_path).materialize(end=K)
        assert [push.result().accepted for push in pushes] == [1] * len(pushes)
    write(tmp_path / "events.parquet", events(0, 14))
    assert online(store, *OLD, *NEW) == offline(store, *OLD, *NEW)


class WhileOthersLoad:
    """An online store in which others load just before a transaction begins."""

    def __init__(self, store: OneHost, load: Callable[[], object]) -> None:
        self._store = store
        self._load = load

    def transaction(self) -> AbstractContextManager[Writer]:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self._load).result()
        return self._store.transaction()

    def snapshot(self) -> AbstractContextManager[Reader]:
        return self._store.snapshot()


def test_a_push_tells_of_its_own_rows_only_while_a_thread_loads(store: hr.FeatureStore) -> None:
    """The load evaluates the pushes before, on some of which an expression fails; the push is of another."""
    number = agg.count("numbers", where="CAST(kind AS INTEGER) > 1", windows=["7d"])
    store.apply([activity(number)])
    store.materialize(end=K)
    assert store.push("clicks", [event(n, K + 2 * DAY, kind="none") for n in range(900, 905)]).rejected == 5
    store.apply([activity(number, AVERAGE)])
    stream = store._names.stream("clicks")  # noqa: SLF001 - the load in between is to share it
    between = WhileOthersLoad(store.online, lambda: store.materialize(end=K, full=True))
    pushed = stream.push_rows(between, [event(950, K + 2 * DAY, kind="7")], NOW)
    assert (pushed.accepted, pushed.rejected) == (1, 0)
    assert online(store, "activity:numbers_7d")["numbers_7d"] == [0, 0, 1, 0]


def test_one_who_reads_need_not_notice_that_another_applied_and_loaded(
    store: hr.FeatureStore, tmp_path: Path
) -> None:
    before = online(store, *OLD)
    other = again(tmp_path)
    other.apply([activity(AVERAGE, first=[agg.max("most", "price", windows=["1d"])]), newest("kind")])
    other.materialize(end=K)
    assert online(store, *OLD) == before
    assert online(store, *NEW) == online(other, *NEW)
