"""The deadline is looked at around each look into the store; nothing is asked of it after that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headrace.clock import FixedClock
from headrace.retrieval.deadline import Deadline
from headrace.served_requests import Request
from headrace.stores.lmdb import LmdbStore
from tests.project.market import KEYS, NOW, K, activity, events, newest, project

if TYPE_CHECKING:
    from pathlib import Path

    import headrace as hr
    from headrace.online.answer import OnlineFeatures

FEATURES = ["activity:events_7d", "newest:price"]


@pytest.fixture
def store(tmp_path: Path) -> hr.FeatureStore:
    store = project(tmp_path, events(0, 10))
    store.apply([activity(), newest()])
    store.materialize(end=K)
    return store


def asked(store: hr.FeatureStore, directory: Path, costs: list[int], at: int) -> tuple[int, OnlineFeatures]:
    """How often the store was asked, and the answer, where each look takes what `costs` says."""
    served = store._parts.current.request(Request.of(FEATURES, None, full=False))  # noqa: SLF001 - as requests do
    clock = FixedClock(0)
    steps = served.answering({"user_id": KEYS}, {}, NOW, None, Deadline(at, clock))
    looks = 0
    with LmdbStore(directory / ".headrace" / "online") as kept, kept.snapshot() as snapshot:
        try:
            keys = next(steps)
            while True:
                clock.advance(costs[looks])
                looks += 1
                keys = steps.send(snapshot.multi_get(keys))
        except StopIteration as done:
            return looks, done.value


@pytest.mark.parametrize(
    ("costs", "at", "looks"),
    [
        ([0, 0], 0, 0),  # too late from the beginning: the store is not asked
        ([10, 0], 10, 1),  # the deadline passes while the store looks for the first time
        ([9, 1], 10, 2),  # the second time
    ],
    ids=["before", "first", "second"],
)
def test_what_the_store_tells_too_late_is_invalid(
    store: hr.FeatureStore, tmp_path: Path, costs: list[int], at: int, looks: int
) -> None:
    counted, answer = asked(store, tmp_path, costs, at)
    assert counted == looks
    told = {(each.value, each.status, each.metadata["reason"]) for each in answer.values()}
    assert told == {(None, "INVALID", "deadline")}
    assert answer.t == NOW
    assert answer.to_arrow().num_rows == len(KEYS)
    assert answer.to_numpy().shape == (len(KEYS), len(FEATURES))
    assert answer.to_stream()


def test_what_the_store_tells_in_time_is_the_answer(store: hr.FeatureStore, tmp_path: Path) -> None:
    looks, answer = asked(store, tmp_path, [9, 0], 10)
    plain = store.get_online_features(FEATURES, {"user_id": KEYS}, as_of=answer.t)
    assert (looks, answer.document()) == (2, plain.document())
    assert "PRESENT" in str(plain.document())


def test_a_late_request_harms_no_later_one(store: hr.FeatureStore, tmp_path: Path) -> None:
    before = store.get_online_features(FEATURES, {"user_id": KEYS}, as_of=NOW).document()
    for costs, at in (([0], 0), ([10], 5), ([0, 10], 5)):
        asked(store, tmp_path, [*costs, 0], at)
    assert store.get_online_features(FEATURES, {"user_id": KEYS}, as_of=NOW).document() == before
