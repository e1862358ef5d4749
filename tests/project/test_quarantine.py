"""What leaves the quarantine, and when: only what counts now, or what somebody else answers for."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

import headrace as hr
from headrace import agg
from headrace.clock import FixedClock
from headrace.errors import DefinitionError

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


def reasons(store: hr.FeatureStore) -> dict[str, list[str]]:
    return {
        json.loads(r.row)["id"]: [each.rule for each in r.reasons] for r in store.quarantine("clicks").rows
    }


def test_two_versions_of_a_source_keep_what_each_has_found(tmp_path: Path) -> None:
    def day(number: int) -> None:
        at = f"2026-01-0{number}T10:00:00Z"
        write(tmp_path, number, click(f"c{number}", at, "c"), click(f"b{number}", at, "b"))

    strict, mild = hr.rules.enum("kind", ["a"]), hr.rules.enum("kind", ["a", "b"])
    both, one = ["enum(kind)", "enum(kind)"], ["enum(kind)"]  # in other words, for they allow other values
    with opened(tmp_path, "2026-01-08T00:00:00Z") as store:
        day(1)
        store.apply([clicks("1", strict)])
        store.materialize(end="2026-01-02T00:00:00Z")
        store.apply([clicks("2", mild)])
        day(2)
        store.materialize(end="2026-01-03T00:00:00Z")
        wanted = {"b1": one, "b2": one, "c1": both, "c2": both}
        assert reasons(store) == wanted
        day(3)
        loads = store.materialize(end="2026-01-04T00:00:00Z")
        assert [each.full for each in loads] == ["", ""]
        assert reasons(store) == {**wanted, "b3": one, "c3": both}
        write(tmp_path, 2, click("c2", "2026-01-02T10:00:00Z", "a"), click("b2", "2026-01-02T10:00:00Z", "b"))
        store.materialize(end="2026-01-04T00:00:00Z", views=["sums@2"])
        assert reasons(store) == {**wanted, "c2": one, "b3": one, "c3": both}
        store.materialize(end="2026-01-04T00:00:00Z")
        assert reasons(store) == {"b1": one, "b2": one, "c1": both, "b3": one, "c3": both}


def test_versions_that_read_other_files_keep_what_each_has_found(tmp_path: Path) -> None:
    rule = hr.rules.enum("kind", ["a"])
    write(tmp_path, 1, click("b1", "2026-01-01T10:00:00Z", "b"))
    (tmp_path / "old.jsonl").write_text(json.dumps(click("old", "2026-01-01T10:00:00Z", "b")) + "\n")
    with opened(tmp_path, "2026-01-08T00:00:00Z") as store:
        store.apply([clicks("1", rule, batch="old.jsonl")])
        store.materialize(end="2026-01-02T00:00:00Z")
        store.apply([clicks("2", rule, hr.rules.not_null("kind"))])
        for _ in range(2):
            store.materialize(end="2026-01-02T00:00:00Z")
            assert reasons(store) == {"b1": ["enum(kind)"], "old": ["enum(kind)"]}


def test_what_a_version_found_that_nobody_loads_any_more_is_forgotten(tmp_path: Path) -> None:
    write(tmp_path, 1, click("b1", "2026-01-01T10:00:00Z", "b"))
    with opened(tmp_path, "2026-01-08T00:00:00Z") as store:
        store.apply([clicks("1", hr.rules.enum("kind", ["a"]))])
        store.materialize(end="2026-01-02T00:00:00Z")
        store.apply([clicks("2")])
        store.materialize(end="2026-01-02T00:00:00Z")
        assert reasons(store) == {"b1": ["enum(kind)"]}
        gone = dataclasses.replace(clicks("1", hr.rules.enum("kind", ["a"])), is_active=False)
        store.apply([gone])
        loads = store.materialize(end="2026-01-03T00:00:00Z")
        assert [each.view for each in loads] == ["sums@2"]
        assert reasons(store) == {}


@pytest.mark.parametrize("last", ["9.jsonl", "0.jsonl"])
def test_an_empty_file_of_json_lines_is_a_quiet_day(tmp_path: Path, last: str) -> None:
    write(tmp_path, 1, click("a", "2026-01-01T10:00:00Z", "a"))
    (tmp_path / "clicks" / last).touch()
    with opened(tmp_path, "2026-01-02T12:00:00Z") as store:
        store.apply([clicks("1", batch="clicks/*.jsonl")])
        (loaded,) = store.materialize(end="2026-01-02T00:00:00Z")
        assert (loaded.events, loaded.rejected) == (1, 0)
        assert counts(store, "2026-01-02T12:00:00Z") == ([1], [1])
        assert store.materialize(end="2026-01-02T00:00:00Z")[0].full == ""


def test_rules_on_local_times_are_refused_to_views_of_another_zone(tmp_path: Path) -> None:
    write(tmp_path, 1, click("a", "2026-01-01T10:00:00Z", "a"))
    hours = {
        "columns": {
            "hour": "date_part('hour', local(ts))",
            "next": "hour + 1",
            "utc": "date_part('hour', ts)",
        }
    }
    local = [hr.rules.custom("awake", "date_part('hour', local(ts)) > 6"), hr.rules.range("next", max=22)]
    with opened(tmp_path, "2026-01-02T12:00:00Z") as store:
        for rule in local:
            view = clicks("1", rule, **hours)
            store.plan([view])
            store.plan([dataclasses.replace(view, timezone="UTC")])
            with pytest.raises(DefinitionError, match=r"those of UTC, the project's zone; .* Asia/Tokyo"):
                store.plan([dataclasses.replace(view, timezone="Asia/Tokyo")])
        for rule in (hr.rules.range("utc", max=22), hr.rules.enum("kind", ["a"])):
            store.plan([dataclasses.replace(clicks("1", rule, **hours), timezone="Asia/Tokyo")])
