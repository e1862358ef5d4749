"""Looking ahead: what was not known at a row's instant is found, and what was is left in peace."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import headrace as hr
from headrace import agg
from tests.training.shop import (
    at,
    bought,
    click,
    clicks,
    order,
    orders,
    shop,
    spent,
    spine_of,
    user,
    views,
)

if TYPE_CHECKING:
    from pathlib import Path

    from headrace.offline.looks_ahead import LooksAhead

DAY = dt.timedelta(days=1)
AS_OF = "2026-03-31T00:00:00Z"
ROWS = [click(n, f"03-{n % 19 + 1:02} {n % 24:02}:00", f"u{n % 7}", n % 3) for n in range(80)]
ORDERED = [
    {**order(n, f"03-{n % 19 + 1:02} {n % 24:02}:00", user_id=f"u{n % 7}", ad_id=n % 3), "reported_at": None}
    for n in range(0, 80, 4)
]
ORDERED = [{**each, "ts": each["ts"] + DAY / 24, "reported_at": each["ts"] + 3 * DAY} for each in ORDERED]

hasty = dataclasses.replace(orders, name="orders_at_once", available_at=None)
hasty_spent = dataclasses.replace(spent, name="hasty_orders", source=hasty)


def kinds(found: LooksAhead) -> set[tuple[str, str]]:
    return {(each.kind, each.column) for each in found.findings}


def dataset(store: Any, spine: Any = None, **how: Any) -> Any:
    given = {"service": "model", "labels": [bought], "as_of": AS_OF, **how}
    return store.get_training_set(spine_of(ROWS) if spine is None else spine, **given)


def test_a_sound_set_is_clean(tmp_path: Path) -> None:
    store = shop(tmp_path, ROWS, ORDERED)
    found = store.looks_ahead(dataset(store))
    assert found.findings == ()
    assert found.is_clean
    assert found.rows == len(ROWS)


def test_a_late_conversion_counted_when_it_happened_changes_values_and_is_flagged(tmp_path: Path) -> None:
    """The order of a click is reported three days later; without available_at the next click knows it."""
    store = shop(tmp_path, ROWS, ORDERED, hasty_spent)
    honest = dataset(store, features=["user_orders:orders_all"], service=None)
    leaky = dataset(store, features=["hasty_orders:orders_all"], service=None)
    differ = pc.sum(pc.not_equal(honest.to_arrow()["orders_all"], leaky.to_arrow()["orders_all"])).as_py()
    assert differ > 20
    assert store.looks_ahead(honest).is_clean
    found = store.looks_ahead(leaky, rows=len(ROWS))
    assert kinds(found) == {("later_column", "orders_all"), ("label_source", "orders_all")}
    later = next(each for each in found.findings if each.kind == "later_column")
    assert later.rows == differ
    assert "available_at='reported_at'" in later.message
    assert found.to_dict()["findings"][0]["certain"] is False


def test_a_label_whose_source_says_nothing_of_when_it_is_known(tmp_path: Path) -> None:
    store = shop(tmp_path, ROWS, ORDERED, hasty_spent)
    label = dataclasses.replace(bought, source=hasty)
    found = store.looks_ahead(dataset(store, features=["hasty_orders:spent_30d"], service=None, labels=label))
    assert ("label_source", "spent_30d") in kinds(found)
    assert any("in the instant they happen" in each.message for each in found.findings)


def test_values_that_knew_more_than_they_could_are_a_leak(tmp_path: Path) -> None:
    """As an engine would make them that counted what happens at the row's instant."""
    store = shop(tmp_path, ROWS, ORDERED)
    sound = dataset(store)
    table = sound.to_arrow()
    place = table.column_names.index("clicks_all")
    more = pc.add(table["clicks_all"], pa.array([int(n == 5) for n in range(len(ROWS))]))
    wrong = dataclasses.replace(sound, table=table.set_column(place, "clicks_all", more))
    found = store.looks_ahead(wrong, rows=len(ROWS))
    assert [(each.kind, each.column, each.rows, each.certain) for each in found.findings] == [
        ("future_events", "clicks_all", 1, True)
    ]


def test_columns_of_the_spine_that_are_later_or_tell_the_label(tmp_path: Path) -> None:
    store = shop(tmp_path, ROWS, ORDERED)
    outcome = dataset(store, immature="keep").to_arrow()["bought"].to_pylist()
    assert 10 <= sum(outcome) <= len(outcome) - 10
    spine = spine_of(ROWS)
    spine = spine.append_column(
        "ordered_at", pa.array([row["ts"] + DAY if n % 2 else None for n, row in enumerate(ROWS)])
    )
    spine = spine.append_column("seen_at", pa.array([row["ts"] - DAY for row in ROWS]))
    spine = spine.append_column("shown_at", spine["ts"])
    spine = spine.append_column("page", pa.array(["thanks" if each else "home" for each in outcome]))
    spine = spine.append_column("shelf", pa.array(["a" if n % 2 else "b" for n in range(len(ROWS))]))
    found = store.looks_ahead(dataset(store, spine))
    assert kinds(found) == {("spine_instant", "ordered_at"), ("tells_label", "page")}
    assert found.findings[0].certain
    assert found.findings[0].rows == len(ROWS) // 2


def test_latest_values_written_later_than_their_time(tmp_path: Path) -> None:
    """A profile that was filled in afterwards, under an earlier time: its created_at says so."""
    rows = [
        {"user_id": f"u{n}", "updated_at": at("01-01 00:00"), "created_at": at(written), "age": n}
        for n, written in [(0, "01-01 00:00"), (1, "03-18 00:00")]
    ]
    batch = pa.Table.from_pylist(rows)
    source = hr.TableSource("profiles", batch=batch, timestamp="updated_at", created_at="created_at")
    profile = hr.LatestView("profile", entity=user, source=source, features=["age"])
    store = shop(tmp_path, ROWS, ORDERED, profile)
    leaky = dataset(store, features=["profile:age"], service=None)
    found = store.looks_ahead(leaky)
    assert kinds(found) == {("later_column", "age")}
    (finding,) = found.findings
    before = [row for row in ROWS if row["user_id"] == "u1" and row["ts"] <= at("03-18 00:00")]
    assert finding.rows == len(before)


def test_functions_that_look_elsewhere_are_found(tmp_path: Path) -> None:
    drawn = iter(range(10_000))

    @hr.on_demand(inputs={"clicks": "user_clicks:clicks_all"}, request={}, output="int64", name="dice")
    def dice(clicks: int) -> int:
        return clicks + next(drawn)

    store = shop(tmp_path, ROWS, ORDERED, dice)
    found = store.looks_ahead(dataset(store, features=["dice"], service=None), rows=10)
    assert ("future_events", "dice") in kinds(found)


def test_historical_features_can_be_asked_too_and_no_rows_are_no_leak(tmp_path: Path) -> None:
    store = shop(tmp_path, ROWS, ORDERED)
    assert store.looks_ahead(store.get_historical_features(spine_of(ROWS), service="model")).is_clean
    empty = store.looks_ahead(dataset(store, spine_of(ROWS).slice(0, 0)))
    assert (empty.findings, empty.rows) == ((), 0)


@pytest.mark.parametrize("rows", [1, 7])
def test_some_rows_are_enough_to_look_at(tmp_path: Path, rows: int) -> None:
    many = hr.AggregateView(
        "global",
        entity=hr.Entity("all", join_keys=None),
        source=clicks,
        features=[agg.count("n", windows=["1d"])],
    )
    store = shop(tmp_path, ROWS, ORDERED, many)
    found = store.looks_ahead(
        dataset(store, features=["global:n_1d", "user_clicks:clicks_7d"], service=None), rows=rows
    )
    assert (found.rows, found.findings) == (rows, ())
    assert views.name == "user_clicks"
