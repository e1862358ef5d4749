"""What leaves the quarantine, and when: only what counts now, or what somebody else answers for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import headrace as hr
from headrace import agg
from headrace.clock import FixedClock

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = {"id": "string", "user_id": "string", "ts": "timestamp", "kind": "string"}


def clicks(version: str, *rules: hr.rules.Rule, **other: Any) -> hr.AggregateView:
    options = {"batch": "clicks/*.jsonl", "event_id": "id", "stream": hr.Push(), **other}
    source = hr.EventSource("clicks", timestamp="ts", schema=SCHEMA, rules=rules, **options)
    user = hr.Entity("user", join_keys={"user_id": "string"})
    counted = agg.count("n", windows=["all"])
    return hr.AggregateView("sums", entity=user, source=source, version=version, features=[counted])


def click(name: str, at: str, kind: str) -> dict[str, Any]:
    return {"id": name, "user_id": "u", "ts": at, "kind": kind}


def write(directory: Path, day: int, *rows: dict[str, Any]) -> None:
    (directory / "clicks").mkdir(exist_ok=True)
    (directory / "clicks" / f"{day}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def opened(directory: Path, now: str) -> hr.FeatureStore:
    (directory / "headrace.toml").write_text('project = "clicks"\n')
    return hr.FeatureStore(directory, clock=FixedClock(now), who="tester")


def places(store: hr.FeatureStore) -> list[tuple[str, int | None]]:
    return [(row.origin, row.ordinal) for row in store.quarantine("clicks").rows]


def counts(store: hr.FeatureStore, at: str) -> tuple[list[int], list[int]]:
    """Online, and offline."""
    online = store.get_online_features(["sums:n_all"], {"user_id": ["u"]}, as_of=at).to_dict()["n_all"]
    spine = [{"user_id": "u", "ts": at}]
    return online, store.get_historical_features(spine, features=["sums:n_all"]).to_arrow()[
        "n_all"
    ].to_pylist()


def test_a_pushed_row_that_no_load_covers_waits_whatever_the_batch_holds(tmp_path: Path) -> None:
    write(tmp_path, 1, click("a", "2026-01-01T10:00:00Z", "a"))
    late = click("b", "2026-01-02T10:00:00Z", "b")
    with opened(tmp_path, "2026-01-02T12:00:00Z") as store:
        store.apply([clicks("1", hr.rules.enum("kind", ["a"]))])
        store.materialize(end="2026-01-02T00:00:00Z")
        assert store.push("clicks", [late]).rejected == 1
        write(tmp_path, 2, late)
        store.materialize(end="2026-01-02T00:00:00Z")
        assert places(store) == [("clicks/2.jsonl", 0), ("push 0", 0)]
        store.apply([clicks("2")])
        store.materialize(end="2026-01-02T00:00:00Z", views=["sums@2"])
        assert store.replay("clicks").accepted == 1
        assert counts(store, "2026-01-02T12:00:00Z") == ([2], [2])


@pytest.mark.parametrize("at", ["2026-01-02T00:00:02Z", "soon"])
def test_a_row_of_a_clock_that_is_fast_waits_for_the_load_that_covers_it(tmp_path: Path, at: str) -> None:
    write(tmp_path, 1, click("a", "2026-01-01T10:00:00Z", "a"))
    rule = hr.rules.enum("kind", ["a"])
    with opened(tmp_path, "2026-01-01T23:59:59Z") as store:
        store.apply([clicks("1", rule)])
        store.materialize(end="2026-01-01T00:00:00Z")
        assert store.push("clicks", [click("b", at, "b")]).rejected == 1
    for now, waiting in (("2026-01-02T00:00:00Z", at != "soon"), ("2026-01-03T00:00:00Z", False)):
        with opened(tmp_path, now) as store:
            store.materialize(end=now)
            assert (places(store) == [("push 0", 0)]) == waiting


def test_a_load_that_covers_a_pushed_row_takes_it_out(tmp_path: Path) -> None:
    write(tmp_path, 1, click("a", "2026-01-01T10:00:00Z", "a"))
    late = click("b", "2026-01-01T11:00:00Z", "b")
    with opened(tmp_path, "2026-01-02T12:00:00Z") as store:
        store.apply([clicks("1", hr.rules.enum("kind", ["a"]))])
        store.materialize(end="2026-01-02T00:00:00Z")
        store.push("clicks", [late])
        assert places(store) == [("push 0", 0)]
        write(tmp_path, 2, late)
        store.materialize(end="2026-01-02T00:00:00Z")
        assert places(store) == [("clicks/2.jsonl", 0)]
