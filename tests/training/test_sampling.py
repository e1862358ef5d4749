"""Negative sampling: the same rows stay whatever else there is, and weights give back the whole."""

from __future__ import annotations

import dataclasses
import random
from typing import TYPE_CHECKING, Any

import pytest

from headrace.errors import DefinitionError
from tests.training.shop import bought, click, order, shop, spine_of

if TYPE_CHECKING:
    from pathlib import Path

AS_OF = "2026-03-25T00:00:00Z"
CLICKS = [click(n, f"03-0{n % 9 + 1} {n % 24:02}:{n % 60:02}", f"u{n % 7}", n % 5) for n in range(400)]
ORDERS = [order(n, "03-09 12:00", user_id=f"u{n}", ad_id=n) for n in range(4)]


def kept(store: Any, rows: Any, **how: Any) -> dict[tuple[Any, ...], float]:
    given = {"service": "model", "labels": [bought], "as_of": AS_OF, "immature": "drop", **how}
    found = store.get_training_set(spine_of(rows), **given).to_arrow().to_pylist()
    return {
        (row["user_id"], row["ad_id"], row["ts"], row["bought"]): row.get("sample_weight") for row in found
    }


def test_positives_stay_and_negatives_are_weighed(tmp_path: Path) -> None:
    store = shop(tmp_path, CLICKS, ORDERS)
    whole = kept(store, CLICKS)
    assert set(whole.values()) == {None}
    positives = {row for row in whole if row[3]}
    assert 0 < len(positives) < len(whole) // 10
    some = kept(store, CLICKS, negatives=0.25)
    assert set(some) < set(whole)
    assert {row for row in some if row[3]} == positives
    assert {weight for row, weight in some.items() if row[3]} == {1.0}
    assert {weight for row, weight in some.items() if not row[3]} == {4.0}
    # the weights give back how many there were, but for chance: a standard deviation is some 35 rows here
    assert abs(sum(some.values()) - len(whole)) < 140


def test_the_same_rows_stay_in_any_order_and_batch(tmp_path: Path, seed: int) -> None:
    store = shop(tmp_path, CLICKS, ORDERS)
    some = kept(store, CLICKS, negatives=0.25)
    shuffled = random.Random(seed).sample(CLICKS, len(CLICKS))
    assert kept(store, shuffled, negatives=0.25) == some
    halves = [kept(store, part, negatives=0.25) for part in (shuffled[:150], shuffled[150:])]
    assert {**halves[0], **halves[1]} == some


def test_a_smaller_share_is_part_of_a_greater_one_and_another_seed_keeps_others(tmp_path: Path) -> None:
    store = shop(tmp_path, CLICKS, ORDERS)
    some, fewer = kept(store, CLICKS, negatives=0.5), kept(store, CLICKS, negatives=0.1)
    assert set(fewer) < set(some)
    assert set(kept(store, CLICKS, negatives=0.5, seed=1)) != set(some)
    assert set(kept(store, CLICKS, negatives=1.0)) == set(kept(store, CLICKS))


def test_rows_without_a_label_stay_without_a_weight(tmp_path: Path) -> None:
    rows = [click(1, "03-02 10:00"), click(2, "03-20 10:00")]
    store = shop(tmp_path, rows, [])
    assert list(kept(store, rows, immature="null", negatives=1e-9).values()) == [None]
    assert list(kept(store, rows, immature="keep", negatives=1e-9).values()) == []


def test_labels_of_several_keys_are_sampled_together(tmp_path: Path) -> None:
    """A row is negative if it has none of the outcomes, and a key that another label lacks is no matter."""
    any_ad = dataclasses.replace(bought, name="any_ad", keys=["user_id"])
    adless = [click(1000 + n, f"03-02 11:{n:02}", f"u{n % 7}", None) for n in range(50)]
    store = shop(tmp_path, [*CLICKS, *adless], ORDERS)
    both = {"labels": [bought, any_ad], "immature": "null"}
    found = store.get_training_set(
        spine_of([*CLICKS, *adless]), service="model", as_of=AS_OF, negatives=0.25, **both
    ).to_arrow()
    rows = found.to_pylist()
    assert {row["sample_weight"] for row in rows if row["bought"] or row["any_ad"]} == {1.0}
    assert {row["sample_weight"] for row in rows if not row["bought"] and not row["any_ad"]} == {4.0}
    assert 0 < sum(row["ad_id"] is None and not row["any_ad"] for row in rows) < 40


def test_a_column_of_weights_in_the_spine_is_refused(tmp_path: Path) -> None:
    store = shop(tmp_path, CLICKS, ORDERS)
    spine = spine_of(CLICKS).append_column("sample_weight", [[1.0] * len(CLICKS)])
    with pytest.raises(DefinitionError, match="sample_weight"):
        store.get_training_set(spine, service="model", labels=[bought], negatives=0.5)
