"""Requests of a store that watches its registry wait for none of its changes and troubles."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import make_url

import headrace as hr
from headrace import served_requests
from headrace.clock import DAY
from headrace.current import PATIENCE
from headrace.online.serve import Served
from tests.project.market import FIRST_DAY, activity, again, events, newest, online, project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

K = FIRST_DAY + 12 * DAY
FEATURES = ["activity:events_7d", "newest:price"]
GIVE_UP = 60.0


@pytest.fixture
def on_postgres(tmp_path: Path, postgres_url: str) -> Iterator[hr.FeatureStore]:
    store = project(tmp_path, events(0, 12))
    store.close()
    with (tmp_path / "headrace.toml").open("a", encoding="utf-8") as settings:
        settings.write(f'\n[registry]\nurl = "{postgres_url}"\n')
    with again(tmp_path) as store:
        store.apply([activity(), newest()])
        store.materialize(end=K)
        yield store


def test_a_registry_that_does_not_answer_keeps_no_request_waiting(
    on_postgres: hr.FeatureStore, postgres_url: str
) -> None:
    url = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with on_postgres.watching_registry():
        before = online(on_postgres, *FEATURES)
        with psycopg.connect(url) as held:
            held.execute("LOCK TABLE headrace_state IN ACCESS EXCLUSIVE MODE")  # whoever asks waits
            asked, until = 0, time.monotonic() + 3 * PATIENCE  # longer than requests go on unwatched
            while time.monotonic() < until:
                assert online(on_postgres, *FEATURES) == before
                asked += 1
            assert asked > 1


def test_what_was_asked_for_is_ready_before_a_change_is_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    class Seen(Served):
        def __init__(self, *arguments: object) -> None:
            made.append(threading.current_thread().name)
            super().__init__(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(served_requests, "Served", Seen)
    store = project(tmp_path, events(0, 12))
    store.apply([activity(), newest()])
    store.materialize(end=K)
    with store.watching_registry():
        before = online(store, *FEATURES)
        other = again(tmp_path)
        other.apply([hr.LatestView("newest", entity=newest().entity, source=newest().source, version="2",
                                   features=["price"], ttl="1d")])  # fmt: skip
        other.materialize(end=K)
        after = online(other, *FEATURES)
        assert after != before
        made.clear()
        give_up = time.monotonic() + GIVE_UP
        while (answer := online(store, *FEATURES)) != after:
            assert answer == before
            assert time.monotonic() < give_up
    assert made == ["headrace-registry"]


def test_no_more_lists_are_kept_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_requests, "MOST_REQUESTS", 2)
    made: list[object] = []

    class Seen(Served):
        def __init__(self, *arguments: object) -> None:
            made.append(self)
            super().__init__(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(served_requests, "Served", Seen)
    store = project(tmp_path, events(0, 12))
    store.apply([activity(), newest()])
    store.materialize(end=K)
    lists = [["activity:events_7d"], ["activity:spend_7d"], ["newest:price"]]
    with store.watching_registry():
        answers = [online(store, *each) for each in lists]
        assert len(made) == 3
        assert [online(store, *each) for each in lists[1:]] == answers[1:]
        assert len(made) == 3
        assert online(store, *lists[0]) == answers[0]
        assert len(made) == 4
