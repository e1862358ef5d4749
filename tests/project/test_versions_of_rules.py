"""A source whose rules change: a view takes of pushes what its own version's rules take of the batch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import headrace as hr
from headrace import agg
from headrace.clock import FixedClock
from headrace.intake.row_rules import RowRules

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from headrace.intake.rejects import Fault

ROWS = [
    {"user_id": "u", "ts": "2026-05-31T10:00:00Z", "price": -1.0},
    {"user_id": "u", "ts": "2026-05-31T11:00:00Z", "price": 2.0},
]
NO_REFUNDS = (hr.rules.range("price", min=0),)


def spending(version: str, *rules: hr.rules.Rule) -> list[hr.AggregateView | hr.FeatureService]:
    source = hr.EventSource(
        "sales", batch="sales.jsonl", timestamp="ts", stream=hr.Push(), rules=rules,
        schema={"user_id": "string", "ts": "timestamp", "price": "double"},
    )  # fmt: skip
    user = hr.Entity("user", join_keys={"user_id": "string"})
    total = agg.sum("total", "price", windows=["7d"])
    view = hr.AggregateView("spending", entity=user, source=source, version=version, features=[total])
    return [view, hr.FeatureService("model", version=version, features=[view])]


def opened(directory: Path) -> hr.FeatureStore:
    (directory / "headrace.toml").write_text('[project]\nname = "shop"\n')
    (directory / "sales.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return hr.FeatureStore(directory, clock=FixedClock("2026-06-01T00:00:00Z"))


def totals(store: hr.FeatureStore, version: str) -> tuple[list[float], list[float]]:
    """Offline, and online."""
    service, asked = f"model@{version}", {"user_id": ["u"]}
    rows = store.get_historical_features([{"user_id": "u", "ts": "2026-06-01T00:00:00Z"}], service=service)
    read = store.get_online_features(service=service, entities=asked, as_of="2026-06-01T00:00:00Z")
    return rows.to_arrow()["total_7d"].to_pylist(), read.to_dict()["total_7d"]


def test_a_later_version_lets_more_through(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.apply(spending("1", *NO_REFUNDS))
        store.materialize(end="2026-05-31T00:00:00Z")
        store.apply(spending("2"))
        store.materialize(end="2026-05-31T00:00:00Z")
        store.push("sales", ROWS)
        assert totals(store, "2") == ([1.0], [1.0])
        assert totals(store, "1") == ([2.0], [2.0])


def test_a_later_version_is_built_of_what_was_pushed_before(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.apply(spending("1"))
        store.materialize(end="2026-05-31T00:00:00Z")
        store.push("sales", ROWS)
        store.apply(spending("2", *NO_REFUNDS))
        store.materialize(end="2026-05-31T00:00:00Z")
        assert totals(store, "1") == ([1.0], [1.0])
        assert totals(store, "2") == ([2.0], [2.0])


def test_rules_are_judged_once_where_nothing_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[int] = []
    faults = RowRules.faults

    def counted(self: RowRules, *given: Any) -> list[Fault]:
        judged.append(1)
        return faults(self, *given)

    with opened(tmp_path) as store:
        store.apply(spending("1", *NO_REFUNDS))
        store.materialize(end="2026-05-31T00:00:00Z")
        monkeypatch.setattr(RowRules, "faults", counted)
        assert store.push("sales", ROWS).rejected == 1
        assert len(judged) == 1
        assert totals(store, "1")[1] == [2.0]
