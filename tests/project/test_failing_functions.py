"""A failing function fails alike online and in history, and harms no other feature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headrace.clock import SECOND
from headrace.definitions.loading import load_definitions
from headrace.errors import DataError
from tests.project.market import KEYS, NOW, K, activity, again, events, offline, online, project, refused

if TYPE_CHECKING:
    from pathlib import Path

    import headrace as hr

CODE = """\
import sys
import headrace as hr


@hr.on_demand(inputs={"events": "activity:events_7d"}, output="double")
def inverse(events):
    return 1 / events


@hr.on_demand(inputs={"inverse": "inverse"}, output="double")
def double_inverse(inverse):
    return 2 * inverse


@hr.on_demand(inputs={"events": "activity:events_7d"}, output="int64")
def leaves(events):
    sys.exit(events)
"""
ASKED = ("activity:events_7d", "double_inverse", "leaves", "activity:spend_7d")


@pytest.fixture
def store(tmp_path: Path) -> hr.FeatureStore:
    project(tmp_path, events(0, 10)).close()
    (tmp_path / "features.py").write_text(CODE)
    again(tmp_path).apply([activity(), *load_definitions(tmp_path, ("features.py",))])
    again(tmp_path).materialize(end=K)
    return again(tmp_path)


def test_online_and_history_fail_alike(store: hr.FeatureStore) -> None:
    found = online(store, *ASKED)
    assert found == offline(store, *ASKED)
    assert found["events_7d"][3] == 0  # nobody has no event
    assert found["double_inverse"] == [2 / n if n else None for n in found["events_7d"]]
    assert found["leaves"] == [None] * len(KEYS)
    assert "inverse" not in found


def test_online_says_which_function_raised_what(store: hr.FeatureStore) -> None:
    answer = store.get_online_features(list(ASKED), {"user_id": ["nobody"]}, as_of=NOW)
    reasons = {value.feature: value.metadata.get("reason") for value in answer.values()}
    assert reasons == {
        "events_7d": None,
        "double_inverse": "inverse: ZeroDivisionError: division by zero",
        "leaves": "leaves: SystemExit: 0",
        "spend_7d": None,
    }
    assert answer.document()["metadata"]["reasons"]["leaves"] == "leaves: SystemExit: 0"


def test_a_request_without_time_is_answered_with_deadline_everywhere(store: hr.FeatureStore) -> None:
    answer = store.get_online_features(list(ASKED), {"user_id": KEYS}, timeout=0)
    told = list(answer.values())
    assert len(told) == len(KEYS) * len(ASKED)
    assert {(each.value, each.status, each.metadata["reason"]) for each in told} == {
        (None, "INVALID", "deadline")
    }
    document = answer.document()
    assert document["metadata"]["reasons"] == dict.fromkeys(
        ["events_7d", "double_inverse", "leaves", "spend_7d"], "deadline"
    )
    assert answer.overran == ()


def test_a_request_with_time_is_answered_as_without_a_timeout(store: hr.FeatureStore) -> None:
    entities = {"user_id": KEYS}
    plain = store.get_online_features(list(ASKED), entities, as_of=NOW)
    timed = store.get_online_features(list(ASKED), entities, as_of=NOW, timeout=3600.0)
    assert timed.document() == plain.document()
    assert timed.overran == ()


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf"), True, "1"], ids=repr)
def test_what_is_no_timeout_is_refused(store: hr.FeatureStore, timeout: float) -> None:
    refused(
        DataError,
        lambda: store.get_online_features(list(ASKED), {"user_id": KEYS}, timeout=timeout),
        "is no timeout",
    )


def test_seconds_are_seconds() -> None:
    from headrace.clock import FixedClock
    from headrace.retrieval.deadline import Deadline

    clock = FixedClock(0)
    deadline = Deadline.after(1.5, clock)
    clock.advance(3 * SECOND // 2 - 1)
    assert not deadline.passed
    clock.advance(1)
    assert deadline.passed
