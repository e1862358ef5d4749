"""Rows that cannot be used: told apart one by one, counted and kept with the reason; all else goes on."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import headrace as hr
from headrace.cli.app import app
from headrace.clock import DAY, HOUR, FixedClock, format_instant, instant
from headrace.online.quarantine import quarantined

if TYPE_CHECKING:
    from pathlib import Path

START = instant("2026-03-01T00:00:00Z")
K = START + 10 * DAY
NOW = START + 12 * DAY
SCHEMA = {
    "id": "string",
    "user_id": "string",
    "ts": "timestamp",
    "received": "timestamp",
    "price": "double",
    "pieces": "int64",
    "amount": "decimal(12,2)",
}
KEYS = ["u0", "u1", "u2", "nobody"]
FEATURES = [*(f"sums:{name}" for name in ("n_all", "paid_all", "pieces_all", "amount_all")), "newest:price"]

DEFINITIONS = f"""
import headrace as hr
from headrace import agg

user = hr.Entity("user", join_keys={{"user_id": "string"}})
events = hr.EventSource(
    "events", batch="events.FORM", schema={SCHEMA!r}, timestamp="ts", available_at="received",
    event_id="id", stream=hr.Push(),
)
all_ = dict(windows=["all"])
sums = hr.AggregateView("sums", entity=user, source=events, features=[
    agg.count("n", **all_), agg.sum("paid", "price", **all_),
    agg.sum("pieces", "pieces", **all_), agg.sum("amount", "amount", **all_),
])
newest = hr.LatestView("newest", entity=user, source=events, features=["price"])
"""


def good(number: int, day: int = 0) -> dict[str, Any]:
    at = START + day * DAY + number * HOUR
    times = {"ts": format_instant(at), "received": format_instant(at + HOUR)}
    return {
        "id": f"{day}-{number}",
        "user_id": f"u{number % 3}",
        **times,
        "price": 0.5,
        "pieces": 2,
        "amount": "1.25",
    }


def bad(day: int = 0) -> dict[str, tuple[dict[str, Any], str]]:
    """Rows that cannot be used, and the rule each breaks."""
    later = {"ts": format_instant(START + (day + 1) * DAY), "received": format_instant(START + day * DAY)}
    changes: dict[str, tuple[dict[str, Any], str]] = {
        "a text for a number": ({"price": "cheap"}, "uncastable"),
        "a fraction for a whole number": ({"pieces": "2.5"}, "uncastable"),
        "a whole number beyond int64": ({"pieces": str(2**63)}, "uncastable"),
        "a decimal with too many digits": ({"amount": "12345678901.25"}, "uncastable"),
        "a time that is none": ({"ts": "soon"}, "uncastable"),
        "a day that no month has": ({"ts": "2026-02-30T00:00:00Z"}, "uncastable"),
        "no time": ({"ts": None}, "no_time"),
        "no key": ({"user_id": None}, "no_key"),
        "an infinity": ({"price": "inf"}, "infinite"),
        "an event before it happened": (later, "future"),
    }
    return {
        what: ({**good(50 + place, day), "id": f"bad {day} {place}", **change}, rule)
        for place, (what, (change, rule)) in enumerate(changes.items())
    }


def nan(day: int = 0) -> dict[str, Any]:
    return {**good(1, day), "id": f"nan {day}", "price": "nan"}


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(SCHEMA))
            writer.writeheader()
            writer.writerows(rows)
    else:
        texts = [{name: None if value is None else str(value) for name, value in row.items()} for row in rows]
        pq.write_table(pa.Table.from_pylist(texts), path)


def opened(directory: Path, form: str = "jsonl") -> hr.FeatureStore:
    if not (directory / "headrace.toml").exists():
        (directory / "headrace.toml").write_text('project = "bad_rows"\n')
        (directory / "features.py").write_text(DEFINITIONS.replace("FORM", form))
    return hr.FeatureStore(directory, clock=FixedClock(NOW), who="tester")


def online(store: hr.FeatureStore) -> dict[str, list[Any]]:
    return store.get_online_features(FEATURES, {"user_id": KEYS}, as_of=NOW).to_dict()


def offline(store: hr.FeatureStore) -> dict[str, list[Any]]:
    spine = [{"user_id": key, "ts": format_instant(NOW)} for key in KEYS]
    found = store.get_historical_features(spine, features=FEATURES).to_arrow()
    return {name: found[name].to_pylist() for name in found.column_names if name != "ts"}


def kept(store: hr.FeatureStore) -> list[tuple[str, str]]:
    """Rule and id of each row in quarantine."""
    with store.online.snapshot() as snapshot:
        found = list(quarantined(snapshot, "events"))
    assert all(each.reason for each in found)
    return sorted((each.rule, json.loads(each.row)["id"]) for each in found)


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_load_tells_bad_rows_apart_and_goes_on(tmp_path: Path, form: str) -> None:
    rows = [good(number) for number in range(12)]
    spoiled = bad()
    write(tmp_path / f"events.{form}", [*rows[:6], *(row for row, _ in spoiled.values()), nan(), *rows[6:]])
    with opened(tmp_path, form) as store:
        store.apply()
        for full in (False, True):  # a second load adds nothing to the quarantine
            assert {each.rejected for each in store.materialize(end=K, full=full)} == {len(spoiled)}
            assert kept(store) == sorted((rule, row["id"]) for row, rule in spoiled.values())
        answer = online(store)
        assert answer["n_all"] == [4, 5, 4, 0]  # the row with a NaN counts
        assert answer["paid_all"] == [2.0, 2.0, 2.0, 0.0]  # but is no value
        assert offline(store) == answer
        manifest = store.get_historical_features(
            [{"user_id": "u0", "ts": format_instant(NOW)}], features=FEATURES
        ).manifest
        assert sum(manifest["quarantined"].values()) == len(spoiled)


def test_a_push_comes_to_the_same_verdict_row_by_row(tmp_path: Path) -> None:
    write(tmp_path / "events.jsonl", [good(number) for number in range(12)])
    spoiled = bad(day=11)
    rows = [good(number, day=11) for number in range(6)]
    with opened(tmp_path) as store:
        store.apply()
        store.materialize(end=K)
        pushed = store.push("events", [*rows[:3], *(row for row, _ in spoiled.values()), nan(11), *rows[3:]])
        assert (pushed.accepted, pushed.rejected, pushed.late) == (7, len(spoiled), 0)
        assert kept(store) == sorted((rule, row["id"]) for row, rule in spoiled.values())
        answer = online(store)
        again = store.push("events", [row for row, _ in spoiled.values()])
        assert (again.accepted, again.rejected) == (0, len(spoiled))
        assert online(store) == answer
        assert len(kept(store)) == len(spoiled)
        write(
            tmp_path / "events.jsonl",
            [good(number) for number in range(12)] + [*rows, nan(11)] + [row for row, _ in spoiled.values()],
        )
        assert offline(store) == answer
        store.materialize(end=K)
        assert online(store) == answer
        assert kept(store) == sorted(2 * [(rule, row["id"]) for row, rule in spoiled.values()])
        with hr.FeatureStore(tmp_path, clock=FixedClock(NOW + 3 * DAY), who="tester") as later:
            later.materialize(end=NOW + 3 * DAY)  # which covers what was pushed: the batch's copies are left
            assert kept(later) == sorted((rule, row["id"]) for row, rule in spoiled.values())


@pytest.mark.parametrize("what", list(bad()))
def test_each_bad_row_is_refused_alone(tmp_path: Path, what: str) -> None:
    row, rule = bad(day=11)[what]
    with opened(tmp_path) as store:
        store.apply()
        pushed = store.push("events", [row])
        assert (pushed.accepted, pushed.rejected) == (0, 1)
        assert kept(store) == [(rule, row["id"])]
        values: list[Any] = [row, good(1, 11), {**good(2, 11), "price": 3}, {**good(3, 11), "price": "4.5"}]
        assert store.push("events", values).accepted == 3


def test_values_that_python_has_and_no_column(tmp_path: Path) -> None:
    strange: dict[str, Any] = {
        "surrogate": {"user_id": "\ud800"},
        "huge": {"price": 10**400},
        "object": {"pieces": object()},
        "dict": {"price": {"amount": 5}},
        "list": {"ts": [1, 2]},
        "far": {"ts": 2**62},
    }
    with opened(tmp_path) as store:
        store.apply()
        pushed = store.push(
            "events", [{**good(1, 11), "id": name, **change} for name, change in strange.items()]
        )
        assert (pushed.accepted, pushed.rejected) == (0, len(strange))
        assert {name for _, name in kept(store)} == set(strange)


def test_a_row_without_the_key_of_one_view_counts_for_the_others(tmp_path: Path) -> None:
    shop = hr.Entity("shop", join_keys={"id": "string"})
    write(tmp_path / "events.jsonl", [good(number) for number in range(3)])
    with opened(tmp_path) as store:
        store.apply()
        (source,) = [each for each in store.bindings() if each.name == "newest"]
        view = hr.LatestView("by_id", entity=shop, source=source.source, features=["price"])
        store.apply([view])
        store.materialize(end=K)
        keyless = {**good(1, 11), "id": "keyless", "user_id": None, "price": 9.0}
        pushed = store.push("events", [keyless, {**good(2, 11), "id": None, "user_id": None}])
        assert (pushed.accepted, pushed.rejected) == (1, 2)
        answer = store.get_online_features(["by_id:price"], {"id": ["keyless"]}, as_of=NOW)
        assert answer.to_dict()["price"] == [9.0]


def test_a_sum_beyond_int64_is_invalid_and_spoils_nothing_else(tmp_path: Path) -> None:
    rows = [{**good(number), "pieces": 2**62} for number in range(9)]
    write(tmp_path / "events.jsonl", rows)
    with opened(tmp_path) as store:
        store.apply()
        store.materialize(end=K)
        answer = store.get_online_features(FEATURES, {"user_id": KEYS}, as_of=NOW)
        by_name: dict[str, list[str]] = {}
        for value in answer.values():
            by_name.setdefault(value.feature, []).append(value.status)
        assert by_name["pieces_all"] == ["INVALID"] * 3 + ["PRESENT"]
        assert answer.to_dict()["pieces_all"] == [None, None, None, 0]
        assert by_name["paid_all"] == by_name["n_all"] == ["PRESENT"] * 4
        assert offline(store) == answer.to_dict()


def test_a_batch_of_nothing_but_bad_rows_does_not_replace_what_is_served(tmp_path: Path) -> None:
    write(tmp_path / "events.jsonl", [good(number) for number in range(12)])
    with opened(tmp_path) as store:
        store.apply()
        store.materialize(end=K)
        answer = online(store)
        write(tmp_path / "events.jsonl", [{**good(number), "price": "cheap"} for number in range(12)])
        with pytest.raises(
            hr.errors.DataError, match="12 are in quarantine, the first because column 'price'"
        ):
            store.materialize(end=K)
        assert online(store) == answer
        assert len(kept(store)) == 12


def test_commands_count_bad_rows_and_end_with_2(tmp_path: Path) -> None:
    write(tmp_path / "events.jsonl", [*(good(number) for number in range(12)), bad()["no key"][0]])
    (tmp_path / "spine.csv").write_text(f"user_id,ts\nu0,{format_instant(NOW)}\n")
    (tmp_path / "more.jsonl").write_text(json.dumps(good(1, 11)) + "\n" + json.dumps(bad(11)["no time"][0]))
    opened(tmp_path).close()

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        done = CliRunner().invoke(app, [*arguments, "--project", str(tmp_path), "--json"])
        return done.exit_code, json.loads(done.stdout)

    assert run("apply")[0] == 0
    code, loads = run("materialize", "--end", format_instant(K))
    assert (code, [each["rejected"] for each in loads["loads"]]) == (2, [1, 1])
    code, manifest = run("train", str(tmp_path / "spine.csv"), "-f", "sums:n_all")
    assert (code, sum(manifest["quarantined"].values())) == (2, 1)
    code, pushed = run("push", "events", str(tmp_path / "more.jsonl"))
    assert (code, pushed["accepted"], pushed["rejected"]) == (2, 1, 1)
