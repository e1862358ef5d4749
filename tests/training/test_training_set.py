"""Training sets: which touch a conversion is credited to, when a label is mature, and what is known when."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import pytest

from headrace.clock import HOUR
from headrace.errors import DataError, DefinitionError, UnknownNameError
from tests.training.shop import NOW, bought, click, order, orders, revenue, shop, spine_of

if TYPE_CHECKING:
    from pathlib import Path

THREE = [click(1, "03-02 10:00"), click(2, "03-03 10:00"), click(3, "03-20 10:00")]


def made(store: Any, rows: Any = THREE, **how: Any) -> dict[str, list[Any]]:
    given = {"service": "model@1", "labels": [bought], "as_of": "2026-03-25T00:00:00Z", **how}
    return store.get_training_set(spine_of(rows), **given).to_arrow().to_pydict()


def test_the_columns_of_one_label_and_of_several(tmp_path: Path) -> None:
    store = shop(tmp_path, THREE, [order(1, "03-04 10:00", amount=7.5)])
    found = made(store)
    assert list(found) == [
        "user_id", "ad_id", "ts", "clicks_7d", "clicks_all", "orders_all", "spent_30d",
        "bought", "label_mature", "label_delay",
    ]  # fmt: skip
    assert found["clicks_all"] == [0, 1, 2]
    assert found["bought"] == [0, 1, None]
    assert found["label_mature"] == [True, True, False]
    assert found["label_delay"] == [None, 86_400.0, None]
    two = made(store, labels=["bought", "revenue@1"])
    assert list(two)[7:] == [
        "bought", "bought_mature", "bought_delay", "revenue", "revenue_mature", "revenue_delay",
    ]  # fmt: skip
    assert two["revenue"] == [0.0, 7.5, None]


def test_first_touch_and_every_touch(tmp_path: Path) -> None:
    store = shop(tmp_path, THREE, [order(1, "03-04 10:00")])
    first = dataclasses.replace(bought, attribution="first_touch")
    every = dataclasses.replace(bought, attribution="every_touch")
    assert made(store, labels=first)["bought"] == [1, 0, None]
    assert made(store, labels=every)["bought"] == [1, 1, None]


def test_touches_outside_the_spine_compete(tmp_path: Path) -> None:
    """The second click got the order, though the spine, a sample, does not have it."""
    store = shop(tmp_path, THREE, [order(1, "03-04 10:00")])
    assert made(store, THREE[:1])["bought"] == [0]
    alone = dataclasses.replace(bought, touches=None)
    assert made(store, THREE[:1], labels=alone)["bought"] == [1]


def test_the_span_is_half_open_and_a_conversion_before_the_touch_is_none_of_its(tmp_path: Path) -> None:
    touch = [click(1, "03-02 10:00")]
    for ts, expected in [
        ("03-02 09:59:59.999999", 0),
        ("03-02 10:00", 1),
        ("03-09 09:59:59.999999", 1),
        ("03-09 10:00", 0),
    ]:
        store = shop(tmp_path / re.sub(r"\W", "", ts), touch, [order(1, ts)])
        assert made(store, touch)["bought"] == [expected], ts


def test_what_is_reported_after_as_of_is_not_known(tmp_path: Path) -> None:
    store = shop(tmp_path, THREE[:2], [order(1, "03-04 10:00", "03-20 00:00")])
    assert made(store, THREE[:2], as_of="2026-03-20T00:00:00Z")["bought"] == [0, 0]
    assert made(store, THREE[:2], as_of="2026-03-20T00:00:00.000001Z")["bought"] == [0, 1]
    assert made(store, THREE[:2], as_of=None)["bought"] == [0, 1]


def test_immature_rows_are_null_or_as_known_so_far_or_dropped(tmp_path: Path) -> None:
    store = shop(tmp_path, THREE, [order(1, "03-20 10:00:10")])
    assert made(store)["label_delay"] == [None, None, None]
    kept = made(store, immature="keep")
    assert (kept["bought"], kept["label_delay"]) == ([0, 0, 1], [None, None, 10.0])
    assert kept["label_mature"] == [True, True, False]
    assert made(store, immature="drop")["bought"] == [0, 0]
    on_time = made(store, as_of="2026-03-27T10:00:00Z")
    assert on_time["bought"] == [0, 0, 1]


def test_maturity_waits_for_what_is_reported_late_and_for_complete_sources(tmp_path: Path) -> None:
    late = dataclasses.replace(bought, reported_within="3d")
    store = shop(tmp_path, THREE, [])
    assert made(store, labels=late, as_of="2026-03-30T09:59:59Z")["label_mature"] == [True, True, False]
    assert made(store, labels=late, as_of="2026-03-30T10:00:00Z")["label_mature"] == [True, True, True]
    until = dataclasses.replace(orders, complete_until="2026-03-10T00:00:00Z")
    part = dataclasses.replace(bought, source=until)
    assert made(store, labels=part)["label_mature"] == [True, False, False]


def test_as_of_is_by_default_what_should_have_arrived(tmp_path: Path) -> None:
    store = shop(tmp_path, THREE, [])
    manifest = store.get_training_set(spine_of(THREE), service="model@1", labels=[bought]).manifest
    assert manifest["as_of"] == "2026-03-31T23:00:00Z"
    with pytest.raises(DataError, match="will be known"):
        made(store, as_of=NOW + HOUR)


def test_rows_without_a_touch_or_a_key_have_no_label(tmp_path: Path) -> None:
    store = shop(tmp_path, THREE, [order(1, "03-04 10:00")])
    asked = [
        click(1, "03-02 10:00:00.000001"),
        click(1, "03-02 10:00", user_id=None),
        click(1, "03-02 10:00"),
    ]
    found = made(store, asked)
    assert found["bought"] == [None, None, 0]
    manifest = store.get_training_set(
        spine_of(asked), service="model@1", labels=[bought], as_of="2026-03-25T00:00:00Z"
    ).manifest
    (label,) = manifest["labels"]
    assert (label["without_touch"], label["negative"], label["positive"]) == (2, 1, 0)


def test_touches_of_one_instant_are_told_apart_by_their_id(tmp_path: Path) -> None:
    twins = [click(1, "03-02 10:00"), click(2, "03-02 10:00")]
    store = shop(tmp_path, twins, [order(1, "03-04 10:00")])
    assert made(store, twins)["bought"] == [1, 1]
    named = store.get_training_set(
        spine_of(twins, "click_id"), service="model@1", labels=[bought], as_of="2026-03-25T00:00:00Z"
    )
    assert named.to_arrow()["bought"].to_pylist() == [0, 1]


def test_copies_count_once_and_null_keys_are_quarantined(tmp_path: Path) -> None:
    twice = [order(1, "03-04 10:00", amount=5.0), order(1, "03-04 10:00", "03-05 10:00", amount=9.0)]
    keyless = order(2, "03-04 10:00", user_id=None)
    store = shop(tmp_path, [*THREE, THREE[0]], [*twice, keyless, order(3, "03-04 11:00", amount=1.0)])
    dataset = store.get_training_set(
        spine_of(THREE), service="model@1", labels=[revenue], as_of="2026-03-25T00:00:00Z"
    )
    assert dataset.to_arrow()["revenue"].to_pylist() == [0.0, 6.0, None]
    assert dataset.manifest["quarantined"] == {"orders: no_key": 1}


def test_counts_conditions_and_one_log_for_both_sides(tmp_path: Path) -> None:
    ordered = [order(n, f"03-0{n} 10:00", amount=float(n)) for n in range(4, 7)]
    counted = dataclasses.replace(bought, count=True, where="amount > 4")
    store = shop(tmp_path, THREE, ordered)
    assert made(store, labels=counted)["bought"] == [0, 2, None]
    early = dataclasses.replace(bought, touches_where="click_id <> 'c2'")
    assert made(store, labels=early)["bought"] == [1, None, None]
    # orders that follow a first order: the same log on both sides
    again = dataclasses.replace(
        bought, touches=orders, touches_where="amount = 4", where="amount > 4", count=True
    )
    assert made(store, ordered[:1] and [click(1, "03-04 10:00")], labels=again)["bought"] == [2]


def test_sums_may_leave_what_doubles_hold(tmp_path: Path) -> None:
    """As features do: infinity is their answer, on whichever thread they are made."""
    store = shop(tmp_path, THREE, [order(n, "03-04 10:00", amount=1.7e308) for n in range(3)])
    assert made(store, labels=revenue)["revenue"] == [0.0, float("inf"), None]


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ({"labels": ["brought"]}, UnknownNameError, "brought"),
        ({"labels": [bought, bought]}, DefinitionError, "'bought'"),
        ({"immature": "maybe"}, DataError, "'maybe'"),
        ({"negatives": 0.0}, DataError, "0.0 is no share"),
        ({"negatives": True}, DataError, "True is no share"),
        ({"negatives": 0.5, "labels": []}, DataError, "Without a label"),
        ({"service": None}, DataError, "Ask for features"),
        (
            {"labels": [dataclasses.replace(bought, where="amount")]},
            DefinitionError,
            "not bool",
        ),
    ],
    ids=["no label", "twice", "immature", "share", "bool", "no outcome", "features", "where"],
)
def test_what_cannot_be_is_refused(
    how: dict[str, Any], error: type[Exception], says: str, tmp_path: Path
) -> None:
    store = shop(tmp_path, THREE, [])
    with pytest.raises(error, match=says):
        made(store, **how)
