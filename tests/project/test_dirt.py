"""Rows with every kind of dirt: a bad one is in quarantine once, a good one counts once, mended ones return.

Some thousand rows here; a million where the suite soaks.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import headrace as hr
from headrace import agg
from headrace.clock import DAY, FixedClock, format_instant, instant
from tests.effort import SOAKING

if TYPE_CHECKING:
    from pathlib import Path

START = instant("2026-03-01T00:00:00Z")
K = START + 10 * DAY
ROWS = 1_000_000 if SOAKING else 4_000
USERS = 50
SCHEMA = {
    "id": "string", "user_id": "string", "ts": "timestamp", "received": "timestamp", "event": "string",
    "price": "double", "pieces": "int64",
}  # fmt: skip
STRICT = (
    hr.rules.not_null("event"),
    hr.rules.enum("event", ["view", "click", " "]),
    hr.rules.range("price", min=0, max=100),
    hr.rules.regex("user_id", "u[0-9]"),
    hr.rules.unique("id"),
    hr.rules.custom("free_views", "price = 0 OR event <> 'view' OR price IS NULL"),
)
MENDED = {"range(price)", "custom(free_views)"}
DIRT: dict[str, tuple[dict[str, Any], set[str]]] = {
    "uncastable": ({"price": "cheap"}, {"uncastable"}),
    "a fraction": ({"pieces": 2.5}, {"uncastable"}),
    "no time": ({"ts": None}, {"no_time"}),
    "no such day": ({"ts": "2026-02-30T00:00:00Z"}, {"uncastable"}),
    "null key": ({"user_id": None}, {"no_key"}),
    "infinite": ({"price": "-inf"}, {"infinite"}),
    "blank": ({"event": " "}, {"not_null(event)"}),
    "below": ({"price": -0.5}, {"range(price)"}),
    "above": ({"price": 1e9}, {"range(price)"}),
    "not in enum": ({"event": "buy"}, {"enum(event)"}),
    "no user": ({"user_id": "x1"}, {"regex(user_id)"}),
    "from the future": ({"received": "2026-02-28T00:00:00Z"}, {"future"}),
    "a condition fails": ({"event": "view", "price": 3.0}, {"custom(free_views)"}),
    "two at once": ({"event": "buy", "price": -1}, {"enum(event)", "range(price)"}),
    "both mended": ({"event": "view", "price": -1}, {"range(price)", "custom(free_views)"}),
    "unread and more": ({"price": "dear", "event": "buy"}, {"uncastable", "enum(event)"}),
}
NAN = {"price": "nan"}
"""What is no dirt: null."""


def write(path: Path, seed: int) -> tuple[dict[int, set[str]], int]:
    """Write rows; which are bad, by line from 0, and how many lines are none."""
    random = np.random.default_rng(seed)
    kinds = [*DIRT, "nan", "again", "broken"]
    kind = np.where(random.random(ROWS) < 0.8, -1, random.integers(0, len(kinds), ROWS)).tolist()
    user = random.integers(0, USERS, ROWS).tolist()
    at = (START + random.integers(0, 9 * DAY, ROWS)).tolist()
    bad: dict[int, set[str]] = {}
    good: list[tuple[int, int]] = []
    broken = 0
    with path.open("w") as file:
        for number in range(ROWS):
            times = {"ts": format_instant(at[number]), "received": format_instant(at[number])}
            row = {"id": f"i{number}", "user_id": f"u{user[number]}", **times, "event": "click", "price": 0.5}
            name = "" if kind[number] < 0 else kinds[kind[number]]
            if name == "broken":
                broken += 1
                file.write(json.dumps(row)[:-3] + "\n")
                continue
            if name in DIRT:
                row.update(DIRT[name][0])
                bad[number] = DIRT[name][1]
            elif name == "nan":
                row.update(NAN)
            elif name == "again" and good:
                # Of a good row before, and known later than it.
                place, known = good[number % len(good)]
                row.update(id=f"i{place}", received=format_instant(max(known, at[number]) + 1))
                bad[number] = {"unique(id)"}
            if name in {"", "nan"}:
                good.append((number, at[number]))
            file.write(json.dumps(row) + "\n")
    return bad, broken


def clicks(rules: tuple[Any, ...], version: str = "1") -> hr.AggregateView:
    source = hr.EventSource(
        "clicks", batch="clicks.jsonl", schema=SCHEMA, timestamp="ts", available_at="received", rules=rules
    )
    user = hr.Entity("user", join_keys={"user_id": "string"})
    counted = agg.count("n", windows=["all"])
    return hr.AggregateView("sums", entity=user, source=source, version=version, features=[counted])


def kept(store: hr.FeatureStore) -> tuple[dict[int, set[str]], int]:
    """What is in quarantine: rows by their place, each once; and how many lines."""
    rows = store.quarantine("clicks").rows
    lines = [each.line for each in rows if each.line is not None]
    places = {each.ordinal: {r.rule for r in each.reasons} for each in rows if each.ordinal is not None}
    assert len(places) + len(lines) == len(rows)
    assert len(set(lines)) == len(lines)
    return places, len(lines)


def total(store: hr.FeatureStore, version: str) -> int:
    users = {"user_id": [*(f"u{number}" for number in range(USERS)), "x1"]}
    found = store.get_online_features([f"sums@{version}:n_all"], users).to_dict()["n_all"]
    return int(sum(found))


@pytest.mark.soak
@pytest.mark.parametrize("seed", [7])
def test_each_bad_row_is_kept_once_each_good_one_counts_once_and_mended_ones_return(
    tmp_path: Path, seed: int
) -> None:
    (tmp_path / "headrace.toml").write_text('project = "dirt"\n')
    bad, broken = write(tmp_path / "clicks.jsonl", seed)
    with hr.FeatureStore(tmp_path, clock=FixedClock(K + DAY), who="tester") as store:
        store.apply([clicks(STRICT)])
        for _ in range(2):  # a second load adds nothing
            (loaded,) = store.materialize(end=K)
            assert (loaded.events, loaded.rejected) == (ROWS - len(bad) - broken, len(bad) + broken)
            assert kept(store) == (bad, broken)
            assert total(store, "1") == ROWS - len(bad) - broken
        counts = Counter(rule for rules in bad.values() for rule in rules)
        assert store.quarantine("clicks", limit=0).counts["clicks"] == {**counts, "malformed": broken}
        mild = tuple(rule for rule in STRICT if rule.kind not in {"range", "custom"})
        store.apply([dataclasses.replace(clicks(mild), version="2")])
        store.materialize(end=K, views=["sums@2"])
        still = {place: rules - MENDED for place, rules in bad.items() if rules - MENDED}
        assert kept(store) == (bad, broken)  # the first version is there still
        found = Counter(
            (reason.rule in MENDED, len(reason.found))
            for row in store.quarantine("clicks").rows
            for reason in row.reasons
            if not reason.view
        )
        assert set(found) == {(True, 1), (False, 2)}, found
        assert total(store, "2") == ROWS - len(still) - broken
